import type { Graph, Op, Shape, Value } from '../graph/graph.ts'
import { type ConvolutionAttributes, convolvedShape } from './convolution-shape.ts'
import { gemmScratchBytes } from './matmul.ts'

/** Channels and filters from which the saved products outweigh the transforms. */
const channelsFrom = 16
/** As in the kernels: tiles of a block, and of a chunk of the weight's gradient. */
const blockTiles = 128
const chunkTiles = 256

/**
 * Whether windows are multiplied by the algorithm F(2 x 2, 3 x 3) of Winograd: 3 x 3 windows that move by one over enough channels. A matter of shapes without the
 * number of images, so an image's result does not depend on its company.
 */
export function isWinograd(x: Shape, w: Shape, { stride, padding, dilation, groups }: ConvolutionAttributes): boolean {
  const [filters, channels, kh, kw] = w as [number, number, number, number]
  const places = [0, 1].map((axis) => x[2 + axis]! + padding[axis]! + padding[2 + axis]! - 2)
  return (
    kh === 3 &&
    kw === 3 &&
    groups === 1 &&
    Math.min(filters, channels) >= channelsFrom &&
    [...stride, ...dilation].every((n) => n === 1) &&
    padding.every((n) => n <= 2) &&
    Math.min(...places) >= 2
  )
}

type Attributes = {
  /** [top, left, bottom, right], at most 2. */
  readonly padding: readonly number[]
  /** The windows turned around, filters and channels changed: what takes dy to dx. */
  readonly turned: boolean
}

/** y[images, filters, oh, ow] of x and w, where `isWinograd`. Bits: docs/arithmetic/convolution.md. */
export function winograd(graph: Graph, x: Value, w: Value, padding: readonly number[]): Value {
  return graph.one(winogradOp, [x, w], { padding, turned: false })
}

const winogradOp: Op<Attributes> = {
  name: 'conv2d by Winograd',
  code: 0x204,
  infer: ([x, w], { padding, turned }) => [{ shape: outputShape(x!.shape, w!.shape, padding, turned) }],
  gradient: (graph, { inputs: [x, w], attributes: { padding } }, [dy]) => [
    graph.one(winogradOp, [dy!, w!], { padding: padding.map((n) => 2 - n), turned: true }),
    graph.one(weightGradientOp, [dy!, x!], { padding, shape: w!.shape }),
  ],
  scratchBytes({ inputs: [x], outputs: [y] }, threads) {
    const [k, m] = [x!.shape[1]!, 4 * Math.ceil(y!.shape[1]! / 4)]
    const tiles = widest(y!.shape)
    const own = 16 * (tilesApart(k, tiles) + apart(m * tiles)) + planeBytes(y!.shape, tiles) + 16 * blockTiles
    return 16 * apart(m * k) + threads * own
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

const weightGradientOp: Op<{ readonly padding: readonly number[]; readonly shape: Shape }> = {
  name: 'conv2d weight gradient by Winograd',
  code: 0x205,
  infer: (_inputs, { shape }) => [{ shape }],
  scratchBytes({ inputs: [d, x] }, threads) {
    const [k, m] = [x!.shape[1]!, d!.shape[1]!]
    const own = 16 * chunkTiles + planeBytes(d!.shape, chunkTiles) + gemmScratchBytes
    return 16 * (apart(k * chunkTiles) + apart(m * chunkTiles) + apart(m * k)) + threads * own
  },
  words: ({ inputs: [d, x], outputs: [w], attributes: { padding } }, { at, scratch }) => [
    ...sizes(x!.shape, d!.shape, padding, false),
    at(x!),
    at(w!),
    at(d!),
    scratch,
    planeBytes(d!.shape, chunkTiles),
  ],
}

export function outputShape(x: Shape, w: Shape, padding: readonly number[], turned: boolean): Shape {
  const weight = turned ? [w[1]!, w[0]!, w[2]!, w[3]!] : w
  return convolvedShape(x, weight, { stride: [1, 1], padding, dilation: [1, 1], groups: 1 })
}

export function sizes(x: Shape, y: Shape, padding: readonly number[], turned: boolean): readonly number[] {
  return [...x, y[1]!, y[2]!, y[3]!, padding[0]!, padding[1]!, turned ? 1 : 0]
}

function tilesOf(y: Shape): { readonly down: number; readonly across: number } {
  return { down: Math.ceil(y[2]! / 2), across: Math.ceil(y[3]! / 2) }
}

/** Tiles of the largest block. */
export function widest(y: Shape): number {
  const { down, across } = tilesOf(y)
  return Math.min(blockTiles, 8 * Math.ceil((y[0]! * down * across) / 8))
}

/** One padded plane of each image that a block of this many tiles may touch. */
export function planeBytes(y: Shape, tiles: number): number {
  const { down, across } = tilesOf(y)
  const images = Math.min(y[0]!, Math.ceil((tiles - 1) / (down * across)) + 1)
  return alignUp(4 * images * (2 * down + 2) * (2 * across + 2) + 64)
}

/** The kernels' distances of the sixteen matrices of as many numbers. */
export function apart(numbers: number): number {
  return alignUp(4 * numbers + 64)
}

function tilesApart(k: number, tiles: number): number {
  return alignUp(4 * k * tiles + (Math.ceil(k / 256) * tiles * 64) / 8 + 64)
}

export const alignUp = (bytes: number) => Math.ceil(bytes / 64) * 64
