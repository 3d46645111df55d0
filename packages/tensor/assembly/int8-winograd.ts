// Convolution of int8 numbers with windows of 3 x 3 by the algorithm of winograd.ts, in whole numbers: sums are exact, so the result is that of direct summation,
// bit for bit. Windows are taken twice in either direction, which keeps halves away; four times the result is then divided by four.
//
// A transformed tile has at most 4 x 127, a window 9 x 127, tiles of a gradient 4 x 127: all are int16, and go two by two along k into i32x4.dot_i16x8_s. Sums
// wrap modulo 2^32, which a result below 2^29 does not feel.

import { int16Product, INT8_SCRATCH } from './int8-product'
import { multiplyPanels } from './tiles'
import { barrier, share } from './threads'
import { transformSums } from './winograd'
import {
  apart,
  channels,
  filters,
  height,
  image,
  images,
  left,
  outHeight,
  outWidth,
  output,
  placeTiles,
  planeBytes,
  scratchOf,
  tilesAcross,
  tilesOfImage,
  top,
  turned,
  weight,
  width,
} from './winograd-tiles'

const BLOCK: u32 = 128 // Tiles that are transformed and multiplied together; all of these sizes are free.
const FILTERS: u32 = 64
const CHUNK: u32 = 512
/** Terms of a weight's gradient whose sum is below 2^29. */
const TERMS: u32 = 33286

// @ts-ignore: decorator
@inline
function panelBytes(pairs: u32): usize {
  return (<usize>pairs << 5) + 64
}

/** y i32 of x and w i8; words as of `winograd`. */
export function int8Winograd(at: usize, thread: u32, threads: u32): void {
  const pairs = (channels(at) + 1) >> 1
  const m = (filters(at) + 3) & ~3
  const count = images(at) * tilesOfImage(at)
  const widest = min(BLOCK, (count + 7) & ~7)
  const weightsApart = apart(m * pairs)
  const weights = scratchOf(at)
  const inputsApart = ((<usize>(widest >> 3) * panelBytes(pairs)) + 127) & ~63
  const sumsApart = apart(m * widest)
  const table = weights + 16 * weightsApart + <usize>thread * (16 * (inputsApart + sumsApart) + planeBytes(at) + (<usize>BLOCK << 4) + 512)
  const spare = table + (<usize>BLOCK << 4)
  const inputs = spare + 512
  const sums = inputs + 16 * inputsApart
  const planes = sums + 16 * sumsApart

  const panels = share(m >> 2, 1, thread + 1, threads)
  for (let panel = share(m >> 2, 1, thread, threads); panel < panels; panel++) transformWeights(at, panel << 2, weights, weightsApart)
  barrier(thread, threads)

  const rounds = (count + widest * threads - 1) / (widest * threads)
  const size = min(widest, ((count + rounds * threads - 1) / (rounds * threads) + 7) & ~7)
  const blocks = (count + size - 1) / size
  const end = share(blocks, 1, thread + 1, threads)
  for (let block = share(blocks, 1, thread, threads); block < end; block++) {
    const first = block * size
    const tiles = min(size, count - first)
    placeTiles(at, first, tiles, table)
    transformTiles(at, first, tiles, table, planes, inputs, inputsApart, spare)
    for (let i: u32 = 0; i < 16; i++) multiply(m, pairs, (tiles + 7) & ~7, weights + i * weightsApart, inputs + i * inputsApart, sums + i * sumsApart)
    transformSums<i32>(at, tiles, table, sums, sumsApart)
  }
}

function multiply(m: u32, pairs: u32, tiles: u32, weights: usize, inputs: usize, sums: usize): void {
  const ld = <usize>tiles << 2
  for (let i0: u32 = 0; i0 < m; i0 += FILTERS) {
    const i1 = min(m, i0 + FILTERS)
    multiplyPanels<i16>(i1 - i0, tiles, pairs, weights + ((<usize>i0 * pairs) << 2), inputs, panelBytes(pairs), sums + <usize>i0 * ld, ld, 0, false)
  }
}

