// The gradient of a weight by the algorithm of Winograd (docs/arithmetic/convolution.md): the transposes of the transforms of winograd.ts.

import { gemmInto, gemmScratchBytes } from './gemm'
import { barrier, share } from './threads'
import {
  apart,
  channels,
  filters,
  images,
  outHeight,
  outWidth,
  output,
  padImages,
  padPlanes,
  placeTiles,
  planeBytes,
  scratchOf,
  tilesAcross,
  tilesOfImage,
  transformFour,
  weight,
} from './winograd-tiles'

const CHUNK: u32 = 256 // Normative: one partial sum covers 256 tiles.

/** dw of x and dy: sums over all tiles, in chunks of 256, of the transformed tiles of dy times those of x. */
export function winogradWeight(at: usize, thread: u32, threads: u32): void {
  const k = channels(at)
  const m = filters(at)
  const count = images(at) * tilesOfImage(at)
  const ld = <usize>CHUNK << 2
  const inputsApart = apart(k * CHUNK)
  const slopesApart = apart(m * CHUNK)
  const sumsApart = apart(m * k)
  const inputs = scratchOf(at)
  const slopes = inputs + 16 * inputsApart
  const sums = slopes + 16 * slopesApart
  const table = sums + 16 * sumsApart + <usize>thread * ((<usize>CHUNK << 4) + planeBytes(at) + gemmScratchBytes())
  const planes = table + (<usize>CHUNK << 4)
  const scratch = planes + planeBytes(at)
  const row = (<usize>(2 * tilesAcross(at) + 2)) << 2
  const plane = (<usize>outHeight(at) * outWidth(at)) << 2
  for (let first: u32 = 0; first < count; first += CHUNK) {
    const tiles = min(CHUNK, count - first)
    placeTiles(at, first, tiles, table)
    let end = share(k, 1, thread + 1, threads)
    for (let c = share(k, 1, thread, threads); c < end; c++) {
      padImages(at, c, first, tiles, planes)
      for (let t: u32 = 0; t < tiles; t += 4) transformFour(table + (<usize>t << 4), planes, row, inputs + c * ld + (<usize>t << 2), inputsApart)
    }
    end = share(m, 1, thread + 1, threads)
    for (let f = share(m, 1, thread, threads); f < end; f++) {
      padPlanes(at, first, tiles, output(at) + f * plane, m * plane, outHeight(at), outWidth(at), 0, 0, planes)
      for (let t: u32 = 0; t < tiles; t += 4) transformSlopes(table + (<usize>t << 4), planes, row, slopes + f * ld + (<usize>t << 2), slopesApart)
    }
    barrier(thread, threads)
    end = share(16, 1, thread + 1, threads)
    for (let i = share(16, 1, thread, threads); i < end; i++) {
      gemmInto(m, k, tiles, slopes + i * slopesApart, ld, true, inputs + i * inputsApart, ld, true, sums + i * sumsApart, <usize>k << 2, first > 0, scratch)
    }
    barrier(thread, threads)
  }
  const end = share(m, 1, thread + 1, threads)
  for (let f = share(m, 1, thread, threads); f < end; f++) {
    const from = sums + ((<usize>f * k) << 2)
    const to = weight(at) + <usize>f * k * 36
    for (let c: u32 = 0; c < k; c++) storeWindow(from + (<usize>c << 2), sumsApart, to + <usize>c * 36)
  }
}

/** A d Aᵀ of four tiles of 2 x 2 numbers, (a, a + b, a - b, -b): down first, then across. */
function transformSlopes(places: usize, planes: usize, row: usize, to: usize, between: usize): void {
  const t0 = planes + load<u32>(places)
  const t1 = planes + load<u32>(places, 16)
  const t2 = planes + load<u32>(places, 32)
  const t3 = planes + load<u32>(places, 48)
  const u01 = v128.load_lane<i64>(t1, v128.load64_zero(t0), 1)
  const u23 = v128.load_lane<i64>(t3, v128.load64_zero(t2), 1)
  const l01 = v128.load_lane<i64>(t1 + row, v128.load64_zero(t0 + row), 1)
  const l23 = v128.load_lane<i64>(t3 + row, v128.load64_zero(t2 + row), 1)
  storeSlopes(to, between, u01, u23)
  storeSlopes(to + 4 * between, between, f32x4.add(u01, l01), f32x4.add(u23, l23))
  storeSlopes(to + 8 * between, between, f32x4.sub(u01, l01), f32x4.sub(u23, l23))
  storeSlopes(to + 12 * between, between, f32x4.neg(l01), f32x4.neg(l23))
}

// @ts-ignore: decorator
@inline
function storeSlopes(to: usize, between: usize, first: v128, second: v128): void {
  const a = v128.shuffle<f32>(first, second, 0, 2, 4, 6)
  const b = v128.shuffle<f32>(first, second, 1, 3, 5, 7)
  v128.store(to, a)
  v128.store(to + between, f32x4.add(a, b))
  v128.store(to + 2 * between, f32x4.sub(a, b))
  v128.store(to + 3 * between, f32x4.neg(b))
}

/** Gᵀ s G of one filter and channel: (a + h, (b - c) / 2, h + d), h = (b + c) / 2, down first, then across. */
function storeWindow(from: usize, between: usize, to: usize): void {
  // The four columns of a row lie in the lanes.
  const r0 = fourSums(from, between)
  const r1 = fourSums(from + 4 * between, between)
  const r2 = fourSums(from + 8 * between, between)
  const r3 = fourSums(from + 12 * between, between)
  const half = f32x4.splat(0.5)
  const middle = f32x4.mul(half, f32x4.add(r1, r2))
  storeWindowRow(to, f32x4.add(r0, middle))
  storeWindowRow(to + 12, f32x4.mul(half, f32x4.sub(r1, r2)))
  storeWindowRow(to + 24, f32x4.add(middle, r3))
}

// @ts-ignore: decorator
@inline
function fourSums(from: usize, between: usize): v128 {
  let v = v128.load32_zero(from)
  v = v128.load_lane<f32>(from + between, v, 1)
  v = v128.load_lane<f32>(from + 2 * between, v, 2)
  return v128.load_lane<f32>(from + 3 * between, v, 3)
}

// @ts-ignore: decorator
@inline
function storeWindowRow(to: usize, row: v128): void {
  const b = f32x4.extract_lane(row, 1)
  const c = f32x4.extract_lane(row, 2)
  const middle: f32 = 0.5 * (b + c)
  store<f32>(to, f32x4.extract_lane(row, 0) + middle)
  store<f32>(to, <f32>0.5 * (b - c), 4)
  store<f32>(to, middle + f32x4.extract_lane(row, 3), 8)
}
