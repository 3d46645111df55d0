import { expect, test } from 'vitest'
import { createGraph } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { addOp } from '../ops/elementwise.ts'
import { matmul } from '../ops/matmul.ts'
import { differentiate } from './differentiate.ts'

test('a weight that is used twice gets the sum of both gradients, and one that is not used gets none', () => {
  const graph = createGraph()
  const x = graph.input('x', [1, 1])
  const w = graph.parameter('w', [1, 1])
  const idle = graph.parameter('idle', [1, 1])
  const y = matmul(graph, matmul(graph, x, w), w)
  const upstream = graph.input('upstream', [1, 1])
  const gradients = differentiate(graph, { seeds: new Map([[y, upstream]]), wanted: [w, idle, x] })
  expect(gradients.has(idle)).toBe(false)
  const executable = createExecutable(graph, { keep: [...gradients.values()] })
  executable.f32(x)[0] = 3
  executable.f32(w)[0] = 5
  executable.f32(upstream)[0] = 2
  executable.run()
  // y = x w^2: dy/dw = 2 x w, dy/dx = w^2.
  expect(executable.f32(gradients.get(w)!)[0]).toBe(60)
  expect(executable.f32(gradients.get(x)!)[0]).toBe(50)
})

test('what does not depend on a wanted value costs nothing on the way back', () => {
  const graph = createGraph()
  const x = graph.input('x', [2, 2])
  const frozen = graph.parameter('frozen', [2, 2])
  const w = graph.parameter('w', [2, 2])
  const y = graph.one(addOp, [matmul(graph, x, frozen), matmul(graph, x, w)], {})
  const before = graph.nodes.length
  differentiate(graph, { seeds: new Map([[y, graph.input('upstream', [2, 2])]]), wanted: [w] })
  // A product has two gradients, of which the planner drops the one that nobody reads.
  expect(graph.nodes.length - before).toBe(2)
})