/** 2 G g (2 G)ᵀ of four filters, two channels of each side by side. An odd last channel stands twice: its other half meets zeros. */
function transformWeights(at: usize, first: u32, weights: usize, between: usize): void {
  const k = channels(at)
  const m = filters(at)
  const around = turned(at)
  const lane: usize = around ? 9 : <usize>k * 9
  const next: usize = around ? <usize>m * 9 : 9
  const lane1 = first + 1 < m ? lane : 0
  const lane2 = first + 2 < m ? 2 * lane : 0
  const lane3 = first + 3 < m ? 3 * lane : 0
  const step: isize = around ? -1 : 1
  let g = weight(at) + <usize>first * lane + (around ? 8 : 0)
  let to = weights + ((<usize>first * ((k + 1) >> 1)) << 2)
  for (let c: u32 = 0; c < k; c += 2, to += 16, g += 2 * next) {
    const other = c + 1 < k ? next : 0
    const a0 = eight(g, lane1, lane2, lane3, other)
    const b0 = eight(g + step, lane1, lane2, lane3, other)
    const c0 = eight(g + 2 * step, lane1, lane2, lane3, other)
    const a1 = eight(g + 3 * step, lane1, lane2, lane3, other)
    const b1 = eight(g + 4 * step, lane1, lane2, lane3, other)
    const c1 = eight(g + 5 * step, lane1, lane2, lane3, other)
    const a2 = eight(g + 6 * step, lane1, lane2, lane3, other)
    const b2 = eight(g + 7 * step, lane1, lane2, lane3, other)
    const c2 = eight(g + 8 * step, lane1, lane2, lane3, other)
    const a = i16x8.add(a0, a2)
    const b = i16x8.add(b0, b2)
    const d = i16x8.add(c0, c2)
    storeWeights(to, between, i16x8.add(a0, a0), i16x8.add(b0, b0), i16x8.add(c0, c0))
    storeWeights(to + 4 * between, between, i16x8.add(a, a1), i16x8.add(b, b1), i16x8.add(d, c1))
    storeWeights(to + 8 * between, between, i16x8.sub(a, a1), i16x8.sub(b, b1), i16x8.sub(d, c1))
    storeWeights(to + 12 * between, between, i16x8.add(a2, a2), i16x8.add(b2, b2), i16x8.add(c2, c2))
  }
}

/** One number of four filters and two channels, as int16. */
// @ts-ignore: decorator
@inline
function eight(from: usize, lane1: usize, lane2: usize, lane3: usize, other: usize): v128 {
  let v = v128.load_lane<u8>(from, i32x4.splat(0), 0)
  v = v128.load_lane<u8>(from + other, v, 1)
  v = v128.load_lane<u8>(from + lane1, v, 2)
  v = v128.load_lane<u8>(from + lane1 + other, v, 3)
  v = v128.load_lane<u8>(from + lane2, v, 4)
  v = v128.load_lane<u8>(from + lane2 + other, v, 5)
  v = v128.load_lane<u8>(from + lane3, v, 6)
  v = v128.load_lane<u8>(from + lane3 + other, v, 7)
  return i16x8.extend_low_i8x16_s(v)
}

// @ts-ignore: decorator
@inline
function storeWeights(to: usize, between: usize, a: v128, b: v128, c: v128): void {
  const sum = i16x8.add(a, c)
  v128.store(to, i16x8.add(a, a))
  v128.store(to + between, i16x8.add(sum, b))
  v128.store(to + 2 * between, i16x8.sub(sum, b))
  v128.store(to + 3 * between, i16x8.add(c, c))
}

