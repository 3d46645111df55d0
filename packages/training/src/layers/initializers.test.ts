import type { InitializerSpec, LayerSpec } from '@pouw/primitives'
import { initXavier } from '@pouw/tensor'
import { expect, test } from 'vitest'
import { initialStates } from './initial-states.ts'
import { drawWeights } from './initializers.ts'
import { defineModel } from './model.ts'

const seed = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1)
const dense = (init: InitializerSpec | undefined, nodes = 200, inputs = 300, more: Partial<LayerSpec> = {}) =>
  defineModel({
    input: { kind: 'features', shape: [inputs] },
    layers: [{ id: 'out', nodes, ...(init && { init }), ...more } as LayerSpec],
    loss: { type: 'softmax-cross-entropy' },
  })
const weightsOf = (init: InitializerSpec, nodes = 200, inputs = 300) =>
  drawWeights(dense(init, nodes, inputs), seed, 3).subarray(0, nodes * inputs)
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x, 0) / values.length
const deviation = (values: ArrayLike<number>) => Math.sqrt(mean(Array.from(values, (x) => x * x)))

test('without a word it is as ever', () => {
  const model = dense(undefined)
  expect(drawWeights(model, seed, 3)).toEqual(initXavier(model, seed, 3))
  // The same uniform numbers by name.
  const named = weightsOf({ name: 'xavier', magnitude: 3 })
  initXavier(model, seed, 3)
    .subarray(0, 60_000)
    .forEach((x, i) => {
      expect(Math.abs(x - named[i]!)).toBeLessThan(1e-7)
    })
})

test('zero, one, constant, uniform, normal', () => {
  expect(new Set(weightsOf({ name: 'zero' }))).toEqual(new Set([0]))
  expect(new Set(weightsOf({ name: 'one' }))).toEqual(new Set([1]))
  expect(new Set(weightsOf({ name: 'constant', value: 0.1 }))).toEqual(new Set([Math.fround(0.1)]))
  const uniform = weightsOf({ name: 'uniform', scale: 0.5 })
  expect([Math.max(...uniform) < 0.5, Math.min(...uniform) >= -0.5]).toEqual([true, true])
  expect(deviation(uniform)).toBeCloseTo(0.5 / Math.sqrt(3), 2)
  const normal = weightsOf({ name: 'normal', sigma: 0.02 })
  expect(mean(normal)).toBeCloseTo(0, 3)
  expect(deviation(normal) / 0.02).toBeCloseTo(1, 1)
  expect(mean(Array.from(normal, (x) => (x / 0.02) ** 4))).toBeCloseTo(3, 0)
})

test("Xavier's and He's deviations follow the fans", () => {
  expect(deviation(weightsOf({ name: 'xavier', magnitude: 2, factor: 'in', distribution: 'normal' }))).toBeCloseTo(Math.sqrt(2 / 300), 2)
  expect(deviation(weightsOf({ name: 'msra-prelu', slope: 0, factor: 'out' }))).toBeCloseTo(Math.sqrt(2 / 200), 2)
  const image = defineModel({
    input: { kind: 'features', shape: [8, 9, 9] },
    layers: [{ id: 'conv', type: 'conv2d', filters: 64, kernel: 5, init: { name: 'msra-prelu', slope: 0, factor: 'in' } }],
    loss: { type: 'mean-squared-error' },
  })
  expect(deviation(drawWeights(image, seed, 3).subarray(0, 64 * 8 * 25))).toBeCloseTo(Math.sqrt(2 / 200), 2)
})

test.each([
  [20, 50],
  [50, 20],
  [7, 7],
])('orthogonal rows or columns of %i x %i', (nodes, inputs) => {
  const w = weightsOf({ name: 'orthogonal', scale: 2 }, nodes, inputs)
  const at = (vector: number, i: number) => (nodes <= inputs ? w[vector * inputs + i]! : w[i * inputs + vector]!)
  const [count, length] = nodes <= inputs ? [nodes, inputs] : [inputs, nodes]
  for (let a = 0; a < count; a++)
    for (let b = 0; b <= a; b++) {
      let sum = 0
      for (let i = 0; i < length; i++) sum += at(a, i) * at(b, i)
      expect(sum).toBeCloseTo(a === b ? 4 : 0, 5)
    }
})

test('bilinear kernels and forget gates', () => {
  const image = defineModel({
    input: { kind: 'features', shape: [2, 8, 8] },
    layers: [{ id: 'up', type: 'conv2d', filters: 2, kernel: 4, groups: 2, init: { name: 'bilinear' } }],
    loss: { type: 'mean-squared-error' },
  })
  const row = [0.25, 0.75, 0.75, 0.25]
  expect(Array.from(drawWeights(image, seed, 3).subarray(0, 16))).toEqual(row.flatMap((y) => row.map((x) => x * y)))
  const gates = dense(undefined, 8, 3, { biasInit: { name: 'lstm-bias', forget: 2 } })
  expect(Array.from(drawWeights(gates, seed, 3).subarray(24))).toEqual([0, 0, 2, 2, 0, 0, 0, 0])
  expect(() => drawWeights(dense({ name: 'lstm-bias' }), seed, 3)).toThrow('layer out: lstm-bias: expected a vector of four gates')
})

test('sines of positions are those of the platform, rounded', () => {
  const model = defineModel({
    input: { kind: 'features', shape: [500, 7] },
    layers: [{ id: 'place', type: 'position', kind: 'sinusoidal' }],
    loss: { type: 'mean-squared-error' },
  })
  const table = initialStates(model.declared)
  for (let p = 0; p < 500; p++)
    for (let j = 0; j < 7; j++) {
      const angle = p / 10000 ** ((2 * Math.floor(j / 2)) / 7)
      expect(Math.abs(table[p * 7 + j]! - (j % 2 === 0 ? Math.sin(angle) : Math.cos(angle)))).toBeLessThan(1e-7)
    }
})
