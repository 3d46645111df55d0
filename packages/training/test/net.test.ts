import { createHash } from 'node:crypto'
import type { Activation, LayerSpec } from '@pouw/primitives'
import { initXavier, kernelVersion } from '@pouw/tensor'
import { expect, test } from 'vitest'
import type { Model, Net } from '../src/index.ts'
import { createNet, defineModel } from '../src/index.ts'
import { bits, seeded, values } from './seeded.ts'

const dense = (id: string, nodes: number, activation: Activation = 'relu') => ({ id, nodes, activation })
const denseModel = (inputs: number, layers: readonly LayerSpec[]) =>
  defineModel({ input: { kind: 'features', shape: [inputs] }, layers, loss: { type: 'softmax-cross-entropy' } })
const mnist = denseModel(784, [dense('hidden1', 128), dense('hidden2', 64), dense('output', 10, 'identity')])
const seedHash = (seed: string) => new Uint8Array(createHash('sha256').update(seed).digest())

function pair(model: Model, batch: number): [Net, Net] {
  return [createNet(model, batch), createNet(model, batch, { backend: 'reference' })]
}

function sameBits(name: string, a: Float32Array, b: Float32Array): void {
  const want = bits(b)
  const wrong = bits(a).findIndex((word, i) => word !== want[i])
  if (wrong >= 0) expect.fail(`${name} differs at ${wrong}: ${a[wrong]} is not ${b[wrong]}`)
}

/** Runs equal steps on both backends and compares all that a message would hash. */
function trainBoth(model: Model, batch: number, steps: number, seed: number, tau: number): void {
  const random = seeded(seed)
  const [wasm, reference] = pair(model, batch)
  const classes = model.declared.outputShape[0]!
  for (const net of [wasm, reference]) net.weights.set(initXavier(model, seedHash(`weights ${seed}`), 2.24))
  const q = Math.fround(Math.fround(Math.fround(0.1) / batch) * Math.fround(tau))
  let moved = 0
  let peers: Uint32Array[] = []
  for (let step = 0; step < steps; step++) {
    const rows = step % 2 === 0 ? batch : Math.ceil(batch / 2)
    const u8 = Uint8Array.from({ length: rows * model.tensors[0]!.shape[1]! }, () => random() * 256)
    const features = step % 3 === 2 ? values(rows * model.tensors[0]!.shape[1]!, random) : u8
    const labels = Uint8Array.from({ length: rows }, () => random() * classes)
    const outcome = [wasm, reference].map((net) => {
      net.applyPeers(peers, q)
      net.loadBatch(features, labels, features === u8 ? 1 / 255 : 1)
      const before = net.backward()
      const { words, overdrive } = net.exchange(tau, q)
      return { before, words, overdrive, after: net.forward(), finite: net.isFinite() }
    })
    expect(
      Buffer.compare(Buffer.from(outcome[0]!.words.buffer), Buffer.from(outcome[1]!.words.buffer)),
      `words, seed ${seed} step ${step}`,
    ).toBe(0)
    expect(outcome[0], `seed ${seed} step ${step}`).toEqual(outcome[1])
    expect(outcome[0]!.finite).toBe(true)
    sameBits('weights', wasm.weights, reference.weights)
    sameBits('residual', wasm.residual, reference.residual)
    sameBits('gradient', wasm.gradient, reference.gradient)
    sameBits('logits', wasm.logits(), reference.logits())
    moved += outcome[0]!.words.length
    // The next step applies this map twice and the first half of it negated, so counts of 2 and 1 occur.
    const map = outcome[0]!.words
    peers = [map, map.map((word) => (word ^ 0x80000000) >>> 0).slice(0, map.length >> 1), map]
  }
  expect(moved, `seed ${seed}: a test without moves tests little`).toBeGreaterThan(0)
}

test('small random nets train to equal bits on both backends', () => {
  const random = seeded(100)
  for (let seed = 0; seed < 25; seed++) {
    const depth = 1 + Math.floor(random() * 3)
    const layers = Array.from({ length: depth }, (_, i) =>
      dense(`d${i}`, 1 + Math.floor(random() * 40) + (i === depth - 1 ? 1 : 0), random() < 0.7 ? 'relu' : 'identity'),
    )
    const model = denseModel(1 + Math.floor(random() * (seed % 5 === 0 ? 700 : 50)), layers)
    trainBoth(model, 1 + Math.floor(random() * (seed % 7 === 0 ? 300 : 20)), 6, seed, 0.05 + random() / 4)
  }
})

