import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createBackend } from '../backend.ts'
import { gemmScratchBytes, matmul } from './matmul.ts'

for (const [m, n, k] of [
  [1, 1, 1],
  [4, 8, 16],
  [5, 9, 300],
  [67, 33, 257],
] as const) {
  test(`a dense product ${m} x ${n} x ${k} and its gradients`, async () => {
    await checkOperation({ operands: [{ shape: [m, k] }, { shape: [n, k] }], build: (graph, x, w) => matmul(graph, x!, w!) })
  })
}

test('the planned scratch is the kernels’', () => {
  expect(createBackend('wasm', 0).kernels.gemmScratchBytes()).toBe(gemmScratchBytes)
})
