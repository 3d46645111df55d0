import { type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { type HeadSizes, rowGrid, rowShape, scoreGrid, scoreShape, scoreSoftmaxBackwardOp, scoreSoftmaxOp } from './attention-products.ts'
import { type ConvolutionAttributes, convolutionSizes, convolvedShape } from './convolution-shape.ts'
import { add } from './elementwise.ts'
import { gemmScratchBytes } from './matmul.ts'
import { concat, reshape } from './movement.ts'
import { type Grid, type GridAttributes, gridAttributes, gridWords } from './product-grid.ts'
import { columnSums, partRows } from './reductions.ts'
import { operand } from './round-bf16.ts'

// Convolution and attention of profile bf16x taken apart into products, so that a graphics processor can make these: the bits of `conv2d` and `attention`, whose kernels are sooner where
// there is none.

const gridOp: Op<GridAttributes> = {
  name: 'product grid',
  code: 0x101,
  infer: (_inputs, { shape }) => [{ shape }],
  scratchBytes: (_node, threads) => threads * gemmScratchBytes,
  words: ({ inputs: [a, b], outputs: [c], attributes }, { at, scratch }) => gridWords(attributes, 4, [at(a!), at(b!), at(c!), scratch]),
}

function gridProduct(graph: Graph, a: Value, b: Value, shape: Shape, grid: Grid): Value {
  return graph.one(gridOp, [a, b], gridAttributes(shape, grid))
}

type ImageAttributes = ConvolutionAttributes & { readonly image: Shape; readonly weight: Shape }

const sizesOf = ({ image, weight, ...attributes }: ImageAttributes): readonly number[] =>
  convolutionSizes(image, weight, convolvedShape(image, weight, attributes), attributes)

/** [images, channels kh kw, places] of [images, channels, h, w]: each place's window as a column, +0 outside the image. */
const intoColumnsOp: Op<ImageAttributes> = {
  name: 'image as matrix',
  code: 0x206,
  infer([x], { weight, ...attributes }) {
    const [, , oh, ow] = convolvedShape(x!.shape, weight, attributes)
    return [{ shape: [x!.shape[0]!, x!.shape[1]! * weight[2]! * weight[3]!, oh! * ow!] }]
  },
  gradient: (graph, { attributes }, [d]) => [graph.one(fromColumnsOp, [d!], attributes)],
  words: ({ inputs: [x], outputs: [columns], attributes }, { at }) => [...sizesOf(attributes), at(x!), at(columns!)],
}

/** The way back: each number is added where it came from, rows ascending. */
const fromColumnsOp: Op<ImageAttributes> = {
  name: 'image from matrix',
  code: 0x207,
  infer: (_inputs, { image }) => [{ shape: image }],
  words: ({ inputs: [columns], outputs: [x], attributes }, { at }) => [...sizesOf(attributes), at(columns!), at(x!)],
}

/** w times columns, for each image and group. */
const convolvedOp: Op<GridAttributes & { readonly parts: number }> = {
  ...(gridOp as unknown as Op<GridAttributes & { readonly parts: number }>),
  name: 'conv2d by columns',
  gradient(graph, { inputs: [w, columns], attributes: { sizes, parts } }, [d]) {
    const [own, places, depth, , , , , , images, groups] = sizes as [number, number, number, ...number[]]
    const filters = own * groups!
    const dy = operand(graph, d!)
    const dColumns = gridProduct(graph, w!, dy, columns!.shape, {
      kind: 'tn',
      ...{ m: depth, n: places, k: own, outer: images!, inner: groups! },
      steps: [0, own * depth, filters * places, own * places, groups! * depth * places, depth * places],
    })
    let dw: Value | undefined
    for (let part = 0; part < parts; part++) {
      const first = Math.floor((images! * part) / parts)
      const count = Math.floor((images! * (part + 1)) / parts) - first
      const each = gridProduct(graph, dy, columns!, [count, filters * depth], {
        kind: 'nt',
        ...{ m: own, n: depth, k: places, outer: count, inner: groups! },
        offsets: [first * filters * places, first * groups! * depth * places],
        steps: [filters * places, own * places, groups! * depth * places, depth * places, filters * depth, own * depth],
      })
      // Sums over so few rows are one chunk: image after image.
      const sum = reshape(graph, columnSums(graph, each), w!.shape)
      dw = dw ? add(graph, dw, sum) : sum
    }
    return [dw, dColumns]
  },
}

/** Whether `convolutionByColumns` can sum the images of a weight's gradient in the order of `conv2d`. */
export function fitsColumns(images: number, parts: number): boolean {
  return Math.ceil(images / parts) <= partRows
}

/**
 * `conv2d` of operands that are bf16 numbers.
 * @param parts of images whose sums are added (docs/arithmetic/convolution.md)
 */
export function convolutionByColumns(graph: Graph, x: Value, w: Value, options: ConvolutionAttributes, parts: number): Value {
  const shape = convolvedShape(x.shape, w.shape, options)
  const columns = graph.one(intoColumnsOp, [x], { ...options, image: x.shape, weight: w.shape })
  const { groups } = options
  const [images, filters] = [shape[0]!, shape[1]!]
  const [own, depth, places] = [filters / groups, sizeOf(w.shape.slice(1)), shape[2]! * shape[3]!]
  const grid = gridAttributes(shape, {
    kind: 'nn',
    ...{ m: own, n: places, k: depth, outer: images, inner: groups },
    steps: [0, own * depth, groups * depth * places, depth * places, filters * places, own * places],
  })
  return graph.one(convolvedOp, [w, columns], { ...grid, parts })
}

type AttendedAttributes = GridAttributes & { readonly heads: number; readonly scale: number }

/** Probabilities times values; its gradient is the whole backward pass, to queries, keys and values. */
const attendedOp: Op<AttendedAttributes> = {
  ...(gridOp as unknown as Op<AttendedAttributes>),
  name: 'attention by heads',
  gradient(graph, { inputs: [p, rows], attributes: { shape, heads, scale } }, [d]) {
    const [batch, time, width] = shape as [number, number, number]
    const sizes: HeadSizes = { batch, time, width, heads }
    const dy = operand(graph, d!)
    const dv = gridProduct(graph, p!, dy, shape, rowGrid(sizes, 'tn', 'rows'))
    const dp = gridProduct(graph, dy, rows!, scoreShape(sizes), scoreGrid(sizes, 'rows', 2))
    const ds = operand(graph, graph.one(scoreSoftmaxBackwardOp, [p!, dp], { scale }))
    const dq = gridProduct(graph, ds, rows!, shape, rowGrid(sizes, 'nn', 1))
    const dk = gridProduct(graph, ds, rows!, shape, rowGrid(sizes, 'tn', 0))
    return [undefined, concat(graph, [dq, dk, dv], 2)]
  },
}

/** `attention` of queries, keys and values that are bf16 numbers. */
export function attentionByHeads(
  graph: Graph,
  rows: Value,
  { heads, causal, scale }: { readonly heads: number; readonly causal: boolean; readonly scale: number },
): Value {
  const [batch, time, triple] = rows.shape as [number, number, number]
  const sizes: HeadSizes = { batch, time, width: triple / 3, heads }
  const scores = gridProduct(graph, rows, rows, scoreShape(sizes), scoreGrid(sizes, 0, 1))
  const p = operand(graph, graph.one(scoreSoftmaxOp, [scores], { causal, scale }))
  return graph.one(attendedOp, [p, rows], { ...gridAttributes(rowShape(sizes), rowGrid(sizes, 'nn', 2)), heads, scale })
}
