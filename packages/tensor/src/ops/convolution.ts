import { type Graph, type Node, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { convolutionByColumns, fitsColumns } from './bf16-products.ts'
import { type ConvolutionAttributes, convolutionSizes, convolvedShape } from './convolution-shape.ts'
import { int8Convolution } from './int8-convolution.ts'
import { gemmScratchBytes } from './matmul.ts'
import { operand } from './round-bf16.ts'
import { expectDType } from './rows.ts'
import { isWinograd, winograd } from './winograd.ts'

export interface ConvolutionOptions {
  /** [vertical, horizontal], default 1. */
  readonly stride?: readonly [number, number]
  /** [top, left, bottom, right], default 0. */
  readonly padding?: readonly [number, number, number, number]
  readonly dilation?: readonly [number, number]
  /** Channels and filters fall into as many parts that do not see each other. */
  readonly groups?: number
}

/**
 * y[images, filters, oh, ow] of x[images, channels, h, w] and w[filters, channels / groups, kh, kw]: the sum over (channel, ky, kx), in chunks of
 * 256 as in a matrix product, +0 outside the image. Bits: docs/arithmetic/convolution.md.
 *
 * @throws RangeError if shapes do not fit or the window is larger than the padded image
 */
export function conv2d(graph: Graph, x: Value, w: Value, options: ConvolutionOptions = {}): Value {
  const { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = options
  const attributes = { stride, padding, dilation, groups }
  if (graph.profile === 'int8x') return int8Convolution(graph, x, w, attributes)
  if (graph.profile === 'f32' && x.shape.length === 4 && w.shape.length === 4 && isWinograd(x.shape, w.shape, attributes)) {
    expectDType('conv2d', x, 'f32')
    return winograd(graph, x, w, padding)
  }
  const [image, weight] = [operand(graph, x), operand(graph, w)]
  if (graph.profile === 'bf16x' && graph.direct && x.shape.length === 4 && w.shape.length === 4) {
    const count = parts(x.shape, w.shape)
    if (fitsColumns(x.shape[0]!, count)) return convolutionByColumns(graph, image, weight, attributes, count)
  }
  return graph.one(convolutionOp, [image, weight], attributes)
}

/** Weight gradients below this size are summed in parts of images, so that threads can share them. */
const partedSize = 65536
const imageParts = 8

export const convolutionOp: Op<ConvolutionAttributes> = {
  name: 'conv2d',
  code: 0x201,
  infer([x, w], attributes) {
    expectDType('conv2d', x!, 'f32')
    return [{ shape: convolvedShape(x!.shape, w!.shape, attributes) }]
  },
  gradient(graph, { inputs: [x, w], attributes }, [d]) {
    const dy = operand(graph, d!)
    return [
      graph.one(inputGradientOp, [dy, w!], { ...attributes, shape: x!.shape }),
      graph.one(weightGradientOp, [dy, x!], { ...attributes, shape: w!.shape }),
    ]
  },
  scratchBytes: ({ inputs: [, w], outputs: [y] }, threads) => threads * oneScratch(w!.shape, y!.shape),
  words: ({ inputs: [x, w], outputs: [y], attributes }, { at, scratch }) => [
    ...convolutionSizes(x!.shape, w!.shape, y!.shape, attributes),
    at(x!),
    at(w!),
    at(y!),
    scratch,
  ],
}

type GradientAttributes = ConvolutionAttributes & { readonly shape: Shape }

/** dx of dy and w. */
const inputGradientOp: Op<GradientAttributes> = {
  name: 'conv2d input gradient',
  code: 0x202,
  infer: (_inputs, { shape }) => [{ shape }],
  scratchBytes: ({ inputs: [d, w] }, threads) => threads * oneScratch(w!.shape, d!.shape),
  words: ({ inputs: [d, w], outputs: [x], attributes }, { at, scratch }) => [
    ...convolutionSizes(x!.shape, w!.shape, d!.shape, attributes),
    at(x!),
    at(w!),
    at(d!),
    scratch,
  ],
}

/** dw of dy and x. */
const weightGradientOp: Op<GradientAttributes> = {
  name: 'conv2d weight gradient',
  code: 0x203,
  infer: (_inputs, { shape }) => [{ shape }],
  scratchBytes({ inputs: [d, x], outputs: [w] }, threads) {
    const size = alignUp(4 * sizeOf(w!.shape))
    return (parts(x!.shape, w!.shape) - 1) * size + threads * (oneScratch(w!.shape, d!.shape) + size)
  },
  words: ({ inputs: [d, x], outputs: [w], attributes }: Node<GradientAttributes>, { at, scratch }) => [
    ...convolutionSizes(x!.shape, w!.shape, d!.shape, attributes),
    at(x!),
    at(w!),
    at(d!),
    scratch,
    parts(x!.shape, w!.shape),
  ],
}

/** Parts of images whose sums are stored and then added: a matter of shapes alone. */
function parts(x: Shape, w: Shape): number {
  return sizeOf(w) <= partedSize ? Math.min(imageParts, x[0]!) : 1
}

function oneScratch(w: Shape, y: Shape): number {
  return gemmScratchBytes + alignUp(4 * w[1]! * w[2]! * w[3]! * y[2]! * y[3]!)
}

const alignUp = (bytes: number) => Math.ceil(bytes / 64) * 64
