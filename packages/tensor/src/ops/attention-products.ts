import { floatBits, type Op } from '../graph/graph.ts'
import type { Grid } from './product-grid.ts'

// Attention as products of heads with a softmax between them: what profile `int8x` is made of, and `bf16x` where a graphics processor makes the products.

type SoftmaxAttributes = { readonly causal: boolean; readonly scale: number }

/** Probabilities of scores f32 [batch, heads, time, time]: scaled, then softmax along a row; a causal row ends with itself, the rest of it is 0. */
export const scoreSoftmaxOp: Op<SoftmaxAttributes> = {
  name: 'attention softmax',
  code: 0x807,
  infer: ([scores]) => [{ shape: scores!.shape }],
  words({ inputs: [scores], outputs: [p], attributes: { causal, scale } }, { at }) {
    const [batch, heads, time] = scores!.shape as [number, number, number]
    return [batch * heads, time, causal ? 1 : 0, floatBits(scale), at(scores!), at(p!)]
  },
  inPlace: [[0, 0]],
}

export const scoreSoftmaxBackwardOp: Op<{ readonly scale: number }> = {
  name: 'attention softmax backward',
  code: 0x808,
  infer: ([p]) => [{ shape: p!.shape }],
  words({ inputs: [p, d], outputs: [ds], attributes: { scale } }, { at }) {
    const [batch, heads, time] = p!.shape as [number, number, number]
    return [batch * heads, time, floatBits(scale), at(p!), at(d!), at(ds!)]
  },
  inPlace: [[0, 1]],
}

export interface HeadSizes {
  readonly batch: number
  readonly time: number
  readonly width: number
  readonly heads: number
}

/** Where rows lie: steps along batch and heads, row length, offset of the part. */
function rowsOf({ time, width, heads }: HeadSizes, which: 0 | 1 | 2 | 'rows') {
  const ld = which === 'rows' ? width : 3 * width
  return { ld, outer: time * ld, inner: width / heads, offset: which === 'rows' ? 0 : which * width }
}
const scoreSteps = ({ time, heads }: HeadSizes) => [heads * time * time, time * time] as const
const rowSteps = ({ time, width, heads }: HeadSizes) => [time * width, width / heads] as const

/** Scores [batch, heads, time, time] from two operands of rows: a part of queries, keys and values (0, 1, 2), or rows [batch, time, width] of their own. */
export function scoreGrid(sizes: HeadSizes, a: 0 | 1 | 2 | 'rows', b: 0 | 1 | 2): Grid {
  const { batch, time, width, heads } = sizes
  const [left, right] = [rowsOf(sizes, a), rowsOf(sizes, b)]
  return {
    kind: 'nt',
    ...{ m: time, n: time, k: width / heads, lda: left.ld, ldb: right.ld, outer: batch, inner: heads },
    offsets: [left.offset, right.offset],
    steps: [left.outer, left.inner, right.outer, right.inner, ...scoreSteps(sizes)],
  }
}

/** Rows [batch, time, width] from scores, or from their transposes (`tn`), and rows. */
export function rowGrid(sizes: HeadSizes, kind: 'nn' | 'tn', rows: 0 | 1 | 2 | 'rows'): Grid {
  const { batch, time, width, heads } = sizes
  const right = rowsOf(sizes, rows)
  return {
    kind,
    ...{ m: time, n: width / heads, k: time, lda: time, ldb: right.ld, ldc: width, outer: batch, inner: heads },
    offsets: [0, right.offset],
    steps: [...scoreSteps(sizes), right.outer, right.inner, ...rowSteps(sizes)],
  }
}

export const scoreShape = ({ batch, time, heads }: HeadSizes) => [batch, heads, time, time] as const
export const rowShape = ({ batch, time, width }: HeadSizes) => [batch, time, width] as const
