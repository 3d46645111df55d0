import type { Graph, Value } from '../graph/graph.ts'
import { type HeadSizes, rowGrid, rowShape, scoreGrid, scoreShape, scoreSoftmaxBackwardOp, scoreSoftmaxOp } from './attention-products.ts'
import { differentiable, int8Product, quantized, rescaled } from './int8.ts'
import { concat } from './movement.ts'

type Shape = { readonly shape: readonly number[] }
const sizesOf = ({ shape: [batch, time, width, heads] }: Shape): HeadSizes => ({ batch: batch!, time: time!, width: width!, heads: heads! })

/** All of the backward pass: from the gradient of the attended rows to that of queries, keys and values. */
const result = differentiable<Shape & { readonly scale: number }>('int8 attention', (graph, d, qp, rows, attributes, p) => {
  const sizes = sizesOf(attributes)
  const [scores, shape] = [scoreShape(sizes), rowShape(sizes)]
  const dy = quantized(graph, d, true)
  const dv = rescaled(graph, int8Product(graph, qp, dy, shape, rowGrid(sizes, 'tn', 'rows')), qp, dy)
  const dp = rescaled(graph, int8Product(graph, dy, rows, scores, scoreGrid(sizes, 'rows', 2)), dy, rows)
  const ds = quantized(graph, graph.one(scoreSoftmaxBackwardOp, [p, dp], { scale: attributes.scale }), true)
  const dq = rescaled(graph, int8Product(graph, ds, rows, shape, rowGrid(sizes, 'nn', 1)), ds, rows)
  const dk = rescaled(graph, int8Product(graph, ds, rows, shape, rowGrid(sizes, 'tn', 0)), ds, rows)
  return [undefined, concat(graph, [dq, dk, dv], 2)]
})

/** `attention` in profile `int8x`: the rows of queries, keys and values have one unit, the probabilities another. */
export function int8Attention(
  graph: Graph,
  qkv: Value,
  { heads, causal, scale }: { readonly heads: number; readonly causal: boolean; readonly scale: number },
): Value {
  const [batch, time, triple] = qkv.shape as [number, number, number]
  const attributes = { shape: [batch, time, triple / 3, heads] }
  const sizes = sizesOf(attributes)
  const rows = quantized(graph, qkv)
  const scores = rescaled(graph, int8Product(graph, rows, rows, scoreShape(sizes), scoreGrid(sizes, 0, 1)), rows, rows)
  const p = graph.one(scoreSoftmaxOp, [scores], { causal, scale })
  const qp = quantized(graph, p)
  const y = int8Product(graph, qp, rows, rowShape(sizes), rowGrid(sizes, 'nn', 2))
  return result(graph, y, { a: p, b: qkv, qa: qp, qb: rows }, { ...attributes, scale })
}
