import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createGraph, type Graph, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { gelu, sigmoid, silu, tanh } from './activations.ts'

const GELU = Math.sqrt(2 / Math.PI)
const inner = (x: number) => 2 * GELU * (x + 0.044715 * x ** 3)
const gate = (v: number) => 1 / (1 + Math.exp(-v))
const slope = (v: number, b: number) => gate(v) * (1 + b * gate(-v))
const exact = {
  tanh: [tanh, Math.tanh, (x: number) => Math.cosh(x) ** -2],
  sigmoid: [sigmoid, gate, (x: number) => gate(x) * gate(-x)],
  silu: [silu, (x: number) => x * gate(x), (x: number) => slope(x, x)],
  gelu: [gelu, (x: number) => x * gate(inner(x)), (x: number) => slope(inner(x), 2 * GELU * (x + 3 * 0.044715 * x ** 3))],
} as const satisfies Record<string, readonly [(graph: Graph, x: Value) => Value, (x: number) => number, (x: number) => number]>

/** Largest errors that the sweep below may find: in units of the last place, and of the slope in 2^-24. bench/ulp.ts takes every binary32 number. */
const BOUNDS = { tanh: [1.4, 2.5], sigmoid: [1.75, 1.6], silu: [1.7, 4.1], gelu: [1.7, 4.4] }
/** Left of it the result is -0, or flat. */
const FROM = { tanh: -20, sigmoid: -105, silu: -110, gelu: -11 }

/** Zero, the least and the first normal numbers, where results become subnormal or vanish, the largest number and infinity. */
const EDGES = [
  0,
  2 ** -149,
  2 ** -126,
  1e-20,
  1e-3,
  0.6,
  0.7,
  3,
  4,
  5.9,
  6.1,
  8,
  10,
  10.3,
  10.9,
  11.1,
  17,
  20,
  30,
  59,
  61,
  87,
  88,
  90,
  104,
  109,
  111,
  1e10,
]
  .map(Math.fround)
  .concat(1.9e19, 3.4028234663852886e38, Number.POSITIVE_INFINITY)

for (const [name, [build, value, trueSlope]] of Object.entries(exact)) {
  const [bound, slopeBound] = BOUNDS[name as keyof typeof BOUNDS] as [number, number]
  test(`${name}: bits, gradient, at most ${bound} units in the last place from the true value, its slope at most ${slopeBound} 2^-24`, async () => {
    for (const shape of [[1], [7], [5, 9]]) await checkOperation({ operands: [{ shape }], build: (graph, x) => build(graph, x!) })
    await checkOperation({
      operands: [{ shape: [2 * EDGES.length], data: [...EDGES, ...EDGES.map((v) => -v)], differentiate: false }],
      build: (graph, x) => build(graph, x!),
    })

    const n = 1 << 17
    const graph = createGraph()
    const x = graph.input('x', [n])
    const y = build(graph, x)
    const d = graph.input('d', [n])
    const dx = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x] }).get(x)!
    const executable = createExecutable(graph, { keep: [y, dx] })
    const from = FROM[name as keyof typeof FROM]
    // Half of them evenly over where anything happens, half of them over all exponents, of both signs.
    const sweep = Float32Array.from({ length: n / 2 }, (_, i) => from + ((40 - from) * i) / (n / 2))
    const all = Uint32Array.from({ length: n / 2 }, (_, i) => Math.floor((i * 2 ** 32) / (n / 2)))
    executable.f32(x).set([...sweep, ...new Float32Array(all.buffer)])
    executable.f32(d).fill(1)
    executable.run()
    let worst = 0
    let worstSlope = 0
    for (let i = 0; i < n; i++) {
      const at = executable.f32(x)[i]!
      const [found, foundSlope] = [executable.f32(y)[i]!, executable.f32(dx)[i]!]
      if (!Number.isFinite(at)) continue
      // Binary64 is exact enough up to 40; beyond it values are at their limits.
      const want = at < from - 10 ? value(from - 10) : at > 40 ? value(40) * (name === 'silu' || name === 'gelu' ? at / 40 : 1) : value(at)
      const wantSlope = trueSlope(Math.min(Math.max(at, from - 10), 40))
      const size = Math.abs(want)
      const unit = size < 2 ** -126 ? 2 ** -149 : 2 ** (Math.floor(Math.log2(size)) - 23)
      worst = Math.max(worst, Math.abs(found - want) / unit)
      worstSlope = Math.max(worstSlope, Math.abs(foundSlope - wantSlope) * 2 ** 24)
    }
    expect(worst).toBeLessThanOrEqual(bound)
    expect(worst, 'a bound says something only if it is near').toBeGreaterThan(bound / 2)
    expect(worstSlope).toBeLessThanOrEqual(slopeBound)
    expect(worstSlope, 'a bound says something only if it is near').toBeGreaterThan(slopeBound / 2)
  })
}

test('silu and gelu with their slope have the bits that they have without', async () => {
  for (const build of [silu, gelu]) {
    const training = (graph: Graph, x: Value) => build(graph, x, { training: true })
    for (const shape of [[1], [7], [5, 9]]) await checkOperation({ operands: [{ shape }], build: (graph, x) => training(graph, x!) })
    const n = (1 << 16) + 3
    // Over all exponents, both signs, infinities and NaN among them.
    const words = Uint32Array.from({ length: n }, (_, i) => Math.floor((i * 2 ** 32) / n))
    const results = [build, training].map((made) => {
      const graph = createGraph()
      const [x, d] = [graph.input('x', [n]), graph.input('d', [n])]
      const y = made(graph, x)
      const dx = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x] }).get(x)!
      const executable = createExecutable(graph, { keep: [y, dx] })
      executable.f32(x).set(new Float32Array(words.buffer))
      executable.f32(d).fill(1 / 3)
      executable.run()
      return [executable.f32(y), executable.f32(dx)]
    })
    expect(results[1]).toEqual(results[0])
  }
})

test('NaN stays NaN, forward and backward', () => {
  for (const backend of ['wasm', 'reference'] as const)
    for (const build of [tanh, sigmoid, silu, gelu]) {
      const graph = createGraph()
      const x = graph.input('x', [5])
      const y = build(graph, x)
      const d = graph.input('d', [5])
      const dx = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x] }).get(x)!
      const executable = createExecutable(graph, { keep: [y, dx], backend })
      executable.f32(x).fill(Number.NaN)
      executable.f32(d).fill(1)
      executable.run()
      expect([...executable.f32(y), ...executable.f32(dx)], backend).toEqual(Array(10).fill(Number.NaN))
    }
})

test('far from 0 gelu and silu have the slopes 0 and 1', () => {
  for (const build of [silu, gelu]) {
    const graph = createGraph()
    const x = graph.input('x', [4])
    const y = build(graph, x)
    const d = graph.input('d', [4])
    const dx = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x] }).get(x)!
    const executable = createExecutable(graph, { keep: [y, dx] })
    executable.f32(x).set([-3e38, -1e3, 1e3, 3e38])
    executable.f32(d).fill(1)
    executable.run()
    expect([...executable.f32(dx)]).toEqual([-0, -0, 1, 1])
    expect([...executable.f32(y)]).toEqual([-0, -0, 1e3, Math.fround(3e38)])
  }
})
