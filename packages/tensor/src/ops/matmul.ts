import type { Graph, Op, Value } from '../graph/graph.ts'
import { int8Matmul } from './int8.ts'
import { operand } from './round-bf16.ts'

/** Bytes of packing scratch for each thread; the kernels' `gemmScratchBytes` is held to it by a test. */
export const gemmScratchBytes = (32 * 256 + 256 * 256) * 4 + 128

/**
 * C[m,n] = A B over a grid of products; `kind` says how the operands are stored.
 *
 * nt: A [m,k], B [n,k] (a dense layer forward); nn: A [m,k], B [k,n] (gradient of its input); tn: A [k,m], B [k,n] (gradient
 * of its weight). Order of additions: docs/arithmetic.md, "Matrix products".
 */
type Attributes = { readonly kind: 'nt' | 'nn' | 'tn' }

export const matmulOp: Op<Attributes> = {
  name: 'matmul',
  code: 0x101,
  infer([a, b], { kind }) {
    const { m, n, k } = productExtents(a!, b!, kind)
    const inner = kind === 'nt' ? b!.shape[1]! : b!.shape[0]!
    if (inner !== k) throw new RangeError(`matmul ${kind}: expected equal inner extents, received [${a!.shape}] and [${b!.shape}]`)
    return [{ shape: [m, n] }]
  },
  gradient(graph, { inputs: [a, b], attributes: { kind } }, [d]) {
    if (kind !== 'nt') throw new RangeError(`matmul ${kind}: only products of kind nt are differentiated`)
    const dy = operand(graph, d!)
    return [graph.one(matmulOp, [dy, b!], { kind: 'nn' }), graph.one(matmulOp, [dy, a!], { kind: 'tn' })]
  },
  scratchBytes: (_node, threads) => threads * gemmScratchBytes,
  words({ inputs: [a, b], outputs: [c], attributes: { kind } }, { at, scratch }) {
    const { m, n, k } = productExtents(a!, b!, kind)
    const kinds = { nt: 0, nn: 1, tn: 2 }
    const [lda, ldb, ldc] = [4 * (kind === 'tn' ? m : k), 4 * (kind === 'nt' ? k : n), 4 * n]
    return [kinds[kind], m, n, k, at(a!), lda, at(b!), ldb, at(c!), ldc, scratch, 1, 1, 0, 0, 0, 0, 0, 0]
  },
}

/** C is [m, n], sums are over k. */
export function productExtents(a: Value, b: Value, kind: Attributes['kind']) {
  if (a.shape.length !== 2 || b.shape.length !== 2)
    throw new RangeError(`matmul: expected two matrices, received [${a.shape}] and [${b.shape}]`)
  const [m, k] = kind === 'tn' ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
  return { m, n: kind === 'nt' ? b.shape[0]! : b.shape[1]!, k }
}

/** y[rows, nodes] = x[rows, inputs] w[nodes, inputs]ᵀ. @throws RangeError if the shapes do not fit */
export function matmul(graph: Graph, x: Value, w: Value): Value {
  if (graph.profile === 'int8x') return int8Matmul(graph, x, w)
  return graph.one(matmulOp, [operand(graph, x), operand(graph, w)], { kind: 'nt' })
}
