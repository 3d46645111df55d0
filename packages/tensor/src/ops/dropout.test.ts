import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { philox } from '../reference/philox.ts'
import { dropout } from './dropout.ts'

for (const [shape, rate] of [
  [[1], 0.5],
  [[7, 9], 0.1],
  [[3, 5, 67], 0.9],
] as const) {
  const share = Math.fround(rate)
  test(`dropout ${rate} of [${shape}] and its gradient`, async () => {
    const key = [0x12345678, -5]
    const [x, y] = await checkOperation({
      operands: [{ shape }, { shape: [2], dtype: 'i32', data: key }],
      build: (graph, operand, stream) => [operand!, dropout(graph, operand!, stream!, { rate, tensor: 3 })],
    })
    for (let i = 0; i < x!.length; i++) {
      const word = philox([Math.floor(i / 4), 0, 3, 1], key[0]!, key[1]!)[i % 4]!
      expect(y![i], `value ${i}`).toBe(word >= Math.floor(share * 2 ** 32) ? Math.fround(x![i]! * Math.fround(1 / (1 - share))) : 0)
    }
  })
}

test('about the asked share is dropped, other tensors and keys drop others', async () => {
  const n = 4000
  const ones = new Float32Array(n).fill(1)
  const run = async (key: readonly number[], tensor: number) => {
    const found = await checkOperation({
      operands: [
        { shape: [n], data: ones },
        { shape: [2], dtype: 'i32', data: key },
      ],
      build: (graph, x, stream) => dropout(graph, x!, stream!, { rate: 0.25, tensor }),
    })
    return found[0]!
  }
  const [a, b, c] = [await run([1, 2], 0), await run([1, 2], 1), await run([2, 2], 0)]
  for (const y of [a, b, c]) expect(Math.abs(y.filter((v) => v === 0).length / n - 0.25)).toBeLessThan(0.03)
  expect(a).not.toEqual(b)
  expect(a).not.toEqual(c)
})

test('rate 0 is the identity; rates and keys out of range are refused', () => {
  const graph = createGraph()
  const [x, key] = [graph.input('x', [4]), graph.input('key', [2], 'i32')]
  expect(dropout(graph, x, key, { rate: 0, tensor: 0 })).toBe(x)
  expect(() => dropout(graph, x, key, { rate: 1, tensor: 0 })).toThrow('dropout: expected a rate from 0 to below 1, received 1')
  expect(() => dropout(graph, x, key, { rate: 0.5, tensor: -1 })).toThrow('dropout: expected a tensor number of 32 bits, received -1')
  expect(() => dropout(graph, x, x, { rate: 0.5, tensor: 1 })).toThrow('dropout: expected an i32 key, received f32')
})
