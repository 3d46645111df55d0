import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph } from '../graph/graph.ts'
import { attention } from './attention.ts'

for (const [batch, time, width, heads] of [
  [1, 1, 2, 1],
  [2, 5, 6, 2],
  [1, 19, 12, 3],
  [2, 33, 8, 1],
  [1, 67, 8, 2],
  [1, 300, 4, 1],
] as const) {
  for (const causal of [false, true]) {
    test(`${causal ? 'causal' : 'full'} attention of [${batch}, ${time}, ${width}] with ${heads} heads`, async () => {
      const data = Array.from({ length: batch * time * 3 * width }, (_, i) => ((i * 7919) % 61) / 30 - 1)
      const [y] = await checkOperation({
        operands: [{ shape: [batch, time, 3 * width], data }],
        build: (graph, qkv) => attention(graph, qkv!, { heads, causal }),
        tolerance: 0.02,
      })
      for (const [i, want] of direct(data, batch, time, width, heads, causal).entries()) expect(Math.abs(y![i]! - want)).toBeLessThan(1e-5)
    })
  }
}

/** The definition, in binary64. */
function direct(qkv: readonly number[], batch: number, time: number, width: number, heads: number, causal: boolean): number[] {
  const y: number[] = []
  const size = width / heads
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < time; i++)
      for (let c = 0; c < width; c++) {
        const head = Math.floor(c / size) * size
        const at = (t: number, part: number, j: number) => qkv[((b * time + t) * 3 + part) * width + j]!
        const scores: number[] = []
        for (let t = 0; t < (causal ? i + 1 : time); t++) {
          let dot = 0
          for (let j = head; j < head + size; j++) dot += at(i, 0, j) * at(t, 1, j)
          scores.push(Math.exp(dot / Math.sqrt(size)))
        }
        const sum = scores.reduce((a, v) => a + v, 0)
        y.push(scores.reduce((mix, v, t) => mix + (v / sum) * at(t, 2, c), 0))
      }
  return y
}

test('what does not fit is refused', () => {
  const graph = createGraph()
  expect(() => attention(graph, graph.input('x', [1, 2, 7]), { heads: 1, causal: true })).toThrow('expected [batch, time, 3 width]')
  expect(() => attention(graph, graph.input('x', [1, 2, 12]), { heads: 3, causal: true })).toThrow('3 equal heads')
})
