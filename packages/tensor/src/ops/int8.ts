import { expectShape, type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { type Grid, type GridAttributes, gridAttributes, gridWords } from './product-grid.ts'
import { expectDType } from './rows.ts'

/** An operand of products in profile `int8x`: numbers -127 to 127 of one unit, a power of two. docs/arithmetic/int8x.md */
export interface Quantized {
  /** i8, the operand's shape. */
  readonly numbers: Value
  /** i32 [1]: the bits of the operand's largest magnitude, from which the unit follows. */
  readonly largest: Value
}

/** Longest sum of products that cannot leave 32 bits: 127 x 127 each. */
export const int8TermsMax = 133_144
/** Bytes of packing scratch for each thread; the kernels' INT8_SCRATCH. */
export const int8ScratchBytes = (64 * 1024 + 256 * 1024) * 2 + 128

const largestOp: Op = {
  name: 'largest magnitude',
  code: 0x801,
  infer([x]) {
    expectDType('int8 operand', x!, 'f32')
    return [{ shape: [1], dtype: 'i32' }]
  },
  scratchBytes: (_node, threads) => 4 * threads,
  words: ({ inputs: [x], outputs: [largest] }, { at, scratch }) => [sizeOf(x!.shape), at(x!), at(largest!), scratch],
}

const quantizeOp: Op<{ readonly stream: number }> = {
  name: 'to int8',
  code: 0x802,
  infer: ([x]) => [{ shape: x!.shape, dtype: 'i8' }],
  words: ({ inputs: [x, largest, key], outputs: [q], attributes: { stream } }, { at }) => [
    sizeOf(x!.shape),
    at(x!),
    at(largest!),
    at(q!),
    key ? at(key) : 0,
    stream,
  ],
}

/**
 * The operand as int8 numbers of a shared unit: to the nearest, ties to even, or, `drawn`, up or down by the key of the step, so that the mean is right (gradients).
 */
export function quantized(graph: Graph, x: Value, drawn = false): Quantized {
  const largest = graph.one(largestOp, [x], {})
  const inputs = drawn ? [x, largest, graph.key()] : [x, largest]
  // Each draws from a stream of its own, numbered from 1 in the order of the graph.
  const stream = drawn ? 1 + graph.nodes.filter(({ op, inputs: [, , key] }) => op === quantizeOp && key).length : 0
  return { numbers: graph.one(quantizeOp, inputs, { stream }), largest }
}

/** C i32 = A B, sums exact; order-free, so Freivalds' check and any hardware agree. */
export const int8ProductOp: Op<GridAttributes> = {
  name: 'int8 product',
  code: 0x803,
  infer: (_inputs, { shape }) => [{ shape, dtype: 'i32' }],
  scratchBytes: (_node, threads) => threads * int8ScratchBytes,
  words: ({ inputs: [a, b], outputs: [c], attributes }, { at, scratch }) => [
    ...gridWords(attributes, 1, [at(a!), at(b!), at(c!), scratch]),
    attributes.sum ? 1 : 0,
  ],
}

/** @throws RangeError for sums so long that 32 bits might not hold them */
export function int8Product(graph: Graph, a: Quantized, b: Quantized, shape: Shape, grid: Grid): Value {
  const terms = grid.k * (grid.sum ? (grid.outer ?? 1) : 1)
  if (terms > int8TermsMax)
    throw new RangeError(`int8x: expected sums of at most ${int8TermsMax} products, received ${terms}: a smaller batch fits`)
  return graph.one(int8ProductOp, [a.numbers, b.numbers], gridAttributes(shape, grid))
}

/** y = fl(fl(fl(c) 2^h) 2^(e - h)), e the sum of the exponents of both units, h = floor(e / 2); NaN everywhere if an operand was not finite. */
const rescaleOp: Op = {
  name: 'int8 result',
  code: 0x804,
  infer([c, a, b]) {
    expectShape('int8 result', a!, [1])
    expectShape('int8 result', b!, [1])
    return [{ shape: c!.shape }]
  },
  words: ({ inputs: [c, a, b], outputs: [y] }, { at }) => [sizeOf(c!.shape), at(c!), at(a!), at(b!), at(y!)],
  inPlace: [[0, 0]],
}

export function rescaled(graph: Graph, sums: Value, a: Quantized, b: Quantized): Value {
  return graph.one(rescaleOp, [sums, a.largest, b.largest], {})
}

/** The last node of a product that is differentiated: it also names the operands, rounded and not, which the backward pass needs. */
export function differentiable<A extends { readonly [key: string]: number | string | boolean | readonly number[] }>(
  name: string,
  backward: (
    graph: Graph,
    d: Value,
    qa: Quantized,
    qb: Quantized,
    attributes: A,
    a: Value,
  ) => readonly [a: Value | undefined, b: Value | undefined],
): (graph: Graph, sums: Value, operands: { a: Value; b: Value; qa: Quantized; qb: Quantized }, attributes: A) => Value {
  const op: Op<A> = {
    ...(rescaleOp as unknown as Op<A>),
    name,
    gradient(graph, { inputs: [, la, lb, a, , na, nb], attributes }, [d]) {
      const [da, db] = backward(graph, d!, { numbers: na!, largest: la! }, { numbers: nb!, largest: lb! }, attributes, a!)
      return [undefined, undefined, undefined, da, db]
    },
  }
  return (graph, sums, { a, b, qa, qb }, attributes) =>
    graph.one(op, [sums, qa.largest, qb.largest, a, b, qa.numbers, qb.numbers], attributes)
}

const denseResult = differentiable<{ readonly shape: readonly number[] }>('int8 dense', (graph, d, x, w, { shape }) => {
  const [m, n, k] = shape as [number, number, number]
  const dy = quantized(graph, d, true)
  const dx = int8Product(graph, dy, w, [m, k], { kind: 'nn', m, n: k, k: n })
  const dw = int8Product(graph, dy, x, [n, k], { kind: 'tn', m: n, n: k, k: m })
  return [rescaled(graph, dx, dy, w), rescaled(graph, dw, dy, x)]
})

/** y[m, n] = x[m, k] w[n, k]ᵀ in profile `int8x`. @throws RangeError if the shapes do not fit */
export function int8Matmul(graph: Graph, x: Value, w: Value): Value {
  const [m, k, more] = x.shape
  const [n, inner, other] = w.shape
  if (more !== undefined || other !== undefined || k === undefined || inner === undefined || k !== inner)
    throw new RangeError(`matmul nt: expected equal inner extents, received [${x.shape}] and [${w.shape}]`)
  const [qa, qb] = [quantized(graph, x), quantized(graph, w)]
  const sums = int8Product(graph, qa, qb, [m!, n!], { kind: 'nt', m: m!, n: n!, k })
  return denseResult(graph, sums, { a: x, b: w, qa, qb }, { shape: [m!, n!, k] })
}
