import { expectShape, floatBits, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'

/** y = fl(x factor), the factor rounded to binary32: the mean of a batch is one multiplication by fl(1 / batch). */
export const scaleOp: Op<{ readonly factor: number }> = {
  name: 'scale gradient',
  code: 0x701,
  infer([x], { factor }) {
    if (!Number.isFinite(Math.fround(factor))) throw new RangeError(`scale gradient: expected a finite factor, received ${factor}`)
    return [{ shape: x!.shape }]
  },
  words: ({ inputs: [x], outputs: [y], attributes: { factor } }, { at }) => [sizeOf(x!.shape), at(x!), at(y!), floatBits(factor)],
  inPlace: [[0, 0]],
}

/** y = x > max ? max : x < -max ? -max : x, so NaN passes. */
export const clipByValueOp: Op<{ readonly max: number }> = {
  name: 'clip by value',
  code: 0x702,
  infer([x], { max }) {
    expectBound('clip by value', max)
    return [{ shape: x!.shape }]
  },
  words: ({ inputs: [x], outputs: [y], attributes: { max } }, { at }) => [sizeOf(x!.shape), at(x!), at(y!), floatBits(max)],
  inPlace: [[0, 0]],
}

/** Values whose squares are summed by lanes before the sums are added up. */
const normChunk = 4096

/** norm [1] = fl(sqrt(S)) over all values: squares in chunks of 4096, by 16 lanes from +0; the chunks' sums ascending, the first one stored. */
export const globalNormOp: Op = {
  name: 'global norm',
  code: 0x703,
  infer: () => [{ shape: [1] }],
  words: ({ inputs: [x], outputs: [norm] }, { at, scratch }) => [sizeOf(x!.shape), at(x!), at(norm!), scratch],
  scratchBytes: ({ inputs: [x] }) => 4 * Math.ceil(sizeOf(x!.shape) / normChunk),
}

/** y = norm > max ? fl(x fl(max / norm)) : x; NaN everywhere for an infinite norm, whose quotient 0 would hide it. */
export const clipToNormOp: Op<{ readonly max: number }> = {
  name: 'clip to norm',
  code: 0x704,
  infer([x, norm], { max }) {
    expectBound('clip to norm', max)
    expectShape('norm', norm!, [1])
    return [{ shape: x!.shape }]
  },
  words({ inputs: [x, norm], outputs: [y], attributes: { max } }, { at }) {
    return [sizeOf(x!.shape), at(x!), at(norm!), at(y!), floatBits(max)]
  },
  inPlace: [[0, 0]],
}

function expectBound(what: string, max: number): void {
  const rounded = Math.fround(max)
  if (!(rounded > 0 && rounded < Number.POSITIVE_INFINITY)) throw new RangeError(`${what}: expected a finite bound > 0, received ${max}`)
}

/** The mean of a batch from the gradient of its sum: fl(g fl(1 / batch)). @throws RangeError unless batch is a positive whole number */
export function meanGradient(graph: Graph, g: Value, batch: number): Value {
  if (!Number.isSafeInteger(batch) || batch < 1) throw new RangeError(`mean gradient: expected a positive whole batch, received ${batch}`)
  return graph.one(scaleOp, [g], { factor: Math.fround(1 / batch) })
}

/** Every value into [-max, max]. @throws RangeError unless max is finite and > 0 in binary32 */
export function clipByValue(graph: Graph, g: Value, { max }: { readonly max: number }): Value {
  return graph.one(clipByValueOp, [g], { max })
}

/** The whole gradient to at most this L2 norm. @throws RangeError unless max is finite and > 0 in binary32 */
export function clipByNorm(graph: Graph, g: Value, { max }: { readonly max: number }): Value {
  return graph.one(clipToNormOp, [g, graph.one(globalNormOp, [g], {})], { max })
}
