import { expect, test } from 'vitest'
import { cnn, createNet, defineModel, gpt, type LayerSpec, type ModelSpec, type Net } from '../src/index.ts'
import { bits, seeded } from './seeded.ts'

const sequence = defineModel({
  input: { kind: 'tokens', length: 5, vocabulary: 9 },
  layers: [
    { id: 'token', type: 'embedding', vocabulary: 9, width: 8 },
    { id: 'place', type: 'position' },
    { id: 'norm', type: 'layer-norm', segment: 'block' },
    { id: 'up', nodes: 12, activation: 'relu', segment: 'block' },
    { id: 'down', nodes: 8, segment: 'block' },
    { id: 'sum', type: 'add', inputs: ['place', 'down'] },
    { id: 'drop', type: 'dropout', rate: 0.5 },
    { id: 'head', nodes: 9, bias: false, tied: 'token' },
  ],
  loss: { type: 'softmax-cross-entropy' },
})

const normed = (layers: readonly LayerSpec[] = []) =>
  defineModel({
    input: { kind: 'features', shape: [3, 4] },
    layers: [{ id: 'batch', type: 'batch-norm' }, { id: 'flat', type: 'flatten' }, ...layers, { id: 'out', nodes: 4 }],
    loss: { type: 'softmax-cross-entropy' },
  })

function seedWeights(net: Net): void {
  const random = seeded(3)
  for (let i = 0; i < net.model.params; i++) net.weights[i] = random() - 0.5
}

test('a sequence model trains to equal bits on both backends, with and without checkpoints, and learns', () => {
  const nets = [
    createNet(sequence, 6),
    createNet(sequence, 6, { backend: 'reference' }),
    createNet(sequence, 6, { checkpoint: true }),
  ] as const
  for (const net of nets) seedWeights(net)
  const tokens = Int32Array.from({ length: 30 }, (_, i) => (i * i) % 9)
  const labels = Int32Array.from(tokens, (token) => (token * 2) % 9)
  const losses: number[] = []
  for (let step = 1; step <= 20; step++) {
    // Some steps have fewer rows, in the places of the full ones.
    const rows = step % 4 === 0 ? 4 : 6
    const results = nets.map((net) => {
      net.loadTokens(tokens.subarray(0, 5 * rows), labels.subarray(0, 5 * rows))
      net.setKey(step, 77)
      const before = net.backward()
      const { words, overdrive } = net.exchange(0.5, 0.05)
      return {
        before,
        words,
        overdrive,
        after: net.forward(),
        logits: bits(net.logits()),
        weights: bits(net.weights),
        gradient: bits(net.gradient),
      }
    })
    expect(results[1], `reference, step ${step}`).toEqual(results[0])
    expect(results[2], `checkpoints, step ${step}`).toEqual(results[0])
    if (rows === 6) losses.push(results[0]!.after.lossSum)
  }
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2)
})

test('running statistics start at 0 and 1, move with a training pass and only then, and are used by a forward pass', () => {
  const net = createNet(normed(), 8)
  seedWeights(net)
  expect(Array.from(net.states)).toEqual([0, 0, 0, 1, 1, 1])
  const features = Float32Array.from({ length: 8 * 12 }, (_, i) => ((i * 37) % 19) / 3)
  net.loadBatch(
    features,
    Uint8Array.from({ length: 8 }, (_, i) => i % 4),
    1,
  )
  const before = net.forward()
  expect(Array.from(net.states)).toEqual([0, 0, 0, 1, 1, 1])
  net.backward()
  const moved = net.states.slice()
  expect(moved).not.toEqual(Float32Array.of(0, 0, 0, 1, 1, 1))
  expect(net.forward()).not.toEqual(before)
  net.states.set([0, 0, 0, 1, 1, 1])
  expect(net.forward()).toEqual(before)
})

test('the layer that makes a NaN or an infinity is named', () => {
  const net = createNet(
    normed([
      { id: 'wide', nodes: 6 },
      { id: 'then', nodes: 5, activation: 'relu' },
    ]),
    2,
  )
  seedWeights(net)
  net.loadBatch(new Float32Array(24).fill(1), Uint8Array.of(0, 1), 1)
  net.backward()
  expect(net.isFinite()).toBe(true)
  expect(net.nonFiniteLayer()).toBeUndefined()
  // The first weight of `wide` follows the six numbers of the norm.
  net.weights.fill(3e38, 6, 7)
  net.weights.fill(3e38, 7, 8)
  net.loadBatch(
    Float32Array.from({ length: 24 }, (_, i) => i % 5),
    Uint8Array.of(0, 1),
    1,
  )
  expect(Number.isFinite(net.backward().lossSum)).toBe(false)
  expect(net.nonFiniteLayer()).toBe('wide')
})

