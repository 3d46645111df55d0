import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { concat, flatten, reshape, slice, transpose } from './movement.ts'

const counting = (n: number) => Array.from({ length: n }, (_, i) => i)

test('transpose against its definition, forward and back', async () => {
  const [y] = await checkOperation({
    operands: [{ shape: [2, 3, 4], data: counting(24) }],
    build: (graph, x) => transpose(graph, x!, [2, 0, 1]),
    h: 0.5,
  })
  const want: number[] = []
  for (let k = 0; k < 4; k++) for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) want.push(i * 12 + j * 4 + k)
  expect(Array.from(y!)).toEqual(want)
  for (const order of [[1, 0, 2], [0, 2, 1], [0]]) {
    await checkOperation({ operands: [{ shape: order.map((axis) => axis + 2) }], build: (graph, x) => transpose(graph, x!, order) })
  }
})

test('concat and slice, forward and back', async () => {
  const [y] = await checkOperation({
    operands: [
      { shape: [2, 1, 2], data: [0, 1, 2, 3] },
      { shape: [2, 2, 2], data: [10, 11, 12, 13, 14, 15, 16, 17] },
    ],
    build: (graph, a, b) => concat(graph, [a!, b!], 1),
    h: 0.5,
  })
  expect(Array.from(y!)).toEqual([0, 1, 10, 11, 12, 13, 2, 3, 14, 15, 16, 17])
  const [part] = await checkOperation({
    operands: [{ shape: [2, 3, 2], data: counting(12) }],
    build: (graph, x) => slice(graph, x!, { axis: 1, from: 1, to: 3 }),
    h: 0.5,
  })
  expect(Array.from(part!)).toEqual([2, 3, 4, 5, 8, 9, 10, 11])
})

test('a view costs nothing and carries gradients', async () => {
  await checkOperation({
    operands: [{ shape: [2, 3, 4] }],
    build: (graph, x) => transpose(graph, reshape(graph, flatten(graph, x!), [4, -1]), [1, 0]),
  })
})

test('what does not fit is refused', () => {
  const graph = createGraph()
  const x = graph.input('x', [2, 3])
  expect(() => reshape(graph, x, [4, 2])).toThrow('expected [4,2] to hold 6 elements')
  expect(() => reshape(graph, x, [4, -1])).toThrow(RangeError)
  expect(() => transpose(graph, x, [0, 0])).toThrow('order of the 2 axes')
  expect(() => concat(graph, [x, graph.input('y', [3, 3])], 1)).toThrow('expected [2,3] but for axis 1')
  expect(() => slice(graph, x, { axis: 1, from: 2, to: 2 })).toThrow('expected a part of axis 1')
})
