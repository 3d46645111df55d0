// Reductions of large arrays on all threads: parts whose size the shape alone decides, stored, then put together in order.

import { allFinite } from './elementwise'
import { sumLanes } from './reductions'
import { barrier, share } from './threads'

/** Elements of one part of a sum over everything. */
const PART: u32 = 1 << 20
/** Rows of one part of column sums. */
const ROWS: u32 = 256

/** out[0] = sum of x[n]: parts of 2^20 by lanes, added ascending. scratch: a float each part. */
export function sumAll(x: usize, out: usize, n: u32, scratch: usize, thread: u32, threads: u32): void {
  const parts = (n + PART - 1) / PART
  const end = share(parts, 1, thread + 1, threads)
  for (let p = share(parts, 1, thread, threads); p < end; p++)
    store<f32>(scratch + (<usize>p << 2), sumLanes(x + (<usize>p << 22), min(PART, n - p * PART)))
  barrier(thread, threads)
  if (thread != 0) return
  let sum = load<f32>(scratch)
  for (let p: u32 = 1; p < parts; p++) sum += load<f32>(scratch + (<usize>p << 2))
  store<f32>(out, sum)
}

/** out[rows] = sums by lanes. */
export function rowSums(x: usize, out: usize, rows: u32, columns: u32, thread: u32, threads: u32): void {
  const end = share(rows, 1, thread + 1, threads)
  for (let i = share(rows, 1, thread, threads); i < end; i++)
    store<f32>(out + (<usize>i << 2), sumLanes(x + <usize>i * (<usize>columns << 2), columns))
}

/** out[columns] as `columnSums`. scratch: a row for each part after the first. */
export function columnSumsShared(x: usize, out: usize, rows: u32, columns: u32, scratch: usize, thread: u32, threads: u32): void {
  const ld = <usize>columns << 2
  const parts = (rows + ROWS - 1) / ROWS
  const blocks = (columns + 31) >> 5
  const end = share(parts * blocks, 1, thread + 1, threads)
  for (let unit = share(parts * blocks, 1, thread, threads); unit < end; unit++) {
    const p = unit / blocks
    const left = (unit % blocks) << 5
    const to = p == 0 ? out : scratch + <usize>(p - 1) * ld
    blockSums(x + <usize>p * ROWS * ld, to, min(ROWS, rows - p * ROWS), ld, left, min(columns, left + 32))
  }
  if (parts == 1) return
  barrier(thread, threads)
  const last = share(columns, 4, thread + 1, threads)
  for (let j = share(columns, 4, thread, threads); j < last; j++) {
    let sum = load<f32>(out + (<usize>j << 2))
    for (let p: u32 = 1; p < parts; p++) sum += load<f32>(scratch + <usize>(p - 1) * ld + (<usize>j << 2))
    store<f32>(out + (<usize>j << 2), sum)
  }
}

/** out[j] = sum over `rows` rows, ascending from +0, for the columns [j, end), at most 32. */
export function blockSums(x: usize, out: usize, rows: u32, ld: usize, j: u32, end: u32): void {
  if (j + 32 <= end) {
    let s0 = f32x4.splat(0)
    let s1 = f32x4.splat(0)
    let s2 = f32x4.splat(0)
    let s3 = f32x4.splat(0)
    let s4 = f32x4.splat(0)
    let s5 = f32x4.splat(0)
    let s6 = f32x4.splat(0)
    let s7 = f32x4.splat(0)
    let at = x + (<usize>j << 2)
    for (let r: u32 = 0; r < rows; r++, at += ld) {
      s0 = f32x4.add(s0, v128.load(at))
      s1 = f32x4.add(s1, v128.load(at, 16))
      s2 = f32x4.add(s2, v128.load(at, 32))
      s3 = f32x4.add(s3, v128.load(at, 48))
      s4 = f32x4.add(s4, v128.load(at, 64))
      s5 = f32x4.add(s5, v128.load(at, 80))
      s6 = f32x4.add(s6, v128.load(at, 96))
      s7 = f32x4.add(s7, v128.load(at, 112))
    }
    const to = out + (<usize>j << 2)
    v128.store(to, s0)
    v128.store(to, s1, 16)
    v128.store(to, s2, 32)
    v128.store(to, s3, 48)
    v128.store(to, s4, 64)
    v128.store(to, s5, 80)
    v128.store(to, s6, 96)
    v128.store(to, s7, 112)
    return
  }
  for (; j + 4 <= end; j += 4) {
    let sum = f32x4.splat(0)
    let at = x + (<usize>j << 2)
    for (let r: u32 = 0; r < rows; r++, at += ld) sum = f32x4.add(sum, v128.load(at))
    v128.store(out + (<usize>j << 2), sum)
  }
  for (; j < end; j++) {
    let sum: f32 = 0
    let at = x + (<usize>j << 2)
    for (let r: u32 = 0; r < rows; r++, at += ld) sum += load<f32>(at)
    store<f32>(out + (<usize>j << 2), sum)
  }
}

