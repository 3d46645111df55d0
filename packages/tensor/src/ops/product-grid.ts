import type { Shape } from '../graph/graph.ts'

const KINDS = { nt: 0, nn: 1, tn: 2 } as const

/** A grid of products, outer x inner, over numbers instead of addresses. */
export interface Grid {
  /** nt: A [m,k], B [n,k]; nn: A [m,k], B [k,n]; tn: A [k,m], B [k,n]. */
  readonly kind: keyof typeof KINDS
  readonly m: number
  readonly n: number
  readonly k: number
  /** Row lengths, default: those of whole matrices. */
  readonly lda?: number
  readonly ldb?: number
  readonly ldc?: number
  /** Where A and B begin. */
  readonly offsets?: readonly [a: number, b: number]
  readonly outer?: number
  readonly inner?: number
  /** [a outer, a inner, b outer, b inner, c outer, c inner] */
  readonly steps?: readonly [number, number, number, number, number, number]
  /** Products along outer are added up; of int8 numbers only. */
  readonly sum?: boolean
}

/** A grid as a node keeps it: all sizes [m, n, k, lda, ldb, ldc, offsets of a and b, outer, inner]. */
export type GridAttributes = {
  readonly kind: keyof typeof KINDS
  readonly sizes: readonly number[]
  readonly steps: readonly number[]
  readonly sum: boolean
  readonly shape: Shape
}

export function gridAttributes(shape: Shape, grid: Grid): GridAttributes {
  const { kind, m, n, k, outer = 1, inner = 1, sum = false, offsets = [0, 0], steps = [0, 0, 0, 0, 0, 0] } = grid
  const { lda = kind === 'tn' ? m : k, ldb = kind === 'nt' ? k : n, ldc = n } = grid
  return { kind, sizes: [m, n, k, lda, ldb, ldc, ...offsets, outer, inner], steps, sum, shape }
}

/**
 * The words of a grid's instruction.
 * @param wide bytes of an operand's number; those of C have 4
 */
export function gridWords(
  { kind, sizes, steps }: GridAttributes,
  wide: number,
  [a, b, c, scratch]: readonly [number, number, number, number],
): readonly number[] {
  const [m, n, k, lda, ldb, ldc, aOffset, bOffset, outer, inner] = sizes as [number, number, number, number, ...number[]]
  const [ao, ai, bo, bi, co, ci] = steps.map((step, i) => step * (i < 4 ? wide : 4)) as [number, ...number[]]
  return [
    ...[KINDS[kind], m, n, k, a + wide * aOffset!, wide * lda, b + wide * bOffset!, wide * ldb!, c, 4 * ldc!, scratch],
    ...[outer!, inner!, ao, ai!, bo!, bi!, co!, ci!],
  ]
}
