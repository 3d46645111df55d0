// Convolution with windows of 3 x 3 by the algorithm F(2 x 2, 3 x 3) of Winograd (docs/arithmetic/convolution.md): four outputs from sixteen products
// instead of thirty-six.

import { multiplyPanels } from './tiles'
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
  placeTiles,
  planeBytes,
  scratchOf,
  tilesAcross,
  tilesOfImage,
  transformFour,
  turned,
  weight,
} from './winograd-tiles'

const KC: u32 = 256 // Normative: one partial sum covers 256 channels.
const BLOCK: u32 = 128 // Free: tiles that are transformed and multiplied together.
const FILTERS: u32 = 64 // Free: filters whose transformed weights stay near.

/** y of x and w, 13 words and the scratch. */
export function winograd(at: usize, thread: u32, threads: u32): void {
  const k = channels(at)
  const m = (filters(at) + 3) & ~3
  const count = images(at) * tilesOfImage(at)
  const widest = min(BLOCK, (count + 7) & ~7)
  const weightsApart = apart(m * k)
  const weights = scratchOf(at)
  const inputsApart = tilesApart(k, widest)
  const sumsApart = apart(m * widest)
  const table = weights + 16 * weightsApart + <usize>thread * (16 * (inputsApart + sumsApart) + planeBytes(at) + (<usize>BLOCK << 4))
  const inputs = table + (<usize>BLOCK << 4)
  const sums = inputs + 16 * inputsApart
  const planes = sums + 16 * sumsApart

  const panels = share(m >> 2, 1, thread + 1, threads)
  for (let panel = share(m >> 2, 1, thread, threads); panel < panels; panel++) transformWeights(at, panel << 2, weights, weightsApart)
  barrier(thread, threads)

  // Blocks of about equal size, as many for each thread.
  const rounds = (count + widest * threads - 1) / (widest * threads)
  const size = min(widest, ((count + rounds * threads - 1) / (rounds * threads) + 7) & ~7)
  const blocks = (count + size - 1) / size
  const end = share(blocks, 1, thread + 1, threads)
  for (let block = share(blocks, 1, thread, threads); block < end; block++) {
    const first = block * size
    const tiles = min(size, count - first)
    placeTiles(at, first, tiles, table)
    transformTiles(at, first, tiles, table, planes, inputs, inputsApart)
    for (let i: u32 = 0; i < 16; i++) multiply(m, k, (tiles + 7) & ~7, weights + i * weightsApart, inputs + i * inputsApart, sums + i * sumsApart)
    transformSums<f32>(at, tiles, table, sums, sumsApart)
  }
}

/** One of the sixteen products: sums[m, tiles] of packed weights [m / 4][k][4] and packed tiles [tiles / 8][k][8], both by chunks of k. */
function multiply(m: u32, k: u32, tiles: u32, weights: usize, inputs: usize, sums: usize): void {
  const ld = <usize>tiles << 2
  for (let k0: u32 = 0; k0 < k; k0 += KC) {
    const kc = min(KC, k - k0)
    for (let i0: u32 = 0; i0 < m; i0 += FILTERS) {
      const i1 = min(m, i0 + FILTERS)
      multiplyPanels<f32>(i1 - i0, tiles, kc, weights + ((<usize>i0 * kc) << 2), inputs, panelBytes(kc), sums + <usize>i0 * ld, ld, 0, k0 > 0)
    }
    weights += (<usize>m * kc) << 2
    inputs += <usize>(tiles >> 3) * panelBytes(kc)
  }
}

/** Bytes of one panel of eight tiles and kc channels, a line more for the same reason. */
// @ts-ignore: decorator
@inline
function panelBytes(kc: u32): usize {
  return (<usize>kc << 5) + 64
}

/** Bytes of the transformed numbers of a block's tiles, one of the sixteen. */
// @ts-ignore: decorator
@inline
function tilesApart(k: u32, tiles: u32): usize {
  const chunks = (k + KC - 1) / KC
  return (((<usize>k * tiles) << 2) + <usize>(chunks * (tiles >> 3)) * 64 + 64 + 63) & ~63
}

/**
 * G g Gᵀ of four filters for all channels, G = (1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1): down first, then across. Of a gradient the windows are
 * turned around, and filters are channels of the layer's weight.
 */
