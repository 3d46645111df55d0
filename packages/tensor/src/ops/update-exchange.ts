import { expectShape, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'

/**
 * Spec 9.1 steps 4 to 8 on every thread, with the map of one: R = fl(R + s); d = sign of R where |R| > tau; R = fl(R - tau d); W = fl(W - fl(q d)).
 *
 * Residual and weights are changed in place. quanta f32 [2] is tau and q: for a step in gradient units q = fl(fl(rate / B) tau); for a proposed change
 * of the weights (A5) q = -tau, so that W = fl(W + fl(tau d)). Outputs: words i32 [n], ascending, bit 31 set for +1, of which only the
 * first `counts[0]` mean anything; counts i32 [2] = their number, and the coordinates where |fl(s - tau d)| > tau.
 */
export const exchangeOp: Op = {
  name: 'exchange',
  code: 0x70b,
  infer([residual, step, weights, quanta]) {
    expectShape('exchange: step', step!, residual!.shape)
    expectShape('exchange: weights', weights!, residual!.shape)
    expectShape('exchange: quanta', quanta!, [2])
    return [
      { shape: [sizeOf(residual!.shape)], dtype: 'i32' },
      { shape: [2], dtype: 'i32' },
    ]
  },
  words({ inputs: [residual, step, weights, quanta], outputs: [words, counts] }, { at, scratch }) {
    return [sizeOf(residual!.shape), ...[residual!, step!, weights!, quanta!, words!, counts!].map(at), scratch]
  },
  scratchBytes: (_node, threads) => 8 * threads,
  writes: [0, 2],
}

export interface ExchangeInputs {
  readonly residual: Value
  /** What the residual takes up: the gradient, or a proposed change. */
  readonly step: Value
  readonly weights: Value
  /** f32 [2]: tau and q. */
  readonly quanta: Value
}

/** Answers the words of the map and the two counts. */
export function exchange(
  graph: Graph,
  { residual, step, weights, quanta }: ExchangeInputs,
): { readonly words: Value; readonly counts: Value } {
  const [words, counts] = graph.apply(exchangeOp, [residual, step, weights, quanta], {})
  return { words: words!, counts: counts! }
}
