// Softmax of rows and what is made of it; no row needs another, so threads share rows.

import { exp4, log1 } from './exponential'
import { firstLanes, foldLanes, loadPart, storePart } from './reductions'

/**
 * loss[i] = log(S) - (x[label] - m), gradient[i] = e / S - onehot(label) unless `gradient` is 0; it may lie where the logits do.
 *
 * A label outside of the classes makes its row NaN, loss and gradient.
 */
export function softmaxCrossEntropyRows(logits: usize, labels: usize, gradient: usize, loss: usize, first: u32, end: u32, classes: u32): void {
  const ld = <usize>classes << 2
  for (let i = first; i < end; i++) {
    const x = logits + <usize>i * ld
    const g = gradient != 0 ? gradient + <usize>i * ld : 0
    const to = loss + (<usize>i << 2)
    const label = load<u32>(labels + (<usize>i << 2))
    if (label >= classes) {
      store<f32>(to, reinterpret<f32>(0x7fc00000))
      if (g != 0) for (let j: usize = 0; j < ld; j += 4) store<u32>(g + j, 0x7fc00000)
      continue
    }
    const top = maxRow(x, classes)
    const distance = load<f32>(x + (<usize>label << 2)) - top
    const sum = expRow(x, g, classes, top)
    store<f32>(to, log1(sum) - distance)
    if (g == 0) continue
    divideRow(g, classes, sum)
    const hot = g + (<usize>label << 2)
    store<f32>(hot, load<f32>(hot) - 1)
  }
}

/** y = e / S by row; y may lie where x does. */
export function softmaxRows(x: usize, y: usize, first: u32, end: u32, classes: u32): void {
  const ld = <usize>classes << 2
  for (let i = first; i < end; i++) {
    const to = y + <usize>i * ld
    const from = x + <usize>i * ld
    divideRow(to, classes, expRow(from, to, classes, maxRow(from, classes)))
  }
}

/** dx = y (d - s), s = sum of d y by lanes; dx may lie where y or d does. */
export function softmaxBackwardRows(y: usize, d: usize, dx: usize, first: u32, end: u32, classes: u32): void {
  const ld = <usize>classes << 2
  for (let i = first; i < end; i++) {
    const row = <usize>i * ld
    const sum = dotLanes(y + row, d + row, classes)
    const s = f32x4.splat(sum)
    let j: usize = row
    const end4 = row + (ld & ~15)
    for (; j < end4; j += 16) v128.store(dx + j, f32x4.mul(v128.load(y + j), f32x4.sub(v128.load(d + j), s)))
    for (; j < row + ld; j += 4) store<f32>(dx + j, load<f32>(y + j) * (load<f32>(d + j) - sum))
  }
}

/** The sum of a[j] b[j] by lanes. */
export function dotLanes(a: usize, b: usize, n: u32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let left = n
  for (; left >= 16; left -= 16, a += 64, b += 64) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)))
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(b, 16)))
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(b, 32)))
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(b, 48)))
  }
  if (left > 0) s0 = f32x4.add(s0, f32x4.mul(loadPart(a, left), loadPart(b, left)))
  if (left > 4) s1 = f32x4.add(s1, f32x4.mul(loadPart(a + 16, left - 4), loadPart(b + 16, left - 4)))
  if (left > 8) s2 = f32x4.add(s2, f32x4.mul(loadPart(a + 32, left - 8), loadPart(b + 32, left - 8)))
  if (left > 12) s3 = f32x4.add(s3, f32x4.mul(loadPart(a + 48, left - 12), loadPart(b + 48, left - 12)))
  return foldLanes(s0, s1, s2, s3)
}

/**
 * The largest value as an ascending search for v > m from the first finds it: NaN if the first is, other NaNs are passed over.
 *
 * Lanes may find the other zero than that search, which no result feels: x - m differs in the sign of zero only, exp does not see it,
 * and log S is never -0.
 */
function maxRow(x: usize, n: u32): f32 {
  const head = load<f32>(x)
  let m = f32x4.splat(head)
  let left = n
  if (left >= 16) {
    let m1 = m
    for (; left >= 8; left -= 8, x += 32) {
      const a = v128.load(x)
      const b = v128.load(x, 16)
      m = v128.bitselect(a, m, f32x4.gt(a, m))
      m1 = v128.bitselect(b, m1, f32x4.gt(b, m1))
    }
    m = v128.bitselect(m1, m, f32x4.gt(m1, m))
  }
  for (; left >= 4; left -= 4, x += 16) {
    const a = v128.load(x)
    m = v128.bitselect(a, m, f32x4.gt(a, m))
  }
  let top = larger(
    larger(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
    larger(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
  )
  for (; left > 0; left--, x += 4) top = larger(top, load<f32>(x))
  return top
}

// @ts-ignore: decorator
@inline
function larger(m: f32, v: f32): f32 {
  return v > m ? v : m
}

/** y[j] = exp(x[j] - top) unless y is 0; answers their sum by lanes. y may be x. */
function expRow(x: usize, y: usize, n: u32, top: f32): f32 {
  const t = f32x4.splat(top)
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let left = n
  for (; left >= 16; left -= 16, x += 64) {
    const e0 = exp4(f32x4.sub(v128.load(x), t))
    const e1 = exp4(f32x4.sub(v128.load(x, 16), t))
    const e2 = exp4(f32x4.sub(v128.load(x, 32), t))
    const e3 = exp4(f32x4.sub(v128.load(x, 48), t))
    s0 = f32x4.add(s0, e0)
    s1 = f32x4.add(s1, e1)
    s2 = f32x4.add(s2, e2)
    s3 = f32x4.add(s3, e3)
    if (y != 0) {
      v128.store(y, e0)
      v128.store(y, e1, 16)
      v128.store(y, e2, 32)
      v128.store(y, e3, 48)
      y += 64
    }
  }
  if (left > 0) s0 = f32x4.add(s0, expPart(x, y, left, t))
  if (left > 4) s1 = f32x4.add(s1, expPart(x + 16, y != 0 ? y + 16 : 0, left - 4, t))
  if (left > 8) s2 = f32x4.add(s2, expPart(x + 32, y != 0 ? y + 32 : 0, left - 8, t))
  if (left > 12) s3 = f32x4.add(s3, expPart(x + 48, y != 0 ? y + 48 : 0, left - 12, t))
  return foldLanes(s0, s1, s2, s3)
}

/** Up to four exponentials; +0 past them, which a sum from +0 does not feel. */
function expPart(x: usize, y: usize, left: u32, top: v128): v128 {
  const e = v128.and(exp4(f32x4.sub(loadPart(x, left), top)), firstLanes(left))
  if (y != 0) storePart(y, left, e)
  return e
}

function divideRow(y: usize, n: u32, by: f32): void {
  const end = y + (<usize>n << 2)
  const end4 = y + (<usize>(n & ~3) << 2)
  const divisor = f32x4.splat(by)
  for (; y < end4; y += 16) v128.store(y, f32x4.div(v128.load(y), divisor))
  for (; y < end; y += 4) store<f32>(y, load<f32>(y) / by)
}
