import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { averagePool, globalAveragePool, globalMaxPool, maxPool, type PoolingOptions } from './pooling.ts'

// All different, so that a small step changes no winner.
const distinct = (n: number) => Array.from({ length: n }, (_, i) => ((i * 7919) % n) / 8)

const cases: readonly (readonly [shape: readonly number[], options: PoolingOptions])[] = [
  [[2, 3, 6, 8], { kernel: [2, 2] }],
  [[1, 2, 7, 7], { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] }],
  [[2, 1, 5, 6], { kernel: [2, 3], stride: [1, 1] }],
  [[1, 1, 5, 5], { kernel: [5, 5] }],
  [[2, 2, 9, 15], { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] }],
  [[1, 2, 6, 13], { kernel: [2, 3], stride: [1, 1], padding: [0, 2, 0, 1] }],
  [[1, 1, 4, 30], { kernel: [2, 2], stride: [1, 3] }],
]

for (const [shape, options] of cases) {
  test(`pooling of [${shape}] by [${options.kernel}]`, async () => {
    const operands = [{ shape, data: distinct(shape.reduce((a, b) => a * b, 1)) }]
    await checkOperation({ operands, build: (graph, x) => maxPool(graph, x!, options) })
    await checkOperation({ operands, build: (graph, x) => averagePool(graph, x!, options) })
    await checkOperation({ operands, build: (graph, x) => globalAveragePool(graph, x!) })
    await checkOperation({ operands, build: (graph, x) => globalMaxPool(graph, x!) })
  })
}

test('the first of equals wins, NaN passes, and zeros around the image do not count', async () => {
  const [y] = await checkOperation({
    operands: [{ shape: [1, 1, 2, 4], data: [-1, -1, Number.NaN, 3, -1, -1, 2, 4], differentiate: false }],
    build: (graph, x) => maxPool(graph, x!, { kernel: [2, 2] }),
  })
  expect(Array.from(y!)).toEqual([-1, Number.NaN])
  const [mean] = await checkOperation({
    operands: [{ shape: [1, 1, 2, 2], data: [1, 2, 3, 6] }],
    build: (graph, x) => averagePool(graph, x!, { kernel: [2, 2], stride: [1, 1], padding: [1, 1, 1, 1] }),
  })
  expect(Array.from(mean!)).toEqual([1, 1.5, 2, 2, 3, 4, 3, 4.5, 6])
})

test('four windows at a time agree with one at a time on equals, zeros of both signs and NaN', async () => {
  const odd = [0, -0, 1, Number.NaN, 1, -1, Number.POSITIVE_INFINITY, -0, 2, 2, Number.NaN, Number.NEGATIVE_INFINITY]
  for (const [stride, wide] of [
    [1, 11],
    [2, 17],
    [2, 18],
  ] as const) {
    const data = Array.from({ length: 2 * 7 * wide }, (_, i) => odd[(i * i + 3 * i) % odd.length]!)
    for (const kernel of [
      [1, 1],
      [2, 2],
      [3, 4],
    ] as const)
      await checkOperation({
        operands: [{ shape: [1, 2, 7, wide], data, differentiate: false }],
        build: (graph, x) => maxPool(graph, x!, { kernel, stride: [2, stride] }),
      })
  }
})

test('what does not fit is refused', () => {
  const graph = createGraph()
  const x = graph.input('x', [1, 1, 4, 4])
  expect(() => maxPool(graph, x, { kernel: [5, 2] })).toThrow('expected a kernel of at most 4, received 5')
  expect(() => averagePool(graph, x, { kernel: [2, 2], padding: [2, 0, 0, 0] })).toThrow("padding below the kernel's 2")
  expect(() => maxPool(graph, graph.input('y', [4, 4]), { kernel: [2, 2] })).toThrow('expected images')
})
