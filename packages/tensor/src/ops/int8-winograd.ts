import type { Graph, Op, Shape } from '../graph/graph.ts'
import { int8ScratchBytes, type Quantized } from './int8.ts'
import { alignUp, apart, isWinograd, outputShape, planeBytes, sizes, widest } from './winograd.ts'

/** As in the kernels. */
const blockTiles = 128
const chunkTiles = 512
/** Longest sums whose fourfold still fits 32 bits: of a weight's gradient, and of nine numbers a channel. */
const fourfoldTerms = 33_286
const fourfoldChannels = Math.floor(fourfoldTerms / 9)

/** Whether a convolution of int8 numbers goes by Winograd's algorithm: another way to the same bits. */
export function isInt8Winograd(x: Shape, w: Shape, y: Shape, attributes: Parameters<typeof isWinograd>[2]): boolean {
  return isWinograd(x, w, attributes) && Math.max(w[0]!, w[1]!) <= fourfoldChannels && y[2]! * y[3]! <= fourfoldTerms
}

type Attributes = { readonly padding: readonly number[]; readonly turned: boolean }

/** i32 sums [images, filters, oh, ow] of x and w i8; `turned`: of dy and w, what takes dy to dx. */
const winogradOp: Op<Attributes> = {
  name: 'int8 conv2d by Winograd',
  code: 0x809,
  infer: ([x, w], { padding, turned }) => [{ shape: outputShape(x!.shape, w!.shape, padding, turned), dtype: 'i32' }],
  scratchBytes({ inputs: [x], outputs: [y] }, threads) {
    const [pairs, m] = [Math.ceil(x!.shape[1]! / 2), 4 * Math.ceil(y!.shape[1]! / 4)]
    const tiles = widest(y!.shape)
    const inputs = alignUp((tiles / 8) * (32 * pairs + 64) + 64)
    const own = 16 * (inputs + apart(m * tiles)) + planeBytes(y!.shape, tiles) + 16 * blockTiles + 512
    return 16 * apart(m * pairs) + threads * own
  },
  words: ({ inputs: [x, w], outputs: [y], attributes: { padding, turned } }, { at, scratch }) => [
    ...sizes(x!.shape, y!.shape, padding, turned),
    at(x!),
    at(w!),
    at(y!),
    scratch,
    planeBytes(y!.shape, widest(y!.shape)),
  ],
}

type GradientAttributes = { readonly padding: readonly number[]; readonly shape: Shape; readonly first: number; readonly images: number }

/** i32 sums of the weight's gradient over some images of dy and x i8. */
const weightGradientOp: Op<GradientAttributes> = {
  name: 'int8 conv2d weight gradient by Winograd',
  code: 0x80a,
  infer: (_inputs, { shape }) => [{ shape, dtype: 'i32' }],
  scratchBytes({ inputs: [d, x] }, threads) {
    const [k, m] = [x!.shape[1]!, d!.shape[1]!]
    const own = 16 * chunkTiles + planeBytes(d!.shape, chunkTiles) + int8ScratchBytes
    return 16 * (alignUp(2 * k * chunkTiles + 64) + alignUp(2 * m * chunkTiles + 64) + apart(m * k)) + threads * own
  },
  words({ inputs: [d, x], outputs: [w], attributes: { padding, first, images } }, { at, scratch }) {
    const [, channels, h, width] = x!.shape as [number, number, number, number]
    const [, filters, oh, ow] = d!.shape as [number, number, number, number]
    return [
      ...sizes([images, channels, h, width], [images, filters, oh, ow], padding, false),
      at(x!) + first * channels * h * width,
      at(w!),
      at(d!) + first * filters * oh * ow,
      scratch,
      planeBytes(d!.shape, chunkTiles),
    ]
  },
}

export function int8Winograd(graph: Graph, x: Quantized, w: Quantized, padding: readonly number[], turned: boolean) {
  return graph.one(winogradOp, [x.numbers, w.numbers], { padding, turned })
}

export function int8WinogradWeight(graph: Graph, dy: Quantized, x: Quantized, attributes: GradientAttributes) {
  return graph.one(weightGradientOp, [dy.numbers, x.numbers], attributes)
}
