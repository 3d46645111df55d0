import { expect, test } from 'vitest'
import { add, addOp, multiply } from '../ops/elementwise.ts'
import { matmul } from '../ops/matmul.ts'
import { createGraph } from './graph.ts'
import { graphBytes } from './graph-bytes.ts'

test('a refusal names the layer, what was expected and what came', () => {
  const graph = createGraph()
  const x = graph.input('x', [4, 3])
  const w = graph.parameter('w', [2, 5])
  expect(() => graph.layer('hidden1', () => matmul(graph, x, w))).toThrow(/^layer hidden1: .*expected.*received.*\[4,3\].*\[2,5\]/)
  expect(() => graph.one(addOp, [x, w], {})).toThrow('expected shape [4,3], received [2,5]')
  expect(graph.nodes).toEqual([])
})

test('extents are positive whole numbers, and their product has a bound', () => {
  const graph = createGraph()
  for (const shape of [[0], [2, -1], [1.5], [Number.NaN], [2 ** 20, 2 ** 11]]) expect(() => graph.input('x', shape)).toThrow(RangeError)
})

test('bytes of a graph tell apart what computes differently, and nothing else', () => {
  const build = (profile: 'f32' | 'bf16x', name: string, rows: number, order: 'ab' | 'ba') => {
    const graph = createGraph(profile)
    const [a, b] = [graph.input(name, [rows, 3]), graph.input('b', [rows, 3])]
    const product = multiply(graph, b, graph.parameter('w', [rows, 3]))
    graph.layer(name, () => add(graph, ...(order === 'ab' ? ([a, product] as const) : ([product, a] as const))))
    return Buffer.from(graphBytes(graph)).toString('hex')
  }
  const one = build('f32', 'x', 4, 'ab')
  expect(build('f32', 'y', 4, 'ab')).toBe(one)
  const others = [build('bf16x', 'x', 4, 'ab'), build('f32', 'x', 5, 'ab'), build('f32', 'x', 4, 'ba')]
  expect(new Set([one, ...others]).size).toBe(4)
})
