import { gemm } from '../gemm.ts'
import type { ReferenceMemory } from '../memory.ts'
import { pool } from '../pooling.ts'
import { winograd } from '../winograd.ts'

const fl = Math.fround

/** Family 2. */
export function convolution(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  if (code >= 0x210) return pool(code, args, memory)
  if (code === 0x206 || code === 0x207) return columnsOf(code, args, memory)
  if (code >= 0x204) return winograd(code, args, memory)
  const { images, h, w, kh, kw, oh, ow, groups, parts, ...given } = sizesOf(args)
  const [channels, filters, places] = [given.channels / groups, given.filters / groups, oh * ow]
  const k = channels * kh * kw
  const size = given.filters * k
  const weight = memory.f32(given.weight, size)
  const image = (n: number, g: number) => memory.f32(given.x + 4 * (n * groups + g) * channels * h * w, channels * h * w)
  const output = (n: number, g: number) => memory.f32(given.y + 4 * (n * groups + g) * filters * places, filters * places)
  const columns = new Float32Array(k * places)

  const oneImage = (n: number): Float32Array => {
    const sum = new Float32Array(size)
    for (let g = 0; g < groups; g++) {
      toColumns(args, image(n, g), channels, columns)
      gemm(filters, k, places, output(n, g), places, 1, columns, 1, places, sum.subarray(g * filters * k))
    }
    return sum
  }

  if (code === 0x203) {
    const sums: Float32Array[] = []
    for (let part = 0; part < parts; part++) {
      const first = Math.floor((images * part) / parts)
      const sum = oneImage(first)
      for (let n = first + 1; n < Math.floor((images * (part + 1)) / parts); n++) addInto(sum, oneImage(n))
      sums.push(sum)
    }
    for (const sum of sums.slice(1)) addInto(sums[0]!, sum)
    weight.set(sums[0]!)
    return
  }
  for (let n = 0; n < images; n++) {
    for (let g = 0; g < groups; g++) {
      const kernel = weight.subarray(g * filters * k, (g + 1) * filters * k)
      if (code === 0x201) {
        toColumns(args, image(n, g), channels, columns)
        gemm(filters, places, k, kernel, k, 1, columns, places, 1, output(n, g))
      } else {
        gemm(k, places, filters, kernel, 1, k, output(n, g), places, 1, columns)
        fromColumns(args, columns, channels, image(n, g))
      }
    }
  }
}

/** Images as matrices (0x206), and back (0x207); the addresses are the words after the sizes. */
function columnsOf(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const { images, channels, h, w, kh, kw, oh, ow } = sizesOf(args)
  const [plane, matrix] = [channels * h * w, channels * kh * kw * oh * ow]
  const [from, to] = [args[16]!, args[17]!]
  for (let n = 0; n < images; n++) {
    const image = memory.f32((code === 0x206 ? from : to) + 4 * n * plane, plane)
    const columns = memory.f32((code === 0x206 ? to : from) + 4 * n * matrix, matrix)
    if (code === 0x206) toColumns(args, image, channels, columns)
    else fromColumns(args, columns, channels, image)
  }
}

/** The 21 words of an instruction, in order. */
function sizesOf(args: Uint32Array) {
  const [images, channels, h, w, filters, kh, kw, oh, ow] = Array.from(args) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [sy, sx, dy, dx, top, left, groups, x, weight, y, , parts] = Array.from(args.subarray(9)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return { images, channels, h, w, filters, kh, kw, oh, ow, sy, sx, dy, dx, top, left, groups, x, weight, y, parts }
}

/** Calls back for every number of the matrix, with its place in the image, or -1 outside of it. */
function forColumns(args: Uint32Array, channels: number, use: (column: number, place: number) => void): void {
  const { h, w, kh, kw, oh, ow, sy, sx, dy, dx, top, left } = sizesOf(args)
  let column = 0
  for (let c = 0; c < channels; c++)
    for (let ky = 0; ky < kh; ky++)
      for (let kx = 0; kx < kw; kx++)
        for (let oy = 0; oy < oh; oy++)
          for (let ox = 0; ox < ow; ox++, column++) {
            const [iy, ix] = [oy * sy + ky * dy - top, ox * sx + kx * dx - left]
            use(column, iy >= 0 && iy < h && ix >= 0 && ix < w ? (c * h + iy) * w + ix : -1)
          }
}

function toColumns(args: Uint32Array, image: Float32Array, channels: number, columns: Float32Array): void {
  forColumns(args, channels, (column, place) => {
    columns[column] = place < 0 ? 0 : image[place]!
  })
}

function fromColumns(args: Uint32Array, columns: Float32Array, channels: number, image: Float32Array): void {
  image.fill(0)
  forColumns(args, channels, (column, place) => {
    if (place >= 0) image[place] = fl(image[place]! + columns[column]!)
  })
}

function addInto(y: Float32Array, x: Float32Array): void {
  for (let i = 0; i < y.length; i++) y[i] = fl(y[i]! + x[i]!)
}
