import { expectShape, floatBits, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'

type Attributes = { readonly rate: number; readonly tensor: number }

/**
 * y[i] = fl(x[i] * fl(1 / (1 - rate))) where word i of the stream is >= floor(rate 2^32), else +0; rate is rounded to binary32 first.
 *
 * Word i is word i mod 4 of Philox4x32-10 at counter (i div 4 low, high, tensor, 1) under the key. No mask is kept: the backward pass is the
 * same operation on the gradient, and draws the same words again.
 */
export const dropoutOp: Op<Attributes> = {
  name: 'dropout',
  code: 0x603,
  infer([x, key], { rate, tensor }) {
    if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout: expected a rate from 0 to below 1, received ${rate}`)
    if (!Number.isInteger(tensor) || tensor < 0 || tensor > 0xffffffff)
      throw new RangeError(`dropout: expected a tensor number of 32 bits, received ${tensor}`)
    if (x!.dtype !== 'f32') throw new RangeError(`dropout: expected f32, received ${x!.dtype}`)
    if (key!.dtype !== 'i32') throw new RangeError(`dropout: expected an i32 key, received ${key!.dtype}`)
    expectShape('key of dropout', key!, [2])
    return [{ shape: x!.shape }]
  },
  gradient: (graph, { inputs: [, key], attributes }, [d]) => [graph.one(dropoutOp, [d!, key!], attributes), undefined],
  words({ inputs: [x, key], outputs: [y], attributes: { rate, tensor } }, { at }) {
    return [sizeOf(x!.shape), at(x!), at(key!), at(y!), Math.floor(rate * 0x100000000), floatBits(1 / (1 - rate)), tensor]
  },
  inPlace: [[0, 0]],
}

export interface DropoutOptions {
  /** Share of values that are dropped, 0 <= rate < 1; 0 is the identity. */
  readonly rate: number
  /** Number of the stream under the key: another one for every layer. */
  readonly tensor: number
}

/** Inverted dropout of `x` under the i32 [2] `key` of this iteration, which the owner writes before a run. */
export function dropout(graph: Graph, x: Value, key: Value, { rate: given, tensor }: DropoutOptions): Value {
  const rate = Math.fround(given)
  return rate === 0 ? x : graph.one(dropoutOp, [x, key], { rate, tensor })
}
