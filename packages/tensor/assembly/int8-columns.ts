// An image of int8 numbers as a matrix, and sums of int32 back into an image; sizes as in columns.ts.

import { word } from './columns'
import { share } from './threads'

/** Words: the 16 sizes of a convolution, x i8 [images, channels, h, w], out i8 [images, channels kh kw, oh ow]; 0 outside the image. */
export function intoColumns(at: usize, thread: u32, threads: u32): void {
  const planes = word(at, 0) * word(at, 1)
  const h = word(at, 2)
  const w = word(at, 3)
  const kh = word(at, 5)
  const kw = word(at, 6)
  const oh = word(at, 7)
  const ow = word(at, 8)
  const sx = <i32>word(at, 10)
  const end = share(planes, 1, thread + 1, threads)
  for (let plane = share(planes, 1, thread, threads); plane < end; plane++) {
    const x = <usize>word(at, 16) + <usize>plane * h * w
    let out = <usize>word(at, 17) + <usize>plane * kh * kw * oh * ow
    for (let ky: u32 = 0; ky < kh; ky++) {
      for (let kx: u32 = 0; kx < kw; kx++) {
        const left = <i32>(kx * word(at, 12)) - <i32>word(at, 14)
        const first = left >= 0 ? 0 : min<i32>(ow, (-left + sx - 1) / sx)
        const last = max<i32>(first, <i32>w - left <= 0 ? 0 : min<i32>(ow, (<i32>w - left + sx - 1) / sx))
        for (let oy: u32 = 0; oy < oh; oy++, out += ow) {
          const iy = <i32>(oy * word(at, 9) + ky * word(at, 11)) - <i32>word(at, 13)
          if (iy < 0 || iy >= <i32>h) {
            memory.fill(out, 0, ow)
            continue
          }
          const row = x + <usize>iy * w
          for (let ox = 0; ox < first; ox++) store<u8>(out + ox, 0)
          if (sx == 1) copyBytes(row + (<isize>(left + first)), out + first, last - first)
          else for (let ox = first; ox < last; ox++) store<u8>(out + ox, load<u8>(row + (<isize>(left + ox * sx))))
          for (let ox = last; ox < <i32>ow; ox++) store<u8>(out + ox, 0)
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function copyBytes(from: usize, to: usize, count: i32): void {
  let i = 0
  for (; i + 8 <= count; i += 8) store<u64>(to + i, load<u64>(from + i))
  for (; i < count; i++) store<u8>(to + i, load<u8>(from + i))
}

/** Words: the 16 sizes, columns i32 [images, channels kh kw, oh ow], out i32 [images, channels, h, w]: every number is added where it came from. */
export function fromColumns(at: usize, thread: u32, threads: u32): void {
  const planes = word(at, 0) * word(at, 1)
  const h = word(at, 2)
  const w = word(at, 3)
  const kh = word(at, 5)
  const kw = word(at, 6)
  const oh = word(at, 7)
  const ow = word(at, 8)
  const sx = <i32>word(at, 10)
  const end = share(planes, 1, thread + 1, threads)
  for (let plane = share(planes, 1, thread, threads); plane < end; plane++) {
    const out = <usize>word(at, 17) + ((<usize>plane * h * w) << 2)
    let from = <usize>word(at, 16) + ((<usize>plane * kh * kw * oh * ow) << 2)
    memory.fill(out, 0, (<usize>h * w) << 2)
    for (let ky: u32 = 0; ky < kh; ky++) {
      for (let kx: u32 = 0; kx < kw; kx++) {
        const left = <i32>(kx * word(at, 12)) - <i32>word(at, 14)
        const first = left >= 0 ? 0 : min<i32>(ow, (-left + sx - 1) / sx)
        const last = max<i32>(first, <i32>w - left <= 0 ? 0 : min<i32>(ow, (<i32>w - left + sx - 1) / sx))
        for (let oy: u32 = 0; oy < oh; oy++, from += <usize>ow << 2) {
          const iy = <i32>(oy * word(at, 9) + ky * word(at, 11)) - <i32>word(at, 13)
          if (iy < 0 || iy >= <i32>h) continue
          const row = out + ((<usize>iy * w) << 2)
          let ox = first
          if (sx == 1) {
            for (; ox + 4 <= last; ox += 4) {
              const to = row + ((<isize>(left + ox)) << 2)
              v128.store(to, i32x4.add(v128.load(to), v128.load(from + (<usize>ox << 2))))
            }
          }
          for (; ox < last; ox++) {
            const to = row + ((<isize>(left + ox * sx)) << 2)
            store<i32>(to, load<i32>(to) + load<i32>(from + (<usize>ox << 2)))
          }
        }
      }
    }
  }
}