test('the MNIST net trains to equal bits on both backends', () => {
  trainBoth(mnist, 128, 3, 1, 0.5)
})

test('digests of a recorded run: a change of them is a change of the arithmetic profile', () => {
  const random = seeded(7)
  const net = createNet(mnist, 64)
  net.weights.set(initXavier(mnist, seedHash('record'), 2.24))
  const features = Uint8Array.from({ length: 64 * 784 }, () => random() * 256)
  const labels = Uint8Array.from({ length: 64 }, () => random() * 10)
  const trace: unknown[] = []
  const map = createHash('sha256')
  for (let step = 0; step < 5; step++) {
    net.loadBatch(features, labels, 1 / 255)
    const { lossSum, correct } = net.backward()
    const { words, overdrive } = net.exchange(0.5, Math.fround(0.1 / 64 / 2))
    map.update(words)
    trace.push([lossSum, correct, words.length, overdrive])
  }
  const digest = (x: Float32Array) => createHash('sha256').update(x).digest('hex').slice(0, 16)
  expect({
    trace,
    map: map.digest('hex').slice(0, 16),
    weights: digest(net.weights),
    residual: digest(net.residual),
  }).toMatchInlineSnapshot(`
    {
      "map": "4d08e08394a5b45e",
      "residual": "97833d3e1539b41e",
      "trace": [
        [
          148.3799285888672,
          4,
          8198,
          990,
        ],
        [
          144.5084228515625,
          10,
          21038,
          331,
        ],
        [
          139.98110961914062,
          13,
          16878,
          314,
        ],
        [
          136.55496215820312,
          12,
          15923,
          261,
        ],
        [
          133.48562622070312,
          14,
          16043,
          239,
        ],
      ],
      "weights": "2e26368597a99d2b",
    }
  `)
})

test('the gradient is the slope of the sum loss in every direction of one tensor', () => {
  const model = denseModel(9, [dense('a', 12), dense('b', 7), dense('c', 4, 'identity')])
  const net = createNet(model, 16)
  const random = seeded(3)
  net.weights.set(initXavier(model, seedHash('slope'), 2))
  net.loadBatch(
    Float32Array.from({ length: 16 * 9 }, () => random() * 2 - 1),
    Uint8Array.from({ length: 16 }, () => random() * 4),
    1,
  )
  net.backward()
  const gradient = net.gradient.slice()
  const start = net.weights.slice()
  for (const { name, offset, size } of model.tensors) {
    // Along the gradient of one tensor, where the slope is largest against rounding.
    const part = gradient.subarray(offset, offset + size)
    const norm = Math.sqrt(part.reduce((sum, v) => sum + v * v, 0))
    expect(norm, name).toBeGreaterThan(0)
    const lossAt = (h: number) => {
      net.weights.set(start)
      for (let i = 0; i < size; i++) net.weights[offset + i]! += (h * part[i]!) / norm
      return net.forward().lossSum
    }
    const h = 0.005
    const slope = (lossAt(h) - lossAt(-h)) / (2 * h)
    expect(Math.abs(slope / norm - 1), `${name}: slope ${slope}, norm ${norm}`).toBeLessThan(0.02)
  }
})

test('known answers: equal logits cost log(classes), and the bias gradient is softmax minus onehot', () => {
  const model = denseModel(2, [dense('only', 4, 'identity')])
  for (const net of pair(model, 2)) {
    net.loadBatch(Uint8Array.of(1, 2, 3, 4), Uint8Array.of(0, 3), 1)
    const { lossSum, correct } = net.backward()
    expect(lossSum).toBeCloseTo(2 * Math.log(4), 6)
    expect(correct).toBe(1)
    // weight[c] = sum over rows of (1/4 - onehot) x, for rows (1, 2) with label 0 and (3, 4) with label 3; then the bias.
    expect([...net.gradient]).toEqual([0, -0.5, 1, 1.5, 1, 1.5, -2, -2.5, -0.5, 0.5, 0.5, -0.5])
  }
})

test('a net learns', () => {
  const model = denseModel(2, [dense('h', 8), dense('o', 2, 'identity')])
  const net = createNet(model, 64)
  const random = seeded(5)
  net.weights.set(initXavier(model, seedHash('learn'), 3))
  const features = Float32Array.from({ length: 128 }, () => random() * 2 - 1)
  // Points on the two sides of the circle of radius 0.8: no straight line parts them.
  const labels = Uint8Array.from({ length: 64 }, (_, i) => (features[2 * i]! ** 2 + features[2 * i + 1]! ** 2 > 0.64 ? 1 : 0))
  net.loadBatch(features, labels, 1)
  const first = net.forward()
  for (let step = 0; step < 600; step++) {
    net.backward()
    net.exchange(0.5, 0.5 * (0.5 / 64))
  }
  const end = net.forward()
  expect(end.lossSum).toBeLessThan(first.lossSum / 2)
  expect(end.correct).toBeGreaterThanOrEqual(58)
})

