import { floatBits, type Graph, type Op, type Value } from '../graph/graph.ts'
import { attentionByHeads } from './bf16-products.ts'
import { int8Attention } from './int8-attention.ts'
import { gemmScratchBytes } from './matmul.ts'
import { operand } from './round-bf16.ts'
import { expectDType } from './rows.ts'

/** `rounded`: probabilities and the gradients of scores are bf16 numbers, as operands of profile `bf16x` are. */
type Attributes = { readonly heads: number; readonly causal: boolean; readonly rounded?: boolean }

/**
 * Multi-head self-attention (Vaswani et al. 2017) of qkv [batch, time, 3 width], queries, keys and values one after the other in a row; answers
 * [batch, time, width]. A causal row sees itself and the rows before it. Bits: docs/arithmetic/products.md, "Attention".
 *
 * @throws RangeError if the shape does not fit the heads
 */
export function attention(graph: Graph, qkv: Value, { heads, causal }: { readonly heads: number; readonly causal: boolean }): Value {
  if (graph.profile === 'int8x') {
    attentionOp.infer([qkv], { heads, causal })
    return int8Attention(graph, qkv, { heads, causal, scale: scaleOf(qkv.shape[2]! / 3, heads) })
  }
  if (graph.profile === 'bf16x' && graph.direct) {
    attentionOp.infer([qkv], { heads, causal })
    return attentionByHeads(graph, operand(graph, qkv), { heads, causal, scale: scaleOf(qkv.shape[2]! / 3, heads) })
  }
  const attributes = graph.profile === 'bf16x' ? { heads, causal, rounded: true } : { heads, causal }
  return graph.apply(attentionOp, [operand(graph, qkv)], attributes)[0]!
}

export const attentionOp: Op<Attributes> = {
  name: 'attention',
  code: 0x102,
  infer([qkv], { heads }) {
    expectDType('attention', qkv!, 'f32')
    const [batch, time, triple, more] = qkv!.shape
    const width = triple! / 3
    if (more !== undefined || !Number.isSafeInteger(heads) || heads < 1 || !Number.isInteger(width / heads))
      throw new RangeError(`attention: expected [batch, time, 3 width] with a width in ${heads} equal heads, received [${qkv!.shape}]`)
    return [{ shape: [batch!, time!, width] }, { shape: [batch!, heads, time!, time!] }]
  },
  gradient: (graph, { inputs: [qkv], outputs: [, p], attributes }, [d]) => [
    graph.one(backwardOp, [operand(graph, d!), qkv!, p!], attributes),
  ],
  scratchBytes: ({ inputs: [qkv], attributes }, threads) =>
    threads * (gemmScratchBytes + 2 * packedBytes(qkv!.shape[1]!, qkv!.shape[2]! / 3 / attributes.heads)),
  words: ({ inputs: [qkv], outputs: [y, p], attributes }, { at, scratch }) => [...sizes(y!, attributes), at(qkv!), at(y!), at(p!), scratch],
}

const backwardOp: Op<Attributes> = {
  name: 'attention backward',
  code: 0x103,
  infer: ([, qkv]) => [{ shape: qkv!.shape }],
  scratchBytes({ inputs: [d], attributes }, threads) {
    const [, time, width] = d!.shape
    const scores = Math.ceil((4 * time! * time!) / 64) * 64
    return threads * (gemmScratchBytes + 2 * packedBytes(time!, width! / attributes.heads) + scores)
  },
  words: ({ inputs: [d, qkv, p], outputs: [dqkv], attributes }, { at, scratch }) => [
    ...sizes(d!, attributes),
    at(qkv!),
    at(d!),
    at(p!),
    at(dqkv!),
    scratch,
  ],
}

/** Bytes of an operand [time, head width] packed for products: both rounded up to whole panels. */
function packedBytes(time: number, size: number): number {
  return 4 * Math.ceil(time / 8) * 8 * Math.ceil(size / 8) * 8
}

function sizes({ shape: [batch, time, width] }: Value, { heads, causal, rounded }: Attributes): readonly number[] {
  const scale = scaleOf(width!, heads)
  return [batch!, time!, width!, heads, (causal ? 1 : 0) + (rounded ? 2 : 0), floatBits(scale)]
}

/** fl(1 / fl(sqrt(head width))): both correctly rounded. */
function scaleOf(width: number, heads: number): number {
  return Math.fround(1 / Math.fround(Math.sqrt(width / heads)))
}