test('regression: targets, and a loss without hits', () => {
  const model = defineModel({
    input: { kind: 'features', shape: [2] },
    layers: [{ id: 'out', nodes: 1 }],
    loss: { type: 'mean-squared-error' },
  })
  const net = createNet(model, 3)
  net.weights.set([1, 2, 0.5])
  net.loadBatch(Float32Array.of(1, 1, 2, 0, 0, 3), Float32Array.of(3.5, 2, 6), 1)
  // Predictions 3.5, 2.5, 6.5.
  expect(net.backward()).toEqual({ lossSum: 0.5, correct: 0 })
  expect(Array.from(net.gradient)).toEqual([2, 3, 2])
})

const residual: ModelSpec = {
  input: { kind: 'features', shape: [2, 6, 6] },
  layers: [
    { id: 'stem', type: 'conv2d', filters: 4, kernel: 3, padding: 'same', bias: false },
    { id: 'norm', type: 'batch-norm', segment: 'a' },
    { id: 'bend', type: 'silu', segment: 'a' },
    { id: 'deep', type: 'conv2d', filters: 4, kernel: 3, padding: 1, groups: 2, segment: 'a' },
    { id: 'sum', type: 'add', inputs: ['stem', 'deep'] },
    { id: 'pool', type: 'max-pool', kernel: 3, stride: 2, padding: 1 },
    { id: 'mean', type: 'global-average-pool' },
    { id: 'out', nodes: 3, activation: 'tanh' },
  ],
  loss: { type: 'softmax-cross-entropy' },
}

for (const [name, spec] of [
  ['cnn', cnn()],
  ['residual', residual],
  ['gpt', gpt({ layers: 2, heads: 2, width: 8, time: 7, vocabulary: 11 })],
] as const) {
  test(`${name}: both backends and a checkpointed pass have the same bits, and it learns`, () => {
    const model = defineModel(spec)
    const nets = [createNet(model, 2), createNet(model, 2, { backend: 'reference' }), createNet(model, 2, { checkpoint: true })] as const
    const random = seeded(11)
    for (const { name: tensor, offset, size, shape } of model.tensors) {
      for (let i = 0; i < size; i++) {
        const bound = shape.length === 1 ? 0 : Math.sqrt(6 / (size / shape[0]!))
        const start = shape.length === 1 && tensor.endsWith('.weight') ? 1 : (random() * 2 - 1) * bound
        for (const net of nets) net.weights[offset + i] = start
      }
    }
    const { input } = spec
    const rows = 2 * (input.kind === 'tokens' ? input.length : 1)
    const labels = Int32Array.from({ length: rows }, (_, i) => (i * 5) % 3)
    const size = input.kind === 'tokens' ? rows : 2 * input.shape.reduce((a, b) => a * b, 1)
    const values = Array.from({ length: size }, () => random())
    const losses: number[] = []
    for (let step = 0; step < 8; step++) {
      const results = nets.map((net) => {
        if (input.kind === 'tokens')
          net.loadTokens(
            Int32Array.from(values, (v) => Math.floor(v * input.vocabulary)),
            labels,
          )
        else net.loadBatch(Float32Array.from(values), labels, 1)
        const before = net.backward()
        const { words } = net.exchange(0.05, 0.005)
        return { before, words, after: net.forward(), weights: bits(net.weights), gradient: bits(net.gradient), states: bits(net.states) }
      })
      expect(results[1], `reference, step ${step}`).toEqual(results[0])
      expect(results[2], `checkpoints, step ${step}`).toEqual(results[0])
      losses.push(results[0]!.before.lossSum)
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]!)
  })
}

test('checkpoints by segment: several blocks need much less memory, and give the same bits', () => {
  const model = defineModel(gpt({ layers: 8, heads: 2, width: 32, time: 32, vocabulary: 13 }))
  const nets = [createNet(model, 8), createNet(model, 8, { checkpoint: true })] as const
  const tokens = Int32Array.from({ length: 8 * 32 }, (_, i) => (i * i) % 13)
  const [plain, sparing] = nets.map((net) => {
    seedWeights(net)
    net.loadTokens(
      tokens,
      tokens.map((token) => (token + 1) % 13),
    )
    const loss = net.backward()
    // What is left when the flat arrays are taken away are activations and scratch.
    return { loss, gradient: bits(net.gradient), activations: net.bytes - 5 * 4 * model.params }
  })
  expect(sparing!.loss).toEqual(plain!.loss)
  expect(sparing!.gradient).toEqual(plain!.gradient)
  expect(sparing!.activations).toBeLessThan(plain!.activations / 2)
})
