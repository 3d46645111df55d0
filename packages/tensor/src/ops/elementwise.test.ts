import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { add, addBias, addChannelBias, multiply, scaleBy, subtract } from './elementwise.ts'
import { leakyRelu, relu } from './relu.ts'

// Away from the bend at 0, which a difference would step over.
const awayFromZero = (n: number) => Array.from({ length: n }, (_, i) => (i % 3 === 0 ? -1 : 1) * (0.1 + ((i * 7) % 11) / 10))

for (const shape of [[1], [3, 5], [2, 3, 37], [1000]]) {
  test(`sums, differences, products of [${shape}]`, async () => {
    for (const operation of [add, subtract, multiply]) {
      await checkOperation({ operands: [{ shape }, { shape }], build: (graph, a, b) => operation(graph, a!, b!) })
    }
    await checkOperation({ operands: [{ shape }], build: (graph, a) => multiply(graph, a!, a!) })
    await checkOperation({ operands: [{ shape }], build: (graph, a) => scaleBy(graph, a!, 0.3) })
  })

  test(`relu and leaky relu of [${shape}]`, async () => {
    const data = awayFromZero(shape.reduce((a, b) => a * b))
    await checkOperation({ operands: [{ shape, data }], build: (graph, a) => relu(graph, a!) })
    await checkOperation({ operands: [{ shape, data }], build: (graph, a) => leakyRelu(graph, a!, 0.01) })
  })
}

for (const [x, b] of [
  [[7, 5], [5]],
  [[300, 9], [9]],
  [
    [4, 3, 6],
    [3, 6],
  ],
  [[2, 3, 4, 17], [17]],
] as const) {
  test(`a bias [${b}] on [${x}]`, async () => {
    await checkOperation({ operands: [{ shape: x }, { shape: b }], build: (graph, a, c) => addBias(graph, a!, c!) })
    const size = x.reduce((n: number, extent) => n * extent, 1)
    const width = b.reduce((n: number, extent) => n * extent, 1)
    const operands = [
      { shape: x, data: awayFromZero(size) },
      { shape: b, data: Array.from({ length: width }, (_, i) => ((i % 5) - 2) / 50) },
    ]
    const [fused] = await checkOperation({ operands, build: (graph, a, c) => addBias(graph, a!, c!, { activation: 'relu' }) })
    const [apart] = await checkOperation({ operands, build: (graph, a, c) => relu(graph, addBias(graph, a!, c!)) })
    expect(fused).toEqual(apart)
  })
}

for (const x of [
  [3, 4, 5, 5],
  [260, 3, 7],
  [5, 6],
]) {
  test(`a channel bias on [${x}]`, async () => {
    await checkOperation({ operands: [{ shape: x }, { shape: [x[1]!] }], build: (graph, a, c) => addChannelBias(graph, a!, c!) })
  })
}

test('NaN and -0 pass relu', async () => {
  const [y] = await checkOperation({
    operands: [{ shape: [5], data: [Number.NaN, -0, 0, -1, 2], differentiate: false }],
    build: (graph, a) => relu(graph, a!),
  })
  expect(Array.from(y!)).toEqual([Number.NaN, -0, 0, 0, 2])
})

test('shapes that do not fit are refused', () => {
  const graph = createGraph()
  const x = graph.input('x', [4, 6])
  expect(() => addBias(graph, x, graph.input('b', [4]))).toThrow('bias: expected shape [6], received [4]')
  expect(() => addChannelBias(graph, x, graph.input('b', [4]))).toThrow('channel bias: expected shape [6], received [4]')
  expect(() => scaleBy(graph, x, Number.NaN)).toThrow('finite')
  expect(() => leakyRelu(graph, x, 0)).toThrow('positive slope')
})
