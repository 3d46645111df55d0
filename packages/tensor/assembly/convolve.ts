// Convolution as products of matrices, image by image (docs/arithmetic/convolution.md).

import { fromColumns, isPlain, toColumns, word } from './columns'
import { gemm, gemmScratchBytes } from './gemm'
import { barrier, share } from './threads'

/** y[n, f, p] = w[f, k] columns[k, p] for the images of this thread. */
export function convolve(at: usize, thread: u32, threads: u32): void {
  const images = word(at, 0)
  const groups = word(at, 15)
  const channels = word(at, 1) / groups
  const filters = word(at, 4) / groups
  const k = channels * word(at, 5) * word(at, 6)
  const places = word(at, 7) * word(at, 8)
  const plane = word(at, 2) * word(at, 3)
  const plain = isPlain(at)
  const scratch = <usize>word(at, 19) + <usize>thread * (gemmScratchBytes() + columnBytes(k, places))
  const columns = scratch + gemmScratchBytes()
  const end = share(images, 1, thread + 1, threads)
  for (let n = share(images, 1, thread, threads); n < end; n++) {
    for (let g: u32 = 0; g < groups; g++) {
      const x = <usize>word(at, 16) + ((<usize>(n * groups + g) * channels * plane) << 2)
      const w = <usize>word(at, 17) + ((<usize>g * filters * k) << 2)
      const y = <usize>word(at, 18) + ((<usize>(n * groups + g) * filters * places) << 2)
      if (!plain) toColumns(at, x, channels, columns)
      gemm(filters, places, k, w, <usize>k << 2, true, plain ? x : columns, <usize>places << 2, false, y, <usize>places << 2, scratch)
    }
  }
}

/** dx: wᵀ dy into columns, which are then added at their places. */
export function convolveInput(at: usize, thread: u32, threads: u32): void {
  const images = word(at, 0)
  const groups = word(at, 15)
  const channels = word(at, 1) / groups
  const filters = word(at, 4) / groups
  const k = channels * word(at, 5) * word(at, 6)
  const places = word(at, 7) * word(at, 8)
  const plane = word(at, 2) * word(at, 3)
  const plain = isPlain(at)
  const scratch = <usize>word(at, 19) + <usize>thread * (gemmScratchBytes() + columnBytes(k, places))
  const columns = scratch + gemmScratchBytes()
  const end = share(images, 1, thread + 1, threads)
  for (let n = share(images, 1, thread, threads); n < end; n++) {
    for (let g: u32 = 0; g < groups; g++) {
      const dx = <usize>word(at, 16) + ((<usize>(n * groups + g) * channels * plane) << 2)
      const w = <usize>word(at, 17) + ((<usize>g * filters * k) << 2)
      const dy = <usize>word(at, 18) + ((<usize>(n * groups + g) * filters * places) << 2)
      gemm(k, places, filters, w, <usize>k << 2, false, dy, <usize>places << 2, false, plain ? dx : columns, <usize>places << 2, scratch)
      if (!plain) fromColumns(at, columns, channels, dx)
    }
  }
}

/**
 * dw: for each image dy columnsᵀ over its places; images are added one after the other inside fixed parts, then the parts. Parts are
 * shared by threads.
 */
export function convolveWeight(at: usize, thread: u32, threads: u32): void {
  const images = word(at, 0)
  const groups = word(at, 15)
  const channels = word(at, 1) / groups
  const filters = word(at, 4) / groups
  const k = channels * word(at, 5) * word(at, 6)
  const places = word(at, 7) * word(at, 8)
  const plane = word(at, 2) * word(at, 3)
  const plain = isPlain(at)
  const size = word(at, 4) * k
  const dw = <usize>word(at, 17)
  const parts = word(at, 20)
  const one = gemmScratchBytes() + columnBytes(k, places) + alignUp(size << 2)
  // Sums of the parts after the first, then what each thread needs for itself.
  const sums = <usize>word(at, 19)
  const scratch = sums + <usize>(parts - 1) * alignUp(size << 2) + <usize>thread * one
  const columns = scratch + gemmScratchBytes()
  const fresh = columns + columnBytes(k, places)
  const end = share(parts, 1, thread + 1, threads)
  for (let part = share(parts, 1, thread, threads); part < end; part++) {
    const sum = part == 0 ? dw : sums + <usize>(part - 1) * alignUp(size << 2)
    const first = (images * part) / parts
    const last = (images * (part + 1)) / parts
    for (let n = first; n < last; n++) {
      const to = n == first ? sum : fresh
      for (let g: u32 = 0; g < groups; g++) {
        const x = <usize>word(at, 16) + ((<usize>(n * groups + g) * channels * plane) << 2)
        const dy = <usize>word(at, 18) + ((<usize>(n * groups + g) * filters * places) << 2)
        if (!plain) toColumns(at, x, channels, columns)
        gemm(filters, k, places, dy, <usize>places << 2, true, plain ? x : columns, <usize>places << 2, true, to + ((<usize>g * filters * k) << 2), <usize>k << 2, scratch)
      }
      if (n > first) addInto(sum, fresh, size)
    }
  }
  barrier(thread, threads)
  const from = share(size, 16, thread, threads)
  const count = share(size, 16, thread + 1, threads) - from
  for (let part: u32 = 1; part < parts; part++) {
    addInto(dw + (<usize>from << 2), sums + <usize>(part - 1) * alignUp(size << 2) + (<usize>from << 2), count)
  }
}

function addInto(y: usize, x: usize, n: u32): void {
  const end = <usize>n << 2
  let i: usize = 0
  for (; i + 16 <= end; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(x + i)))
  for (; i < end; i += 4) store<f32>(y + i, load<f32>(y + i) + load<f32>(x + i))
}

// @ts-ignore: decorator
@inline
function columnBytes(k: u32, places: u32): usize {
  return alignUp((<usize>k * places) << 2)
}

// @ts-ignore: decorator
@inline
function alignUp(bytes: usize): usize {
  return (bytes + 63) & ~63
}