function transformWeights(at: usize, first: u32, weights: usize, between: usize): void {
  const k = channels(at)
  const m = filters(at)
  const around = turned(at)
  const lane: usize = around ? 36 : <usize>k * 36
  const next: usize = around ? <usize>m * 36 : 36
  const lane1 = first + 1 < m ? lane : 0
  const lane2 = first + 2 < m ? 2 * lane : 0
  const lane3 = first + 3 < m ? 3 * lane : 0
  const start: usize = around ? 32 : 0
  const step: isize = around ? -4 : 4
  const half = f32x4.splat(0.5)
  let g = weight(at) + <usize>first * lane + start
  for (let k0: u32 = 0; k0 < k; k0 += KC) {
    const kc = min(KC, k - k0)
    let to = weights + ((<usize>k0 * ((m + 3) & ~3) + <usize>first * kc) << 2)
    for (let c: u32 = 0; c < kc; c++, to += 16, g += next) {
      const a0 = four(g, lane1, lane2, lane3)
      const b0 = four(g + step, lane1, lane2, lane3)
      const c0 = four(g + 2 * step, lane1, lane2, lane3)
      const a1 = four(g + 3 * step, lane1, lane2, lane3)
      const b1 = four(g + 4 * step, lane1, lane2, lane3)
      const c1 = four(g + 5 * step, lane1, lane2, lane3)
      const a2 = four(g + 6 * step, lane1, lane2, lane3)
      const b2 = four(g + 7 * step, lane1, lane2, lane3)
      const c2 = four(g + 8 * step, lane1, lane2, lane3)
      const a = f32x4.add(a0, a2)
      const b = f32x4.add(b0, b2)
      const d = f32x4.add(c0, c2)
      storeWeights(to, between, a0, b0, c0)
      storeWeights(
        to + 4 * between,
        between,
        f32x4.mul(half, f32x4.add(a, a1)),
        f32x4.mul(half, f32x4.add(b, b1)),
        f32x4.mul(half, f32x4.add(d, c1)),
      )
      storeWeights(
        to + 8 * between,
        between,
        f32x4.mul(half, f32x4.sub(a, a1)),
        f32x4.mul(half, f32x4.sub(b, b1)),
        f32x4.mul(half, f32x4.sub(d, c1)),
      )
      storeWeights(to + 12 * between, between, a2, b2, c2)
    }
  }
}

/** One number of four filters. */
// @ts-ignore: decorator
@inline
function four(from: usize, lane1: usize, lane2: usize, lane3: usize): v128 {
  let v = v128.load32_zero(from)
  v = v128.load_lane<f32>(from + lane1, v, 1)
  v = v128.load_lane<f32>(from + lane2, v, 2)
  return v128.load_lane<f32>(from + lane3, v, 3)
}

/** A row across: (a, (a + c + b) / 2, (a + c - b) / 2, c). */
// @ts-ignore: decorator
@inline
function storeWeights(to: usize, between: usize, a: v128, b: v128, c: v128): void {
  const half = f32x4.splat(0.5)
  const sum = f32x4.add(a, c)
  v128.store(to, a)
  v128.store(to + between, f32x4.mul(half, f32x4.add(sum, b)))
  v128.store(to + 2 * between, f32x4.mul(half, f32x4.sub(sum, b)))
  v128.store(to + 3 * between, c)
}

/** Bᵀ d B of all tiles of a block and all channels, B = (1 0 0 0; 0 1 -1 1; -1 1 1 0; 0 0 0 -1), in panels of eight tiles. */
function transformTiles(at: usize, first: u32, tiles: u32, table: usize, planes: usize, inputs: usize, between: usize): void {
  const k = channels(at)
  const across = tilesAcross(at)
  const row = (<usize>(2 * across + 2)) << 2
  const panels = (tiles + 7) >> 3
  for (let k0: u32 = 0; k0 < k; k0 += KC) {
    const kc = min(KC, k - k0)
    for (let c: u32 = 0; c < kc; c++) {
      padImages(at, k0 + c, first, tiles, planes)
      for (let panel: u32 = 0; panel < panels; panel++) {
        const to = inputs + <usize>panel * panelBytes(kc) + (<usize>c << 5)
        const places = table + (<usize>panel << 7)
        transformFour(places, planes, row, to, between)
        transformFour(places + 64, planes, row, to + 16, between)
      }
    }
    inputs += <usize>panels * panelBytes(kc)
  }
}