/** Tiles of a block in panels of eight, two channels of each side by side. */
function transformTiles(at: usize, first: u32, tiles: u32, table: usize, planes: usize, inputs: usize, between: usize, spare: usize): void {
  const k = channels(at)
  const pairs = (k + 1) >> 1
  const row = (<usize>(2 * tilesAcross(at) + 2)) << 1
  const panels = (tiles + 7) >> 3
  const second = planes + (planeBytes(at) >> 1)
  for (let pair: u32 = 0; pair < pairs; pair++) {
    const single = 2 * pair + 1 == k
    padImages(at, 2 * pair, first, tiles, planes)
    if (!single) padImages(at, 2 * pair + 1, first, tiles, second)
    else for (let i: usize = 256; i < 512; i += 16) v128.store(spare + i, i32x4.splat(0))
    for (let panel: u32 = 0; panel < panels; panel++) {
      const places = table + (<usize>panel << 7)
      transformEight(places, planes, row, spare, 16)
      if (!single) transformEight(places, second, row, spare + 256, 16)
      let to = inputs + <usize>panel * panelBytes(pairs) + (<usize>pair << 5)
      for (let i: usize = 0; i < 256; i += 16, to += between) {
        const a = v128.load(spare + i)
        const b = v128.load(spare + i, 256)
        v128.store(to, v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11))
        v128.store(to, v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), 16)
      }
    }
  }
}

function padImages(at: usize, c: u32, first: u32, tiles: u32, planes: usize): void {
  const plane = height(at) * width(at)
  padPlanes(at, first, tiles, image(at) + c * plane, channels(at) * plane, height(at), width(at), top(at), left(at), planes)
}

/** As `padPlanes` of winograd-tiles.ts, from int8 to int16. */
function padPlanes(at: usize, first: u32, tiles: u32, from: usize, next: usize, h: u32, w: u32, above: u32, before: u32, planes: usize): void {
  const across = tilesAcross(at)
  const each = tilesOfImage(at)
  const paddedWidth: u32 = 2 * across + 2
  const plane = (<usize>paddedWidth * (2 * (each / across) + 2)) << 1
  const last = first + tiles - 1
  from += <usize>(first / each) * next
  for (let n = first / each; n <= last / each; n++, planes += plane, from += next) {
    const end: u32 = n == last / each ? 2 * ((last % each) / across) + 4 : 2 * (each / across) + 2
    let row: u32 = n == first / each ? 2 * ((first % each) / across) : 0
    let to = planes + ((<usize>row * paddedWidth) << 1)
    for (; row < end; row++, to += <usize>paddedWidth << 1) {
      const y = row - above
      const inside = row >= above && y < h
      const head = inside ? before : paddedWidth
      for (let i: u32 = 0; i < head; i++) store<i16>(to + (<usize>i << 1), 0)
      if (!inside) continue
      widen(from + <usize>y * w, to + (<usize>before << 1), w)
      for (let i: u32 = before + w; i < paddedWidth; i++) store<i16>(to + (<usize>i << 1), 0)
    }
  }
}

// @ts-ignore: decorator
@inline
function widen(from: usize, to: usize, n: u32): void {
  let i: u32 = 0
  for (; i + 8 <= n; i += 8) v128.store(to + (<usize>i << 1), v128.load8x8_s(from + i))
  for (; i < n; i++) store<i16>(to + (<usize>i << 1), load<i8>(from + i))
}

/** Bᵀ d B of eight tiles of one plane, a lane each. */
function transformEight(places: usize, planes: usize, row: usize, to: usize, between: usize): void {
  const t0 = placeOf(places, planes)
  const t1 = placeOf(places + 16, planes)
  const t2 = placeOf(places + 32, planes)
  const t3 = placeOf(places + 48, planes)
  const t4 = placeOf(places + 64, planes)
  const t5 = placeOf(places + 80, planes)
  const t6 = placeOf(places + 96, planes)
  const t7 = placeOf(places + 112, planes)
  for (let i: usize = 0; i < 4; i++, to += 4 * between) {
    // Rows 0 - 2, 1 + 2, 2 - 1, 1 - 3.
    const a = i == 0 ? 0 : i == 2 ? 2 * row : row
    const b = i == 3 ? 3 * row : i == 2 ? row : 2 * row
    const p0 = rowsOf(t0, t1, a, b, i == 1)
    const p1 = rowsOf(t2, t3, a, b, i == 1)
    const p2 = rowsOf(t4, t5, a, b, i == 1)
    const p3 = rowsOf(t6, t7, a, b, i == 1)
    const e0 = v128.shuffle<i32>(p0, p1, 0, 2, 4, 6)
    const f0 = v128.shuffle<i32>(p0, p1, 1, 3, 5, 7)
    const e1 = v128.shuffle<i32>(p2, p3, 0, 2, 4, 6)
    const f1 = v128.shuffle<i32>(p2, p3, 1, 3, 5, 7)
    const d0 = v128.shuffle<i16>(e0, e1, 0, 2, 4, 6, 8, 10, 12, 14)
    const d1 = v128.shuffle<i16>(e0, e1, 1, 3, 5, 7, 9, 11, 13, 15)
    const d2 = v128.shuffle<i16>(f0, f1, 0, 2, 4, 6, 8, 10, 12, 14)
    const d3 = v128.shuffle<i16>(f0, f1, 1, 3, 5, 7, 9, 11, 13, 15)
    v128.store(to, i16x8.sub(d0, d2))
    v128.store(to + between, i16x8.add(d1, d2))
    v128.store(to + 2 * between, i16x8.sub(d2, d1))
    v128.store(to + 3 * between, i16x8.sub(d1, d3))
  }
}