test('exchange: the published cases of the update map', () => {
  const model = denseModel(4, [dense('x', 1)])
  for (const net of pair(model, 1)) {
    net.residual.set([0, 11.5, -12.25, 30, -0])
    net.gradient.set([1, 1, 0, 0, 0])
    const { words, overdrive } = net.exchange(12, 0.25)
    expect([...words]).toEqual([0x80000001, 2, 0x80000003])
    expect([...net.residual]).toEqual([1, 0.5, -0.25, 18, 0])
    expect([...net.weights]).toEqual([0, -0.25, 0.25, -0.25, 0])
    // |1 - 12| is 11; |0 + 12| and |0 - 12| are not above 12.
    expect(overdrive).toBe(0)
    net.residual.fill(0)
    net.gradient.set([12, -12, 25, -13, 0])
    const strict = net.exchange(12, 0)
    expect([...strict.words]).toEqual([0x80000002, 3])
    expect(strict.overdrive).toBe(1)
  }
})

test('applyPeers: one rounding of the summed count, whatever the order; zero sums and bad indices leave the weights', () => {
  const model = denseModel(6, [dense('x', 1)])
  const up = 0x80000000
  for (const net of pair(model, 1)) {
    const start = Float32Array.of(1, 2, 3, 4, 5, 6, 7)
    const maps = [Uint32Array.of(up, up + 1, 2), Uint32Array.of(up, 1, 2, up + 6), Uint32Array.of(up, 2)]
    const step = Math.fround(0.1)
    const want = start.slice()
    want[0] = Math.fround(1 - Math.fround(step * 3))
    want[2] = Math.fround(3 + Math.fround(step * 3))
    want[6] = Math.fround(7 - step)
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      net.weights.set(start)
      net.applyPeers(
        order.map((i) => maps[i]!),
        step,
      )
      sameBits('weights', net.weights, want)
    }
    net.weights.set(start)
    expect(() => net.applyPeers([maps[0]!, Uint32Array.of(7)], step)).toThrow('map 1, word 0: expected an index below 7, received 7')
    sameBits('weights', net.weights, start)
    // The refused call left no counts behind.
    net.applyPeers([Uint32Array.of(up + 3, 3)], step)
    sameBits('weights', net.weights, start)
    expect(net.peersCancel([])).toBe(true)
    expect(net.peersCancel([Uint32Array.of(up + 3, 4), Uint32Array.of(3, up + 4)])).toBe(true)
    expect(net.peersCancel(maps)).toBe(false)
    expect(net.peersCancel([])).toBe(true)
    expect(() => net.peersCancel([Uint32Array.of(up + 3, up + 9)])).toThrow(RangeError)
    expect(net.peersCancel([Uint32Array.of(up + 3), Uint32Array.of(3)])).toBe(true)
    // Longer than the parameters: the list passes in pieces.
    net.weights.set(start)
    net.applyPeers([Uint32Array.from({ length: 20 }, (_, i) => (i % 2 ? up : up + 5))], step)
    expect(net.weights[0]).toBe(Math.fround(1 - Math.fround(step * 10)))
    expect(net.weights[5]).toBe(Math.fround(6 - Math.fround(step * 10)))
  }
})

test('NaN and infinity show in isFinite and in the loss', () => {
  const model = denseModel(3, [dense('h', 2), dense('o', 2, 'identity')])
  for (const net of pair(model, 1)) {
    expect(net.isFinite()).toBe(true)
    for (const view of [net.weights, net.residual, net.gradient]) {
      view[view.length - 1] = Number.POSITIVE_INFINITY
      expect(net.isFinite()).toBe(false)
      view[view.length - 1] = 0
      expect(net.isFinite()).toBe(true)
    }
    net.weights.fill(3e38)
    net.loadBatch(Uint8Array.of(255, 255, 255), Uint8Array.of(0), 1)
    expect(net.backward().lossSum).toBeNaN()
    expect(net.isFinite()).toBe(false)
  }
})

