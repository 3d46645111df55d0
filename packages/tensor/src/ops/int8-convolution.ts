import { type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { type ConvolutionAttributes, convolutionSizes, convolvedShape } from './convolution-shape.ts'
import { add } from './elementwise.ts'
import { differentiable, int8Product, int8TermsMax, type Quantized, quantized, rescaled } from './int8.ts'
import { int8Winograd, int8WinogradWeight, isInt8Winograd } from './int8-winograd.ts'

type ColumnAttributes = ConvolutionAttributes & { readonly image: Shape; readonly weight: Shape }

/** i8 [images, channels kh kw, places] of numbers [images, channels, h, w]: each place's window as a column, 0 outside the image. */
const intoColumnsOp: Op<ColumnAttributes> = {
  name: 'int8 image as matrix',
  code: 0x805,
  infer([x], { weight, ...attributes }) {
    const [, , oh, ow] = convolvedShape(x!.shape, weight, attributes)
    return [{ shape: [x!.shape[0]!, x!.shape[1]! * weight[2]! * weight[3]!, oh! * ow!], dtype: 'i8' }]
  },
  words: ({ inputs: [x], outputs: [columns], attributes }, { at }) => [...sizes(attributes), at(x!), at(columns!)],
}

/** i32 [images, channels, h, w] of sums in columns: each is added where its number came from. */
const fromColumnsOp: Op<ColumnAttributes> = {
  name: 'int8 image from matrix',
  code: 0x806,
  infer: (_inputs, { image }) => [{ shape: image, dtype: 'i32' }],
  words: ({ inputs: [columns], outputs: [x], attributes }, { at }) => [...sizes(attributes), at(columns!), at(x!)],
}

function sizes({ image, weight, ...attributes }: ColumnAttributes): readonly number[] {
  const y = convolvedShape(image, weight, attributes)
  // Sixteen words, the last of them (groups) unused here.
  return convolutionSizes(image, weight, y, attributes)
}

const result = differentiable<ColumnAttributes>('int8 conv2d', (graph, d, x, w, attributes) => {
  const { image, weight, groups } = attributes
  const images = image[0]!
  const [filters, depth] = [weight[0]!, sizeOf(weight.slice(1))]
  const places = sizeOf(d.shape.slice(2))
  const own = filters / groups
  const dy = quantized(graph, d, true)
  const byWinograd = !graph.direct && isInt8Winograd(image, weight, d.shape, attributes)
  const columns = byWinograd ? undefined : graph.one(intoColumnsOp, [x.numbers], attributes)
  // Sums that 32 bits might not hold are those of parts of the images, added as binary32.
  const atOnce = Math.min(images, Math.max(1, Math.floor(int8TermsMax / places)))
  let dw: Value | undefined
  for (let first = 0; first < images; first += atOnce) {
    const count = Math.min(atOnce, images - first)
    const sums = columns
      ? int8Product(graph, dy, { numbers: columns, largest: x.largest }, weight, {
          kind: 'nt',
          m: own,
          n: depth,
          k: places,
          outer: count,
          inner: groups,
          offsets: [first * filters * places, first * groups * depth * places],
          steps: [filters * places, own * places, groups * depth * places, depth * places, 0, own * depth],
          sum: true,
        })
      : int8WinogradWeight(graph, dy, x, { padding: attributes.padding, shape: weight, first, images: count })
    const part = rescaled(graph, sums, dy, x)
    dw = dw ? add(graph, dw, part) : part
  }
  if (byWinograd) {
    const padding = attributes.padding.map((n) => 2 - n)
    return [rescaled(graph, int8Winograd(graph, dy, w, padding, true), dy, w), dw]
  }
  const sums = int8Product(graph, w, dy, [images, groups * depth, places], {
    kind: 'tn',
    m: depth,
    n: places,
    k: own,
    outer: images,
    inner: groups,
    steps: [0, own * depth, filters * places, own * places, groups * depth * places, depth * places],
  })
  const dx = graph.one(fromColumnsOp, [sums], attributes)
  return [rescaled(graph, dx, dy, w), dw]
})

/** `conv2d` in profile `int8x`: the images as matrices of int8 columns, products with exact sums; or what gives the same sums sooner. */
export function int8Convolution(graph: Graph, x: Value, w: Value, options: ConvolutionAttributes): Value {
  const shape = convolvedShape(x.shape, w.shape, options)
  const [images, filters] = [shape[0]!, shape[1]!]
  const { groups } = options
  const attributes = { ...options, image: x.shape, weight: w.shape }
  const [qa, qb] = [quantized(graph, x), quantized(graph, w)]
  if (!graph.direct && isInt8Winograd(x.shape, w.shape, shape, options))
    return result(graph, int8Winograd(graph, qa, qb, options.padding, false), { a: x, b: w, qa, qb }, attributes)
  const columns: Quantized = { numbers: graph.one(intoColumnsOp, [qa.numbers], attributes), largest: qa.largest }
  const depth = sizeOf(w.shape.slice(1))
  const places = shape[2]! * shape[3]!
  const own = filters / groups
  const sums = int8Product(graph, qb, columns, shape, {
    kind: 'nn',
    m: own,
    n: places,
    k: depth,
    outer: images,
    inner: groups,
    steps: [0, own * depth, groups * depth * places, depth * places, filters * places, own * places],
  })
  return result(graph, sums, { a: x, b: w, qa, qb }, attributes)
}