/** The table's bytes are those of planes of binary32. */
// @ts-ignore: decorator
@inline
function placeOf(place: usize, planes: usize): usize {
  return planes + (<usize>load<u32>(place) >> 1)
}

/** Row a less, or and, row b of two tiles of four columns. */
// @ts-ignore: decorator
@inline
function rowsOf(first: usize, second: usize, a: usize, b: usize, plus: bool): v128 {
  const x = v128.load_lane<i64>(second + a, v128.load64_zero(first + a), 1)
  const y = v128.load_lane<i64>(second + b, v128.load64_zero(first + b), 1)
  return plus ? i16x8.add(x, y) : i16x8.sub(x, y)
}

/** dw i32 of x and dy i8, in groups of images whose sums are small enough. */
export function int8WinogradWeight(at: usize, thread: u32, threads: u32): void {
  const k = channels(at)
  const m = filters(at)
  const each = tilesOfImage(at)
  const count = images(at) * each
  const group = max<u32>(1, TERMS / (outHeight(at) * outWidth(at))) * each
  const ld = <usize>CHUNK << 1
  const inputsApart = ((<usize>k * ld) + 127) & ~63
  const slopesApart = ((<usize>m * ld) + 127) & ~63
  const sumsApart = apart(m * k)
  const inputs = scratchOf(at)
  const slopes = inputs + 16 * inputsApart
  const sums = slopes + 16 * slopesApart
  const table = sums + 16 * sumsApart + <usize>thread * ((<usize>CHUNK << 4) + planeBytes(at) + INT8_SCRATCH)
  const planes = table + (<usize>CHUNK << 4)
  const scratch = planes + planeBytes(at)
  const row = (<usize>(2 * tilesAcross(at) + 2)) << 1
  const plane = outHeight(at) * outWidth(at)
  for (let start: u32 = 0; start < count; start += group) {
    const stop = min(count, start + group)
    for (let first = start; first < stop; first += CHUNK) {
      const tiles = min(CHUNK, stop - first)
      placeTiles(at, first, tiles, table)
      let end = share(k, 1, thread + 1, threads)
      for (let c = share(k, 1, thread, threads); c < end; c++) {
        padImages(at, c, first, tiles, planes)
        for (let t: u32 = 0; t < tiles; t += 8) transformEight(table + (<usize>t << 4), planes, row, inputs + c * ld + (<usize>t << 1), inputsApart)
      }
      end = share(m, 1, thread + 1, threads)
      for (let f = share(m, 1, thread, threads); f < end; f++) {
        padPlanes(at, first, tiles, output(at) + f * plane, m * plane, outHeight(at), outWidth(at), 0, 0, planes)
        for (let t: u32 = 0; t < tiles; t += 8) transformSlopes(table + (<usize>t << 4), planes, row, slopes + f * ld + (<usize>t << 1), slopesApart)
      }
      barrier(thread, threads)
      end = share(16, 1, thread + 1, threads)
      for (let i = share(16, 1, thread, threads); i < end; i++) {
        int16Product(m, k, tiles, slopes + i * slopesApart, ld, inputs + i * inputsApart, ld, sums + i * sumsApart, <usize>k << 2, first > start, scratch)
      }
      barrier(thread, threads)
    }
    const end = share(m, 1, thread + 1, threads)
    for (let f = share(m, 1, thread, threads); f < end; f++) {
      const from = sums + ((<usize>f * k) << 2)
      const to = weight(at) + <usize>f * k * 36
      for (let c: u32 = 0; c < k; c++) addWindow(from + (<usize>c << 2), sumsApart, to + <usize>c * 36, start > 0)
    }
    // The next group's sums overwrite these.
    barrier(thread, threads)
  }
}

