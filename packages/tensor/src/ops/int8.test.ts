import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { seeded } from '../../test/seeded.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createGraph, type Graph, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { attention } from './attention.ts'
import { conv2d } from './convolution.ts'
import { quantized } from './int8.ts'
import { matmul } from './matmul.ts'

const profile = 'int8x' as const

function numbers(values: readonly number[], drawn = false): { q: number[]; unit: number } {
  const graph = createGraph(profile)
  const x = graph.input('x', [values.length])
  const { numbers: q, largest } = quantized(graph, x, drawn)
  const executable = createExecutable(graph, { keep: [q, largest] })
  executable.f32(x).set(values)
  if (graph.madeKey) executable.i32(graph.madeKey).set([5, 6])
  executable.run()
  const bits = executable.i32(largest)[0]!
  return { q: Array.from(executable.i8(q)), unit: 2 ** (Math.max((bits >>> 23) - 127, -120) - 6) }
}

test('numbers of one unit: the largest magnitude is 64 to 128 units, ties go to even, 128 is 127', () => {
  expect(numbers([1, -0.5, 0, 1 / 64, 0.75 / 64, 2.5 / 64, 3.5 / 64, -1])).toEqual({ q: [64, -32, 0, 1, 1, 2, 4, -64], unit: 1 / 64 })
  expect(numbers([1.999, -1.999]).q).toEqual([127, -127])
  expect(numbers([0, -0, 0]).q).toEqual([0, 0, 0])
  expect(numbers([2 ** -140, 2 ** -149])).toEqual({ q: [0, 0], unit: 2 ** -126 })
  expect(numbers([2 ** 127, -(2 ** 126)]).q).toEqual([64, -32])
  expect(numbers([Number.NaN, 1]).q).toEqual([0, 0])
})

test('drawn numbers have the right mean and only two values', () => {
  const q = numbers([64, ...Array.from({ length: 20_000 }, () => 10.25)], true).q.slice(1)
  expect(new Set(q)).toEqual(new Set([10, 11]))
  expect(Math.abs(q.filter((value) => value === 11).length / q.length - 0.25)).toBeLessThan(0.015)
})

test.each([
  [1, 1, 1],
  [5, 7, 3],
  [9, 17, 33],
  [70, 12, 100],
  [4, 260, 1030],
  [33, 8, 2049],
])('a dense product of %i x %i x %i: one set of bits, and gradients near those of f32', async (m, n, k) => {
  const small = m * n * k < 100_000
  await checkOperation({
    operands: [{ shape: [m, k] }, { shape: [n, k] }],
    build: matmul,
    profile,
    smooth: true,
    // 2^-7 an operand, and as much of the gradient.
    tolerance: small ? 0.3 : 1.5,
  })
})

test('a product is that of the numbers, exactly', () => {
  const graph = createGraph(profile)
  const [x, w] = [graph.input('x', [6, 50]), graph.input('w', [9, 50])]
  const y = matmul(graph, x, w)
  const executable = createExecutable(graph, { keep: [y] })
  const random = seeded(8)
  const [a, b] = [x, w].map((value) => {
    const data = Float32Array.from({ length: value === x ? 300 : 450 }, () => random() * 4 - 2)
    executable.f32(value).set(data)
    return numbers(Array.from(data))
  })
  executable.run()
  const found = executable.f32(y)
  for (let i = 0; i < 6; i++)
    for (let j = 0; j < 9; j++) {
      let sum = 0
      for (let p = 0; p < 50; p++) sum += a!.q[50 * i + p]! * b!.q[50 * j + p]!
      expect(found[9 * i + j]).toBe(Math.fround(sum) * a!.unit * b!.unit)
    }
})

test('what is not finite shows, and sums that could leave 32 bits are refused', () => {
  const graph = createGraph(profile)
  const [x, w] = [graph.input('x', [2, 3]), graph.input('w', [2, 3])]
  const y = matmul(graph, x, w)
  const executable = createExecutable(graph, { keep: [y] })
  executable.f32(w).fill(1)
  for (const bad of [Number.NaN, Infinity]) {
    executable.f32(x).fill(1)[1] = bad
    executable.run()
    expect(Array.from(executable.f32(y))).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN])
  }
  expect(() => matmul(graph, graph.input('x', [1, 133_145]), graph.input('w', [1, 133_145]))).toThrow('sums of at most 133144 products')
})

