import { type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'
import { expectDType } from './rows.ts'

/**
 * The nearest bf16 number, ties to even, as binary32 (docs/arithmetic/bf16x.md): the operands of products in profile `bf16x`. A NaN becomes 0x7fc00000.
 * Gradients pass as if nothing were rounded.
 */
export const roundBf16Op: Op = {
  name: 'round to bf16',
  code: 0x330,
  infer([x]) {
    expectDType('round to bf16', x!, 'f32')
    return [{ shape: x!.shape }]
  },
  gradient: (_graph, _node, [d]) => [d],
  words: ({ inputs: [x], outputs: [y] }, { at }) => [sizeOf(x!.shape), at(x!), at(y!)],
  inPlace: [[0, 0]],
}

/** An operand of a product as the graph's profile stores it. */
export function operand(graph: Graph, x: Value): Value {
  return graph.profile === 'bf16x' ? graph.one(roundBf16Op, [x], {}) : x
}
