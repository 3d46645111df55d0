// An image as a matrix: row (channel, ky, kx) and column (oy, ox) hold the number that the window at that place sees there.

import { share } from './threads'

/** Sizes of one convolution, 16 words of an instruction. */
// @ts-ignore: decorator
@inline
export function word(at: usize, i: usize): u32 {
  return load<u32>(at + (i << 2))
}

/** Whether the matrix of an image is the image itself: a window of 1 x 1 that moves by one and stays inside. */
// @ts-ignore: decorator
@inline
export function isPlain(at: usize): bool {
  return word(at, 5) == 1 && word(at, 6) == 1 && word(at, 9) == 1 && word(at, 10) == 1 && word(at, 7) == word(at, 2) && word(at, 8) == word(at, 3)
}

/** out[channels kh kw, oh ow] from x[channels, h, w]; +0 outside the image. */
export function toColumns(at: usize, x: usize, channels: u32, out: usize): void {
  const h = word(at, 2)
  const w = word(at, 3)
  const kh = word(at, 5)
  const kw = word(at, 6)
  const oh = word(at, 7)
  const ow = word(at, 8)
  const sx = word(at, 10)
  for (let c: u32 = 0; c < channels; c++) {
    const plane = x + ((<usize>c * h * w) << 2)
    for (let ky: u32 = 0; ky < kh; ky++) {
      for (let kx: u32 = 0; kx < kw; kx++) {
        const left = <i32>(kx * word(at, 12)) - <i32>word(at, 14)
        // The first and the end of the places whose column lies inside the image.
        const first = left >= 0 ? 0 : min<i32>(ow, (-left + <i32>sx - 1) / <i32>sx)
        const end = max<i32>(first, <i32>w - left <= 0 ? 0 : min<i32>(ow, (<i32>w - left + <i32>sx - 1) / <i32>sx))
        for (let oy: u32 = 0; oy < oh; oy++, out += <usize>ow << 2) {
          const iy = <i32>(oy * word(at, 9) + ky * word(at, 11)) - <i32>word(at, 13)
          if (iy < 0 || iy >= <i32>h) {
            memory.fill(out, 0, <usize>ow << 2)
            continue
          }
          const row = plane + ((<usize>iy * w) << 2)
          for (let ox = 0; ox < first; ox++) store<f32>(out + (<usize>ox << 2), 0)
          if (sx == 1) {
            copyRow(row + ((<isize>(left + first)) << 2), out + (<usize>first << 2), <usize>(end - first) << 2)
          } else {
            let from = row + ((<isize>(left + first * <i32>sx)) << 2)
            for (let ox = first; ox < end; ox++, from += <usize>sx << 2) store<u32>(out + (<usize>ox << 2), load<u32>(from))
          }
          for (let ox = end; ox < <i32>ow; ox++) store<f32>(out + (<usize>ox << 2), 0)
        }
      }
    }
  }
}

/** Short rows, for which a call of memory.copy would cost more. */
// @ts-ignore: decorator
@inline
function copyRow(from: usize, to: usize, bytes: usize): void {
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, v128.load(from + i))
  for (; i < bytes; i += 4) store<u32>(to + i, load<u32>(from + i))
}

/** The way back: x[channels, h, w] = +0, then every column's numbers are added at their places, rows of the matrix ascending. */
export function fromColumns(at: usize, columns: usize, channels: u32, x: usize): void {
  const h = word(at, 2)
  const w = word(at, 3)
  const kh = word(at, 5)
  const kw = word(at, 6)
  const oh = word(at, 7)
  const ow = word(at, 8)
  const sx = word(at, 10)
  memory.fill(x, 0, (<usize>channels * h * w) << 2)
  for (let c: u32 = 0; c < channels; c++) {
    const plane = x + ((<usize>c * h * w) << 2)
    for (let ky: u32 = 0; ky < kh; ky++) {
      for (let kx: u32 = 0; kx < kw; kx++) {
        const left = <i32>(kx * word(at, 12)) - <i32>word(at, 14)
        const first = left >= 0 ? 0 : min<i32>(ow, (-left + <i32>sx - 1) / <i32>sx)
        const end = max<i32>(first, <i32>w - left <= 0 ? 0 : min<i32>(ow, (<i32>w - left + <i32>sx - 1) / <i32>sx))
        for (let oy: u32 = 0; oy < oh; oy++, columns += <usize>ow << 2) {
          const iy = <i32>(oy * word(at, 9) + ky * word(at, 11)) - <i32>word(at, 13)
          if (iy < 0 || iy >= <i32>h) continue
          let to = plane + ((<usize>iy * w) << 2) + ((<isize>(left + first * <i32>sx)) << 2)
          let ox = first
          if (sx == 1) {
            for (; ox + 4 <= end; ox += 4, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(columns + (<usize>ox << 2))))
          }
          for (; ox < end; ox++, to += <usize>sx << 2) store<f32>(to, load<f32>(to) + load<f32>(columns + (<usize>ox << 2)))
        }
      }
    }
  }
}

/** Words: the 16 sizes, x [images, channels, h, w], out [images, channels kh kw, oh ow]. Threads share images. */
export function intoColumns(at: usize, thread: u32, threads: u32): void {
  const end = share(word(at, 0), 1, thread + 1, threads)
  for (let n = share(word(at, 0), 1, thread, threads); n < end; n++) toColumns(at, imageOf(at, 16, n), word(at, 1), matrixOf(at, 17, n))
}

/** Words: the 16 sizes, the matrices, the images that their numbers are added into. */
export function outOfColumns(at: usize, thread: u32, threads: u32): void {
  const end = share(word(at, 0), 1, thread + 1, threads)
  for (let n = share(word(at, 0), 1, thread, threads); n < end; n++) fromColumns(at, matrixOf(at, 16, n), word(at, 1), imageOf(at, 17, n))
}

function imageOf(at: usize, place: usize, n: u32): usize {
  return <usize>word(at, place) + ((<usize>n * word(at, 1) * word(at, 2) * word(at, 3)) << 2)
}

function matrixOf(at: usize, place: usize, n: u32): usize {
  return <usize>word(at, place) + ((<usize>n * word(at, 1) * word(at, 5) * word(at, 6) * word(at, 7) * word(at, 8)) << 2)
}