/** A d Aᵀ of eight tiles of 2 x 2 numbers, a lane each. */
function transformSlopes(places: usize, planes: usize, row: usize, to: usize, between: usize): void {
  const upper0 = fourTiles(places, planes)
  const upper1 = fourTiles(places + 64, planes)
  const lower0 = fourTiles(places, planes + row)
  const lower1 = fourTiles(places + 64, planes + row)
  const zero = i32x4.splat(0)
  storeSlopes(to, between, upper0, upper1)
  storeSlopes(to + 4 * between, between, i16x8.add(upper0, lower0), i16x8.add(upper1, lower1))
  storeSlopes(to + 8 * between, between, i16x8.sub(upper0, lower0), i16x8.sub(upper1, lower1))
  storeSlopes(to + 12 * between, between, i16x8.sub(zero, lower0), i16x8.sub(zero, lower1))
}

/** One row of four tiles, two numbers each. */
// @ts-ignore: decorator
@inline
function fourTiles(places: usize, planes: usize): v128 {
  let v = v128.load32_zero(placeOf(places, planes))
  v = v128.load_lane<i32>(placeOf(places + 16, planes), v, 1)
  v = v128.load_lane<i32>(placeOf(places + 32, planes), v, 2)
  return v128.load_lane<i32>(placeOf(places + 48, planes), v, 3)
}

// @ts-ignore: decorator
@inline
function storeSlopes(to: usize, between: usize, first: v128, second: v128): void {
  const a = v128.shuffle<i16>(first, second, 0, 2, 4, 6, 8, 10, 12, 14)
  const b = v128.shuffle<i16>(first, second, 1, 3, 5, 7, 9, 11, 13, 15)
  v128.store(to, a)
  v128.store(to + between, i16x8.add(a, b))
  v128.store(to + 2 * between, i16x8.sub(a, b))
  v128.store(to + 3 * between, i16x8.sub(i32x4.splat(0), b))
}

/** (2 G)ᵀ s 2 G / 4 of one filter and channel, stored or added. */
function addWindow(from: usize, between: usize, to: usize, add: bool): void {
  const r0 = fourSums(from, between)
  const r1 = fourSums(from + 4 * between, between)
  const r2 = fourSums(from + 8 * between, between)
  const r3 = fourSums(from + 12 * between, between)
  const middle = i32x4.add(r1, r2)
  addWindowRow(to, i32x4.add(i32x4.add(r0, r0), middle), add)
  addWindowRow(to + 12, i32x4.sub(r1, r2), add)
  addWindowRow(to + 24, i32x4.add(middle, i32x4.add(r3, r3)), add)
}

// @ts-ignore: decorator
@inline
function fourSums(from: usize, between: usize): v128 {
  let v = v128.load32_zero(from)
  v = v128.load_lane<i32>(from + between, v, 1)
  v = v128.load_lane<i32>(from + 2 * between, v, 2)
  return v128.load_lane<i32>(from + 3 * between, v, 3)
}

// @ts-ignore: decorator
@inline
function addWindowRow(to: usize, row: v128, add: bool): void {
  const b = i32x4.extract_lane(row, 1)
  const c = i32x4.extract_lane(row, 2)
  const w0 = (2 * i32x4.extract_lane(row, 0) + b + c) >> 2
  const w1 = (b - c) >> 2
  const w2 = (b + c + 2 * i32x4.extract_lane(row, 3)) >> 2
  store<i32>(to, add ? load<i32>(to) + w0 : w0)
  store<i32>(to, add ? load<i32>(to, 4) + w1 : w1, 4)
  store<i32>(to, add ? load<i32>(to, 8) + w2 : w2, 8)
}