test('Xavier weights: equal on both backends, inside the bound, biases zero, another tensor another stream', () => {
  const model = denseModel(10, [dense('a', 10), dense('b', 10, 'identity')])
  const hash = seedHash('x')
  const weights = initXavier(model, hash, 2.24)
  sameBits('xavier', weights, initXavier(model, hash, 2.24, 'reference'))
  const bound = Math.fround(Math.sqrt(Math.fround(Math.fround(2.24 * 2) / 20)))
  expect(Math.max(...weights.map(Math.abs))).toBeLessThanOrEqual(bound)
  expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(bound * 0.95)
  expect(weights.subarray(100, 110)).toEqual(new Float32Array(10))
  expect(weights.subarray(0, 100)).not.toEqual(weights.subarray(110, 210))
  expect(() => initXavier(model, hash.subarray(1), 1)).toThrow('expected 32 bytes, received 31')
  expect(() => initXavier(model, hash, 0)).toThrow(RangeError)
})

test('misuse names what was expected and what came', () => {
  expect(() => denseModel(0, [dense('a', 1)])).toThrow(
    'input: expected positive whole extents of at most 1073741824 elements, received [0]',
  )
  expect(() => denseModel(1, [])).toThrow(RangeError)
  expect(() => denseModel(1, [dense('a', 1.5)])).toThrow('layer a: dense: nodes: expected a whole number from 1, received 1.5')
  expect(() => denseModel(1, [dense('a', 1), dense('a', 1)])).toThrow('layer a: expected an id of its own')
  expect(() => denseModel(1, [dense('a', 1, 'swish' as Activation)])).toThrow(
    /^layer a: dense: activation: expected one of identity, .*, received swish$/,
  )
  expect(() => denseModel(65536, [dense('a', 65536)])).toThrow('elements')
  expect(() => createNet(mnist, 0)).toThrow(RangeError)
  expect(() => createNet(mnist, 1, { backend: 'gpu' as 'wasm' })).toThrow('expected wasm or reference, received gpu')
  const net = createNet(mnist, 2)
  expect(() => net.forward()).toThrow('expected a loaded batch')
  expect(() => net.loadBatch(new Uint8Array(784), Uint8Array.of(1, 2), 1)).toThrow('expected 2 x 784 = 1568 values, received 784')
  expect(() => net.loadBatch(new Uint8Array(784), Uint8Array.of(10), 1)).toThrow('expected a class below 10, received 10')
  expect(() => net.loadBatch(new Uint8Array(784 * 3), new Uint8Array(3), 1)).toThrow('expected 1 to 2 rows, received 3')
  expect(() => net.exchange(0, 1)).toThrow('tau')
  expect(() => net.exchange(1, Number.NaN)).toThrow('q')
})

test('a model has its tensors in order', () => {
  expect(mnist.params).toBe(109_386)
  expect(mnist.tensors.map(({ name, shape, offset }) => [name, shape, offset])).toEqual([
    ['hidden1.weight', [128, 784], 0],
    ['hidden1.bias', [128], 100_352],
    ['hidden2.weight', [64, 128], 100_480],
    ['hidden2.bias', [64], 108_672],
    ['output.weight', [10, 64], 108_736],
    ['output.bias', [10], 109_376],
  ])
  expect(kernelVersion).toMatch(/^[0-9a-f]{64}$/)
})

test('a net for inference answers as one that trains, in less memory, and trains no more', () => {
  const [net, asked] = [createNet(mnist, 32), createNet(mnist, 32, { inference: true })]
  const random = seeded(8)
  const features = values(32 * 784, random)
  const labels = Int32Array.from({ length: 32 }, () => random() * 10)
  for (const each of [net, asked]) {
    each.modelNumbers.set(initXavier(mnist, seedHash('inference'), 1))
    each.loadBatch(features, labels, 1)
  }
  expect(asked.forward()).toEqual(net.forward())
  expect(asked.logits()).toEqual(net.logits())
  expect(asked.isFinite()).toBe(true)
  expect(asked.bytes).toBeLessThan(net.bytes / 2)
  expect(() => asked.backward()).toThrow('received one for inference')
  expect(() => asked.exchange(1, 1)).toThrow('net: expected')
})

test('a model without weights answers, and is refused where it would be trained', () => {
  const model = defineModel({
    input: { kind: 'features', shape: [3] },
    layers: [{ id: 'only', type: 'relu' }],
    loss: { type: 'mean-squared-error' },
  })
  const net = createNet(model, 1, { inference: true })
  net.loadBatch(Float32Array.of(-1, 0, 2), new Float32Array(3), 1)
  net.forward()
  expect(net.logits()).toEqual(Float32Array.of(0, 0, 2))
  expect(() => createNet(model, 1)).toThrow('expected a layer with weights to train')
})