/** y[i, j] = d[i * rowStep + j * columnStep], steps in elements, columnStep 0 or 1: the backward pass of sums. */
export function spread(d: usize, y: usize, columns: u32, rowStep: u32, columnStep: u32, first: u32, end: u32): void {
  const ld = <usize>columns << 2
  for (let i = first; i < end; i++) {
    const from = d + (<usize>(i * rowStep) << 2)
    const to = y + <usize>i * ld
    if (columnStep != 0) {
      memory.copy(to, from, ld)
      continue
    }
    const value = load<f32>(from)
    const four = f32x4.splat(value)
    let j: usize = 0
    for (; j + 16 <= ld; j += 16) v128.store(to + j, four)
    for (; j < ld; j += 4) store<f32>(to + j, value)
  }
}

/**
 * out[0] = rows whose label is among their k largest logits, ties going to the lower index; scratch: a word each thread.
 * With `search`, k is 1 and the rule is the ascending search's: a NaN at index 0 is never exceeded.
 */
export function countTop(
  logits: usize,
  labels: usize,
  out: usize,
  rows: u32,
  classes: u32,
  k: u32,
  search: bool,
  scratch: usize,
  thread: u32,
  threads: u32,
): void {
  let count: u32 = 0
  const end = share(rows, 1, thread + 1, threads)
  for (let i = share(rows, 1, thread, threads); i < end; i++) {
    const label = load<u32>(labels + (<usize>i << 2))
    if (label >= classes) continue
    const x = logits + <usize>i * (<usize>classes << 2)
    const head = load<f32>(x)
    if (search && head != head) {
      if (label == 0) count++
      continue
    }
    const value = load<f32>(x + (<usize>label << 2))
    if (value == value && rank(x, label, classes, value) < k) count++
  }
  store<u32>(scratch + (<usize>thread << 2), count)
  barrier(thread, threads)
  if (thread != 0) return
  for (let t: u32 = 1; t < threads; t++) count += load<u32>(scratch + (<usize>t << 2))
  store<u32>(out, count)
}

/** How many values are larger than the label's, or equal and before it. */
function rank(x: usize, label: u32, classes: u32, value: f32): u32 {
  const v = f32x4.splat(value)
  let found = i32x4.splat(0)
  let j: u32 = 0
  for (; j + 4 <= label; j += 4) found = i32x4.sub(found, f32x4.ge(v128.load(x + (<usize>j << 2)), v))
  let count: u32 = 0
  for (; j < label; j++) if (load<f32>(x + (<usize>j << 2)) >= value) count++
  for (; j + 4 <= classes; j += 4) found = i32x4.sub(found, f32x4.gt(v128.load(x + (<usize>j << 2)), v))
  for (; j < classes; j++) if (load<f32>(x + (<usize>j << 2)) > value) count++
  return count + i32x4.extract_lane(found, 0) + i32x4.extract_lane(found, 1) + i32x4.extract_lane(found, 2) + i32x4.extract_lane(found, 3)
}

/** out[0] = 1 if no value of x[n] is NaN or infinite, else 0. scratch: a word each thread. */
export function finite(x: usize, out: usize, n: u32, scratch: usize, thread: u32, threads: u32): void {
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  let fine = allFinite(x + (<usize>first << 2), end - first)
  store<u32>(scratch + (<usize>thread << 2), fine)
  barrier(thread, threads)
  if (thread != 0) return
  for (let t: u32 = 1; t < threads; t++) fine &= load<u32>(scratch + (<usize>t << 2))
  store<u32>(out, fine)
}
