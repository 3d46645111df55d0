import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { seeded } from '../../test/seeded.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createBackend } from '../backend.ts'
import { createGraph, type Graph, sizeOf, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { roundBf16 } from '../reference/bf16.ts'
import { attention } from './attention.ts'
import { conv2d } from './convolution.ts'
import { matmul } from './matmul.ts'
import { operand } from './round-bf16.ts'

const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0]!
const float = (x: number) => new Float32Array(Uint32Array.of(x).buffer)[0]!

function rounded(values: readonly number[]): Float32Array {
  const graph = createGraph('bf16x')
  const x = graph.input('x', [values.length])
  const y = operand(graph, x)
  const executable = createExecutable(graph, { keep: [y] })
  executable.f32(x).set(values)
  executable.run()
  return executable.f32(y).slice()
}

test('rounding: nearest, ties to even, overflow to infinity, nothing below 2^-50, one NaN', () => {
  const tie = float(0x3f808000)
  const above = float(0x3f818000)
  expect(Array.from(rounded([1, tie, above, float(0x3f808001), -tie]), bits)).toEqual([
    0x3f800000, 0x3f800000, 0x3f820000, 0x3f810000, 0xbf800000,
  ])
  const largest = float(0x7f7fffff)
  expect(Array.from(rounded([largest, -largest, Infinity, float(1), float(0x80018000), -0]), bits)).toEqual([
    0x7f800000, 0xff800000, 0x7f800000, 0, 0x80000000, 0x80000000,
  ])
  // 2^-50 stays, what rounds to it too.
  expect(Array.from(rounded([2 ** -50, -(2 ** -50), float(0x267f8000), float(0x267f7fff), float(0xa67f0000)]), bits)).toEqual([
    0x26800000, 0xa6800000, 0x26800000, 0, 0x80000000,
  ])
  expect(Array.from(rounded([Number.NaN, float(0x7f800001), float(0xffffffff)]), bits)).toEqual([0x7fc00000, 0x7fc00000, 0x7fc00000])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 9 }), (words) => {
      const values = words.map(float)
      expect(Array.from(rounded(values), bits)).toEqual(values.map((value) => bits(roundBf16(value))))
    }),
  )
})

test('the nearest number by definition', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) }), (x) => {
      const y = roundBf16(x)
      if (Math.abs(x) < 2 ** -50) {
        expect(Math.abs(y)).toBe(Math.abs(x) < float(0x267f8000) ? 0 : 2 ** -50)
        return
      }
      const [below, above] = [float((bits(y) - 0x10000) >>> 0), float((bits(y) + 0x10000) >>> 0)]
      for (const other of [below, above]) if (Number.isFinite(other)) expect(Math.abs(y - x)).toBeLessThanOrEqual(Math.abs(other - x))
    }),
  )
})

const profile = 'bf16x' as const
const cases: [string, Parameters<typeof checkOperation>[0]][] = [
  ['a dense product', { operands: [{ shape: [5, 300] }, { shape: [7, 300] }], build: matmul }],
  [
    'a convolution',
    {
      operands: [{ shape: [3, 4, 6, 5] }, { shape: [6, 2, 3, 3] }],
      build: (graph: Graph, x: Value, w: Value) => conv2d(graph, x, w, { padding: [1, 1, 1, 1], stride: [2, 1], groups: 2 }),
    },
  ],
  ['attention', { operands: [{ shape: [2, 7, 24] }], build: (graph: Graph, x: Value) => attention(graph, x, { heads: 2, causal: true }) }],
  [
    'attention to all',
    { operands: [{ shape: [2, 5, 12] }], build: (graph: Graph, x: Value) => attention(graph, x, { heads: 1, causal: false }) },
  ],
]

test.each(cases)('%s: one set of bits, and gradients near those of f32', async (_name, given) => {
  // 2^-9 an operand, and sums of random signs.
  await checkOperation({ ...given, profile, smooth: true, tolerance: 0.03 })
})

const convolving = (options: Parameters<typeof conv2d>[3]) => (graph: Graph, x: Value, w: Value) => conv2d(graph, x, w, options)
const attending = (heads: number, causal: boolean) => (graph: Graph, x: Value) => attention(graph, x, { heads, causal })

