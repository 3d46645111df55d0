/** The algorithm F(2 x 2, 3 x 3) of Winograd as docs/arithmetic/convolution.md defines it: sixteen products of matrices between three small transforms. */
import { gemm } from './gemm.ts'
import type { ReferenceMemory } from './memory.ts'

const fl = Math.fround

/** One column or row: what a transform makes of its numbers. */
type Line = (line: readonly number[]) => number[]

const tileLine: Line = ([a, b, c, d]) => [fl(a! - c!), fl(b! + c!), fl(c! - b!), fl(b! - d!)]
const windowLine: Line = ([a, b, c]) => {
  const sum = fl(a! + c!)
  return [a!, fl(0.5 * fl(sum + b!)), fl(0.5 * fl(sum - b!)), c!]
}
const sumLine: Line = ([a, b, c, d]) => [fl(fl(a! + b!) + c!), fl(fl(b! - c!) - d!)]
const slopeLine: Line = ([a, b]) => [a!, fl(a! + b!), fl(a! - b!), -b!]
const windowSumLine: Line = ([a, b, c, d]) => {
  const middle = fl(0.5 * fl(b! + c!))
  return [fl(a! + middle), fl(0.5 * fl(b! - c!)), fl(middle + d!)]
}

/** A square of numbers, row by row: the line's transform down every column, then across every row. */
function twice(line: Line, square: readonly number[], side: number): number[] {
  const columns = Array.from({ length: side }, (_, x) => line(Array.from({ length: side }, (_, y) => square[y * side + x]!)))
  const rows = columns[0]!.length
  return Array.from({ length: rows }, (_, y) => line(columns.map((column) => column[y]!))).flat()
}

/** 0x204 forward, or back to the image; 0x205 the weight's gradient. */
export function winograd(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const [images, channels, h, w, filters, oh, ow] = Array.from(args) as [number, number, number, number, number, number, number]
  const [top, left, turned, xAt, weightAt, yAt] = Array.from(args.subarray(7)) as [number, number, number, number, number, number]
  const x = memory.f32(xAt, images * channels * h * w)
  const weight = memory.f32(weightAt, filters * channels * 9)
  const y = memory.f32(yAt, images * filters * oh * ow)
  const [down, across] = [Math.ceil(oh / 2), Math.ceil(ow / 2)]
  const tiles = images * down * across

  /** `side` by `side` numbers of a plane from the tile's corner on, +0 outside. */
  const patch = (from: Float32Array, planes: number, plane: number, height: number, width: number, tile: number, side: number) => {
    const n = Math.floor(tile / (down * across))
    const [ty, tx] = [Math.floor((tile % (down * across)) / across), tile % across]
    const [up, before] = from === x ? [top, left] : [0, 0]
    return Array.from({ length: side * side }, (_, i) => {
      const [iy, ix] = [2 * ty + Math.floor(i / side) - up, 2 * tx + (i % side) - before]
      return iy >= 0 && iy < height && ix >= 0 && ix < width ? from[((n * planes + plane) * height + iy) * width + ix]! : 0
    })
  }
  const sixteen = (rows: number, columns: number, make: (row: number, column: number) => readonly number[]) => {
    const matrices = Array.from({ length: 16 }, () => new Float32Array(rows * columns))
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (const [i, value] of make(row, column).entries()) matrices[i]![row * columns + column] = value
    return matrices
  }
  const inputs = sixteen(channels, tiles, (c, tile) => twice(tileLine, patch(x, channels, c, h, w, tile, 4), 4))

  if (code === 0x205) {
    const slopes = sixteen(filters, tiles, (f, tile) => twice(slopeLine, patch(y, filters, f, oh, ow, tile, 2), 2))
    const sums = slopes.map((slope, i) => {
      const sum = new Float32Array(filters * channels)
      gemm(filters, channels, tiles, slope, tiles, 1, inputs[i]!, 1, tiles, sum)
      return sum
    })
    for (let place = 0; place < filters * channels; place++) {
      const square = sums.map((sum) => sum[place]!)
      weight.set(twice(windowSumLine, square, 4), 9 * place)
    }
    return
  }

  const windows = sixteen(filters, channels, (f, c) => {
    const from = 9 * (turned ? c * filters + f : f * channels + c)
    const window = Array.from(weight.subarray(from, from + 9))
    return twice(windowLine, turned ? window.reverse() : window, 3)
  })
  const sums = windows.map((window, i) => {
    const sum = new Float32Array(filters * tiles)
    gemm(filters, tiles, channels, window, channels, 1, inputs[i]!, tiles, 1, sum)
    return sum
  })
  for (let f = 0; f < filters; f++)
    for (let tile = 0; tile < tiles; tile++) {
      const n = Math.floor(tile / (down * across))
      const [ty, tx] = [Math.floor((tile % (down * across)) / across), tile % across]
      const square = sums.map((sum) => sum[f * tiles + tile]!)
      for (const [i, value] of twice(sumLine, square, 4).entries()) {
        const [oy, ox] = [2 * ty + (i >> 1), 2 * tx + (i & 1)]
        if (oy < oh && ox < ow) y[((n * filters + f) * oh + oy) * ow + ox] = value
      }
    }
}