/** Aᵀ s A of all tiles and filters, A = (1 0; 1 1; 1 -1; 0 -1): down first, then across; of whole numbers, which stand four times, a quarter of it. */
export function transformSums<T>(at: usize, tiles: u32, table: usize, sums: usize, between: usize): void {
  const m = filters(at)
  const row = <usize>outWidth(at) << 2
  const plane = row * outHeight(at)
  const ld = <usize>((tiles + 7) & ~7) << 2
  for (let t: u32 = 0; t < tiles; t += 4) {
    const places = table + (<usize>t << 4)
    let from = sums + (<usize>t << 2)
    let y = output(at)
    // Whole tiles, four of them.
    const whole = t + 4 <= tiles && wholeTile(places) && wholeTile(places + 16) && wholeTile(places + 32) && wholeTile(places + 48)
    for (let f: u32 = 0; f < m; f++, from += ld, y += plane) {
      const s0 = v128.load(from)
      const s4 = v128.load(from + 4 * between)
      const s8 = v128.load(from + 8 * between)
      const s12 = v128.load(from + 12 * between)
      const a0 = v128.add<T>(v128.add<T>(s0, s4), s8)
      const b0 = v128.sub<T>(v128.sub<T>(s4, s8), s12)
      const s1 = v128.load(from + between)
      const s5 = v128.load(from + 5 * between)
      const s9 = v128.load(from + 9 * between)
      const s13 = v128.load(from + 13 * between)
      const a1 = v128.add<T>(v128.add<T>(s1, s5), s9)
      const b1 = v128.sub<T>(v128.sub<T>(s5, s9), s13)
      const s2 = v128.load(from + 2 * between)
      const s6 = v128.load(from + 6 * between)
      const s10 = v128.load(from + 10 * between)
      const s14 = v128.load(from + 14 * between)
      const a2 = v128.add<T>(v128.add<T>(s2, s6), s10)
      const b2 = v128.sub<T>(v128.sub<T>(s6, s10), s14)
      const s3 = v128.load(from + 3 * between)
      const s7 = v128.load(from + 7 * between)
      const s11 = v128.load(from + 11 * between)
      const s15 = v128.load(from + 15 * between)
      const a3 = v128.add<T>(v128.add<T>(s3, s7), s11)
      const b3 = v128.sub<T>(v128.sub<T>(s7, s11), s15)
      const y00 = quarter<T>(v128.add<T>(v128.add<T>(a0, a1), a2))
      const y01 = quarter<T>(v128.sub<T>(v128.sub<T>(a1, a2), a3))
      const y10 = quarter<T>(v128.add<T>(v128.add<T>(b0, b1), b2))
      const y11 = quarter<T>(v128.sub<T>(v128.sub<T>(b1, b2), b3))
      const up = v128.shuffle<f32>(y00, y01, 0, 4, 1, 5)
      const up2 = v128.shuffle<f32>(y00, y01, 2, 6, 3, 7)
      const low = v128.shuffle<f32>(y10, y11, 0, 4, 1, 5)
      const low2 = v128.shuffle<f32>(y10, y11, 2, 6, 3, 7)
      if (whole) {
        const o0 = y + load<u32>(places, 4)
        const o1 = y + load<u32>(places, 20)
        const o2 = y + load<u32>(places, 36)
        const o3 = y + load<u32>(places, 52)
        v128.store_lane<i64>(o0, up, 0)
        v128.store_lane<i64>(o1, up, 1)
        v128.store_lane<i64>(o2, up2, 0)
        v128.store_lane<i64>(o3, up2, 1)
        v128.store_lane<i64>(o0 + row, low, 0)
        v128.store_lane<i64>(o1 + row, low, 1)
        v128.store_lane<i64>(o2 + row, low2, 0)
        v128.store_lane<i64>(o3 + row, low2, 1)
      } else {
        storeTile(places, y, row, up, low)
        storeTile(places + 16, y, row, v128.shuffle<i64>(up, up, 1, 0), v128.shuffle<i64>(low, low, 1, 0))
        storeTile(places + 32, y, row, up2, low2)
        storeTile(places + 48, y, row, v128.shuffle<i64>(up2, up2, 1, 0), v128.shuffle<i64>(low2, low2, 1, 0))
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function quarter<T>(v: v128): v128 {
  return isInteger<T>() ? i32x4.shr_s(v, 2) : v
}

// @ts-ignore: decorator
@inline
function wholeTile(place: usize): bool {
  return load<u32>(place, 8) + load<u32>(place, 12) == 4
}

/** The first two lanes of both rows, as far as the tile has them. */
function storeTile(place: usize, y: usize, row: usize, up: v128, low: v128): void {
  const rows = load<u32>(place, 8)
  if (rows == 0) return
  const to = y + load<u32>(place, 4)
  const two = load<u32>(place, 12) == 2
  store<f32>(to, f32x4.extract_lane(up, 0))
  if (two) store<f32>(to, f32x4.extract_lane(up, 1), 4)
  if (rows == 1) return
  store<f32>(to + row, f32x4.extract_lane(low, 0))
  if (two) store<f32>(to + row, f32x4.extract_lane(low, 1), 4)
}
