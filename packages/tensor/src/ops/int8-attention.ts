import { floatBits, type Graph, type Op, type Value } from '../graph/graph.ts'
import { differentiable, int8Product, type Quantized, quantized, rescaled } from './int8.ts'
import { concat } from './movement.ts'

type SoftmaxAttributes = { readonly causal: boolean; readonly scale: number }

/** Probabilities of scores f32 [batch, heads, time, time]: scaled, then softmax along a row; a causal row ends with itself, the rest of it is 0. */
const scoreSoftmaxOp: Op<SoftmaxAttributes> = {
  name: 'attention softmax',
  code: 0x807,
  infer: ([scores]) => [{ shape: scores!.shape }],
  words({ inputs: [scores], outputs: [p], attributes: { causal, scale } }, { at }) {
    const [batch, heads, time] = scores!.shape as [number, number, number]
    return [batch * heads, time, causal ? 1 : 0, floatBits(scale), at(scores!), at(p!)]
  },
  inPlace: [[0, 0]],
}

const scoreSoftmaxBackwardOp: Op<{ readonly scale: number }> = {
  name: 'attention softmax backward',
  code: 0x808,
  infer: ([p]) => [{ shape: p!.shape }],
  words({ inputs: [p, d], outputs: [ds], attributes: { scale } }, { at }) {
    const [batch, heads, time] = p!.shape as [number, number, number]
    return [batch * heads, time, floatBits(scale), at(p!), at(d!), at(ds!)]
  },
  inPlace: [[0, 1]],
}

interface Sizes {
  readonly batch: number
  readonly time: number
  readonly width: number
  readonly heads: number
}

/** Rows of queries, keys or values in [batch, time, 3 width]: steps along batch and heads, row length, offset of the part (0, 1, 2). */
const part = ({ time, width, heads }: Sizes, which: 0 | 1 | 2) =>
  ({ ld: 3 * width, outer: 3 * time * width, inner: width / heads, offset: which * width }) as const
const scoreSteps = ({ time, heads }: Sizes) => [heads * time * time, time * time] as const
const rowSteps = ({ time, width, heads }: Sizes) => [time * width, width / heads] as const

/** Products of each head: scores [time, time] from rows, or rows from scores. */
function fromRows(graph: Graph, sizes: Sizes, a: Quantized, b: Quantized, places: { a: 0 | 1 | 2 | 'rows'; b: 0 | 1 | 2 }): Value {
  const { batch, time, width, heads } = sizes
  const left = places.a === 'rows' ? { ld: width, outer: time * width, inner: width / heads, offset: 0 } : part(sizes, places.a)
  const right = part(sizes, places.b)
  return int8Product(graph, a, b, [batch, heads, time, time], {
    kind: 'nt',
    ...{ m: time, n: time, k: width / heads, lda: left.ld, ldb: right.ld, outer: batch, inner: heads },
    offsets: [left.offset, right.offset],
    steps: [left.outer, left.inner, right.outer, right.inner, ...scoreSteps(sizes)],
  })
}

function fromScores(graph: Graph, sizes: Sizes, kind: 'nn' | 'tn', scores: Quantized, rows: Quantized, place: 0 | 1 | 2 | 'rows'): Value {
  const { batch, time, width, heads } = sizes
  const right = place === 'rows' ? { ld: width, outer: time * width, inner: width / heads, offset: 0 } : part(sizes, place)
  return int8Product(graph, scores, rows, [batch, time, width], {
    kind,
    ...{ m: time, n: width / heads, k: time, lda: time, ldb: right.ld, ldc: width, outer: batch, inner: heads },
    offsets: [0, right.offset],
    steps: [...scoreSteps(sizes), right.outer, right.inner, ...rowSteps(sizes)],
  })
}

type Shape = { readonly shape: readonly number[] }
const sizesOf = ({ shape: [batch, time, width, heads] }: Shape): Sizes => ({ batch: batch!, time: time!, width: width!, heads: heads! })

/** All of the backward pass: from the gradient of the attended rows to that of queries, keys and values. */
const result = differentiable<Shape & { readonly scale: number }>('int8 attention', (graph, d, qp, rows, attributes, p) => {
  const sizes = sizesOf(attributes)
  const dy = quantized(graph, d, true)
  const dv = rescaled(graph, fromScores(graph, sizes, 'tn', qp, dy, 'rows'), qp, dy)
  const dp = rescaled(graph, fromRows(graph, sizes, dy, rows, { a: 'rows', b: 2 }), dy, rows)
  const ds = quantized(graph, graph.one(scoreSoftmaxBackwardOp, [p, dp], { scale: attributes.scale }), true)
  const dq = rescaled(graph, fromScores(graph, sizes, 'nn', ds, rows, 1), ds, rows)
  const dk = rescaled(graph, fromScores(graph, sizes, 'tn', ds, rows, 0), ds, rows)
  return [undefined, concat(graph, [dq, dk, dv], 2)]
})

/** `attention` in profile `int8x`: the rows of queries, keys and values have one unit, the probabilities another. */
export function int8Attention(
  graph: Graph,
  qkv: Value,
  { heads, causal, scale }: { readonly heads: number; readonly causal: boolean; readonly scale: number },
): Value {
  const [batch, time, triple] = qkv.shape as [number, number, number]
  const width = triple / 3
  const attributes = { shape: [batch, time, width, heads] }
  const sizes = sizesOf(attributes)
  const rows = quantized(graph, qkv)
  const scores = rescaled(graph, fromRows(graph, sizes, rows, rows, { a: 0, b: 1 }), rows, rows)
  const p = graph.one(scoreSoftmaxOp, [scores], { causal, scale })
  const qp = quantized(graph, p)
  return result(graph, fromScores(graph, sizes, 'nn', qp, rows, 2), { a: p, b: qkv, qa: qp, qb: rows }, { ...attributes, scale })
}