test.each<[string, number[][], (graph: Graph, x: Value, w: Value) => Value]>([
  [
    'a convolution, groups and strides',
    [
      [3, 4, 6, 5],
      [6, 2, 3, 3],
    ],
    convolving({ padding: [1, 1, 1, 1], stride: [2, 1], groups: 2 }),
  ],
  [
    'a dilated one',
    [
      [2, 2, 9, 9],
      [3, 2, 3, 2],
    ],
    convolving({ dilation: [2, 3], padding: [2, 0, 2, 3] }),
  ],
  [
    'one of 1 x 1',
    [
      [2, 5, 4, 5],
      [6, 5, 1, 1],
    ],
    convolving({}),
  ],
  [
    'depthwise',
    [
      [2, 4, 5, 6],
      [4, 1, 3, 3],
    ],
    convolving({ padding: [1, 1, 1, 1], groups: 4 }),
  ],
  [
    'more images than parts',
    [
      [19, 2, 4, 4],
      [3, 2, 3, 3],
    ],
    convolving({ padding: [1, 1, 1, 1] }),
  ],
  [
    'more than 256 terms and places',
    [
      [2, 30, 17, 18],
      [4, 30, 3, 3],
    ],
    convolving({ padding: [1, 1, 1, 1] }),
  ],
  [
    'a weight whose images are one part',
    [
      [5, 90, 3, 3],
      [90, 90, 3, 3],
    ],
    convolving({ padding: [1, 1, 1, 1] }),
  ],
  [
    'so many images that they are not taken apart',
    [
      [260, 90, 3, 3],
      [90, 90, 3, 3],
    ],
    convolving({}),
  ],
  ['causal attention', [[2, 21, 24]], attending(2, true)],
  ['attention to all', [[2, 9, 36]], attending(3, false)],
  ['attention over more than 256 places', [[1, 270, 12]], attending(1, true)],
])('taken apart into products for a device, %s has the bits of its kernel', async (_name, shapes, build) => {
  const run = async (direct: boolean) => {
    const graph = createGraph(profile, { direct })
    const operands = shapes.map((shape, i) => graph.input(`operand ${i}`, shape))
    const y = build(graph, ...(operands as [Value, Value]))
    const seed = graph.input('seed', y.shape)
    const gradients = differentiate(graph, { seeds: new Map([[y, seed]]), wanted: operands })
    const keep = [y, ...operands.map((value) => gradients.get(value)!)]
    const executable = createExecutable(graph, { keep })
    const random = seeded(8)
    for (const value of [...operands, seed])
      executable.f32(value).set(Float32Array.from({ length: sizeOf(value.shape) }, () => random() * 2 - 1))
    executable.run()
    return {
      bits: keep.map((value) => Buffer.from(executable.f32(value).slice().buffer).toString('hex')),
      kinds: graph.nodes.map(({ op }) => op.name),
    }
  }
  const [kernel, apart] = [await run(false), await run(true)]
  expect(apart.bits).toEqual(kernel.bits)
  if (shapes[0]![0]! < 256) expect(apart.kinds).toContain('product grid')
})

test('matrices of images, back and forth: both backends, threads, gradients', async () => {
  const given = {
    operands: [{ shape: [3, 4, 6, 5] }, { shape: [6, 2, 3, 3] }],
    build: convolving({ padding: [1, 1, 1, 1], stride: [2, 1], groups: 2 }),
  }
  await checkOperation({ ...given, profile, direct: true, smooth: true, tolerance: 0.03 })
  await checkOperation({
    operands: [{ shape: [2, 7, 24] }],
    build: attending(2, true),
    profile,
    direct: true,
    smooth: true,
    tolerance: 0.03,
  })
})

test('operands count as bf16: what is cut off changes nothing, and a fused multiply-add would give the same bits', () => {
  const product = (a: Float32Array, b: Float32Array) => {
    const graph = createGraph(profile)
    const [x, w] = [graph.input('x', [1, 256]), graph.input('w', [1, 256])]
    const y = matmul(graph, x, w)
    const executable = createExecutable(graph, { keep: [y] })
    executable.f32(x).set(a)
    executable.f32(w).set(b)
    executable.run()
    return executable.f32(y)[0]!
  }
  fc.assert(
    fc.property(fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 512, maxLength: 512 }), (values) => {
      // Not so small that binary64 could not hold product and sum together.
      const kept = values.map((value) => (Math.abs(value) < 1 / 64 ? 0 : value))
      const [a, b] = [Float32Array.from(kept.slice(0, 256)), Float32Array.from(kept.slice(256))]
      const plain = product(a, b)
      expect(product(a.map(roundBf16), b.map(roundBf16))).toBe(plain)
      // Binary64 holds the exact sum of the product and a binary32, so this rounds once: what fused hardware does.
      let fused = 0
      for (let i = 0; i < 256; i++) fused = Math.fround(fused + roundBf16(a[i]!) * roundBf16(b[i]!))
      expect(fused + 0).toBe(plain + 0)
    }),
    { numRuns: 50 },
  )
})

test('storing: both backends draw alike, only between the two neighbours, up as often as the part cut off is large', () => {
  const n = 40_003
  const backends = (['wasm', 'reference'] as const).map((name) => createBackend(name, 2 ** 20))
  const draw = (fill: (i: number) => number, key: number) => {
    const [wasm, reference] = backends.map(({ memory, kernels }) => {
      const values = new Float32Array(memory, 65536, n)
      values.forEach((_, i) => {
        values[i] = fill(i)
      })
      kernels.storeBf16(65536, n, 5, key)
      return values
    })
    expect(Buffer.from(wasm!.slice().buffer).equals(Buffer.from(reference!.slice().buffer))).toBe(true)
    return wasm!.slice()
  }
  for (const part of [0x1000, 0x8000, 0xf000]) {
    const stored = draw(() => float(0x3f810000 + part), 77 + part)
    expect(new Set(Array.from(stored, bits))).toEqual(new Set([0x3f810000, 0x3f820000]))
    const up = stored.filter((value) => bits(value) === 0x3f820000).length / n
    expect(Math.abs(up - part / 0x10000)).toBeLessThan(0.01)
  }
  // What is a bf16 number stays, and so does what is not finite.
  const kept = [1, -0, -2.5, Infinity, Number.NaN, float(0x7f7f0000)]
  expect(draw((i) => kept[i % kept.length]!, 1).slice(0, 6)).toEqual(Float32Array.from(kept))
  expect(draw(() => 1.001, 1)).not.toEqual(draw(() => 1.001, 2))
})