test.each<[string, number[], number[], Parameters<typeof conv2d>[3]]>([
  ['padding', [2, 3, 6, 5], [4, 3, 3, 3], { padding: [1, 1, 1, 1] }],
  ['stride and dilation', [2, 2, 9, 8], [3, 2, 3, 2], { stride: [2, 1], dilation: [1, 2], padding: [0, 1, 2, 0] }],
  ['groups', [3, 4, 5, 5], [6, 2, 2, 3], { groups: 2 }],
  ['depthwise', [2, 5, 6, 6], [5, 1, 3, 3], { groups: 5, padding: [1, 1, 1, 1] }],
  ['1 x 1', [2, 6, 4, 4], [9, 6, 1, 1], {}],
  ['many places', [1, 1, 24, 24], [17, 1, 3, 3], {}],
  ['tiles', [3, 16, 6, 8], [20, 16, 3, 3], { padding: [1, 1, 1, 1] }],
  ['tiles, odd channels, places and sides', [2, 17, 7, 5], [19, 17, 3, 3], { padding: [2, 0, 1, 1] }],
  ['several blocks of tiles', [3, 16, 25, 26], [18, 16, 3, 3], {}],
  ['tiles in groups of images', [2, 16, 131, 128], [16, 16, 3, 3], { padding: [1, 1, 1, 1] }],
  ['sums in parts of images', [3, 1, 300, 300], [1, 1, 2, 2], {}],
])('a convolution with %s: one set of bits, and gradients near those of f32', async (_name, x, w, options) => {
  await checkOperation({
    operands: [{ shape: x }, { shape: w }],
    build: (graph: Graph, image: Value, weight: Value) => conv2d(graph, image, weight, options),
    profile,
    smooth: true,
    // More so where more is summed.
    tolerance: 0.3 * Math.max(1, Math.sqrt(x[2]! * x[3]!) / 30),
  })
})

test('a convolution by tiles has the bits of products of matrices, forward and backward', () => {
  const [xs, ws, options] = [[5, 37, 14, 13], [21, 37, 3, 3], { padding: [1, 1, 1, 1] }] as const
  const results = [false, true].map((direct) => {
    const graph = createGraph('int8x', { direct })
    const [x, w] = [graph.input('x', xs), graph.input('w', ws)]
    const y = conv2d(graph, conv2d(graph, x, w, options), graph.input('more', [18, 21, 3, 3]), options)
    const d = graph.input('d', y.shape)
    const gradients = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x, w] })
    const keep = [y, gradients.get(x)!, gradients.get(w)!]
    expect(graph.nodes.some(({ op }) => op.name.includes('Winograd'))).toBe(!direct)
    const executable = createExecutable(graph, { keep })
    const random = seeded(4)
    for (const input of graph.values) {
      if (input.role !== 'input') continue
      if (input.dtype === 'i32') executable.i32(input).set([7, 9])
      else executable.f32(input).set(Array.from({ length: executable.f32(input).length }, () => random() - 0.5))
    }
    executable.run()
    return keep.map((value) => executable.f32(value).slice())
  })
  expect(results[0]).toEqual(results[1])
  expect(results[0]![2]!.some((v) => v !== 0)).toBe(true)
})

test.each([
  ['causal', [2, 7, 24], 2, true],
  ['to all', [3, 5, 12], 1, false],
  ['longer', [1, 40, 48], 4, true],
] as const)('attention, %s: one set of bits, and gradients near those of f32', async (_name, shape, heads, causal) => {
  await checkOperation({
    operands: [{ shape }],
    build: (graph: Graph, x: Value) => attention(graph, x, { heads, causal }),
    profile,
    smooth: true,
    tolerance: 0.3,
  })
})
