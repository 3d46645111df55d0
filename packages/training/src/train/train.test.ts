import type { Gpu } from '@pouw/tensor'
import { expect, test } from 'vitest'
import { cnn, gpt, model, predict, type TrainingData, type TrainOptions, train } from '../index.ts'
import { syntheticDataset } from '../synthetic.ts'

const images = syntheticDataset('train api', 300, 64, 4)
const data: TrainingData = { inputs: images.features.subarray(0, 200 * 64), wanted: images.labels.subarray(0, 200), scale: 1 / 255 }
const validation: TrainingData = { inputs: images.features.subarray(200 * 64), wanted: images.labels.subarray(200), scale: 1 / 255 }

const small = model({
  input: [1, 8, 8],
  layers: [
    { id: 'conv', type: 'conv2d', filters: 6, kernel: 3, padding: 'same' },
    { id: 'norm', type: 'batch-norm' },
    { id: 'act', type: 'relu' },
    { id: 'pool', type: 'max-pool', kernel: 2 },
    { id: 'flat', type: 'flatten' },
    { id: 'drop', type: 'dropout', rate: 0.2 },
    { id: 'out', nodes: 4 },
  ],
})
const options: TrainOptions = {
  data,
  epochs: 3,
  batch: 32,
  optimizer: { type: 'adamw', weightDecay: 0.01, clip: { type: 'norm', max: 5 } },
  rate: 0.005,
  warmup: 3,
  schedule: { type: 'cosine', steps: 21, final: 0.1 },
}

test('it learns, tells how far it is, and scores what it was not trained on', async () => {
  const seen: string[] = []
  const run = await train(small, {
    ...options,
    epochs: 8,
    schedule: { type: 'cosine', steps: 56, final: 0.1 },
    validation,
    onProgress: ({ step, steps, epoch, epochs }) => void seen.push(`${step}/${steps} ${epoch}/${epochs}`),
  })
  expect(seen.slice(0, 8)).toEqual(Array.from({ length: 8 }, (_, i) => `${i + 1}/56 ${i < 7 ? 1 : 2}/8`))
  expect(run.history.map(({ epoch, step }) => [epoch, step])).toEqual(Array.from({ length: 8 }, (_, i) => [i + 1, 7 * (i + 1)]))
  expect(run.history.at(-1)!.loss).toBeLessThan(run.history[0]!.loss / 2)
  expect(run.history.at(-1)!.validation!.accuracy).toBeGreaterThan(0.5)

  // A prediction does not depend on who stands beside it.
  const answers = predict(run, validation.inputs, { scale: 1 / 255 })
  expect(predict(run, validation.inputs, { scale: 1 / 255, batch: 7 })).toEqual(answers)
  const right = Array.from(validation.wanted).filter((label, row) => {
    const logits = answers.subarray(4 * row, 4 * row + 4)
    return logits.indexOf(Math.max(...logits)) === label
  })
  expect(right.length / validation.wanted.length).toBe(run.history.at(-1)!.validation!.accuracy)
})

test('threads, a stop and a new start change no bit', async () => {
  const whole = await train(small, options)
  const threaded = await train(small, { ...options, threads: 2 })
  expect(threaded.state).toEqual(whole.state)

  for (const stopAt of [3, 7, 12]) {
    const controller = new AbortController()
    const first = await train(small, {
      ...options,
      signal: controller.signal,
      onProgress: ({ step }) => {
        if (step === stopAt) controller.abort()
      },
    })
    expect([first.stopped, first.state.step]).toEqual([true, stopAt])
    const rest = await train(small, { ...options, from: first.state })
    expect([rest.stopped, rest.state]).toEqual([false, whole.state])
  }
  expect((await train(small, { ...options, seed: 'another' })).state.weights).not.toEqual(whole.weights)
})

test('every optimiser learns', async () => {
  for (const [optimizer, rate] of [
    ['sgd', 0.2],
    ['momentum', 0.05],
    ['nesterov', 0.05],
    ['rmsprop', 0.003],
    ['adam', 0.005],
    ['adamw', 0.005],
  ] as const) {
    const { history } = await train(small, { data, epochs: 6, batch: 40, optimizer, rate })
    expect(history.at(-1)!.loss, optimizer).toBeLessThan(history[0]!.loss / 2)
  }
})

test('a language model on tokens: the mean is over tokens', async () => {
  const tokens = Int32Array.from({ length: 40 * 8 }, (_, i) => (Math.floor(i / 8) + i) % 7)
  const next = tokens.map((token) => (token + 1) % 7)
  const tiny = model(gpt({ layers: 1, heads: 2, width: 16, time: 8, vocabulary: 7 }))
  const { history } = await train(tiny, { data: { inputs: tokens, wanted: next }, epochs: 12, batch: 8, rate: 0.01 })
  expect(history[0]!.loss).toBeLessThan(3)
  expect(history.at(-1)!.accuracy).toBeGreaterThan(0.9)
})

