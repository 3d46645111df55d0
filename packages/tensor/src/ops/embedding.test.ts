import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { embedding } from './embedding.ts'

for (const [vocabulary, width, rows] of [
  [1, 1, 1],
  [7, 5, [3, 4]],
  [11, 50, 33],
  [40, 64, [2, 35]],
] as const) {
  test(`rows of a table ${vocabulary} x ${width} for [${rows}] tokens, and its gradient`, async () => {
    const shape = typeof rows === 'number' ? [rows] : [...rows]
    const size = shape.reduce((a: number, b) => a * b, 1)
    const tokens = Array.from({ length: size }, (_, i) => (i * i * 5 + 3) % vocabulary)
    const [y] = await checkOperation({
      operands: [{ shape: [vocabulary, width] }, { shape, dtype: 'i32', data: tokens }],
      build: (graph, table, at) => embedding(graph, table!, at!),
    })
    expect(y!.length).toBe(size * width)
  })
}

test('a token that is no row shows as NaN, and touches nothing on the way back', async () => {
  const tokens = [0, -1, 3, 2_000_000_000, 2, -2_000_000_000]
  const [y] = await checkOperation({
    operands: [
      { shape: [3, 2], data: [1, 2, 3, 4, 5, 6], differentiate: false },
      { shape: [6], dtype: 'i32', data: tokens },
    ],
    build: (graph, table, at) => embedding(graph, table!, at!),
  })
  const nan = Number.NaN
  expect([...y!]).toEqual([1, 2, nan, nan, nan, nan, nan, nan, 5, 6, nan, nan])
})

test('the gradient ignores tokens that are no row', () => {
  const graph = createGraph()
  const [table, tokens, d] = [graph.input('table', [3, 2]), graph.input('tokens', [4], 'i32'), graph.input('d', [4, 2])]
  const y = embedding(graph, table, tokens)
  const node = graph.nodes.at(-1)!
  const [gradient] = node.op.gradient!(graph, node, [d])
  for (const backend of ['wasm', 'reference'] as const) {
    const executable = createExecutable(graph, { keep: [y, gradient!], backend })
    executable.i32(tokens).set([2, -1, 3, 2])
    executable.f32(d).set([1, 2, 3, 4, 5, 6, 7, 8])
    executable.run()
    expect([...executable.f32(gradient!)], backend).toEqual([0, 0, 0, 0, 8, 10])
  }
})

test('what is not tokens and a table is refused', () => {
  const graph = createGraph()
  const [table, tokens] = [graph.input('table', [3, 2]), graph.input('tokens', [4], 'i32')]
  expect(() => embedding(graph, table, table)).toThrow('embedding: expected i32 tokens [...], received f32 [3,2]')
  expect(() => embedding(graph, tokens, tokens)).toThrow('embedding: expected an f32 table [vocabulary, width], received i32 [4]')
})