test('what does not fit is refused with what was expected', async () => {
  const other = (change: Partial<TrainOptions>) => train(small, { ...options, ...change })
  const floats = new Float32Array(200)
  await expect(other({ data: { ...data, inputs: data.inputs.subarray(1) } })).rejects.toThrow('data: expected rows of [1,8,8] = 64 inputs')
  await expect(other({ data: { ...data, wanted: data.wanted.subarray(1) } })).rejects.toThrow(
    'data: expected 200 x 1 classes, received 199',
  )
  await expect(other({ data: { ...data, wanted: floats } })).rejects.toThrow('data: expected classes')
  await expect(other({ validation: { ...data, inputs: new Int32Array(64) } })).rejects.toThrow('validation: expected features')
  await expect(other({ data: { ...data, wanted: Uint8Array.from(data.wanted, () => 4) } })).rejects.toThrow('a class below 4')
  await expect(other({ epochs: 0 })).rejects.toThrow('epochs: expected')
  await expect(other({ rate: Number.NaN })).rejects.toThrow('rate: expected')
  await expect(other({ optimizer: 'lion' as never })).rejects.toThrow('optimizer: expected sgd, momentum')
  await expect(other({ optimizer: { type: 'adam', clip: { type: 'norm', max: -1 } } })).rejects.toThrow('expected a finite bound > 0')
  const { state } = await other({ epochs: 1 })
  await expect(other({ from: { ...state, weights: state.weights.subarray(1) } })).rejects.toThrow('from.weights: expected')
  await expect(other({ from: { ...state, step: 99 } })).rejects.toThrow('from: expected a state of at most 21 steps')
  expect(() => model({ input: [1, 2, 2], layers: cnn().layers })).toThrow('expected')
})

test('a run that leaves the finite says in which layer', async () => {
  const wild = { ...options, optimizer: 'sgd', rate: 1e30, warmup: 0, schedule: { type: 'constant' } } as const
  await expect(train(small, wild)).rejects.toThrow(/step \d+: layer (conv|norm|out|loss) makes a number that is not finite/)
})

/** A product of int8 numbers as its words say it, in plain loops. */
async function plainProduct(...[grid, a, b, size]: Parameters<Gpu['product']>): Promise<Uint32Array> {
  const c = new Int32Array(size)
  const [ao, ai, bo, bi, co, ci] = grid.steps as [number, number, number, number, number, number]
  for (let unit = 0; unit < grid.outer * grid.inner; unit++) {
    const [o, i] = [Math.floor(unit / grid.inner), unit % grid.inner]
    const [from, other, to] = [grid.offsets[0] + o * ao + i * ai, grid.offsets[1] + o * bo + i * bi, o * co + i * ci]
    for (let row = 0; row < grid.m; row++)
      for (let column = 0; column < grid.n; column++) {
        let sum = 0
        for (let p = 0; p < grid.k; p++) {
          const left = a[from + (grid.kind === 2 ? p * grid.lda + row : row * grid.lda + p)]!
          sum += left * b[other + (grid.kind === 0 ? column * grid.ldb + p : p * grid.ldb + column)]!
        }
        c[to + row * grid.ldc + column]! += sum
      }
  }
  return new Uint32Array(c.buffer)
}

test('products of a graphics processor change no bit, nor does its loss on the way; one for another profile is refused', async () => {
  const wide = model({
    input: [1, 6, 6],
    layers: [
      { id: 'conv', type: 'conv2d', filters: 16, kernel: 3, padding: 1, activation: 'relu' },
      { id: 'more', type: 'conv2d', filters: 16, kernel: 3, padding: 1, activation: 'relu' },
      { id: 'flat', type: 'flatten' },
      { id: 'output', nodes: 3 },
    ],
  })
  const data = {
    inputs: Float32Array.from({ length: 11 * 36 }, (_, i) => ((i * 7919) % 101) / 50 - 1),
    wanted: Int32Array.from({ length: 11 }, (_, i) => i % 3),
  }
  const run = (more: object) => train(wide, { data, epochs: 2, batch: 4, profile: 'int8x', ...more })
  const plain = await run({})
  let products = 0
  const lines: string[] = []
  const gpu = (last: number): Gpu => ({
    name: 'a device',
    profile: 'int8x',
    async product(...given) {
      if (++products > last) throw new Error('lost')
      return plainProduct(...given)
    },
    close() {},
  })
  const log = (line: string) => lines.push(line)
  expect((await run({ gpu: gpu(1e9), log })).weights).toEqual(plain.weights)
  // Six steps; a layer has a product forward and two back, but the first, whose input nobody trains.
  expect(products).toBe(6 * 8)
  expect(lines).toEqual([])
  products = 0
  expect((await run({ gpu: gpu(20), log })).weights).toEqual(plain.weights)
  expect(products).toBe(21)
  expect(lines).toEqual(['WebGPU: a device: lost; int8x products run in WebAssembly from here on'])
  await expect(run({ gpu: { ...gpu(9), profile: 'bf16x' } })).rejects.toThrow('expected one opened for profile int8x')
})
