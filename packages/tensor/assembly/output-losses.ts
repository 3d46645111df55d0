// Losses that are a sum or a mean over the outputs of a row; threads share rows.

import { sigmoid4 } from './activations'
import { exp4 } from './exponential'
import { firstLanes, foldLanes, loadPart, storePart } from './reductions'

export const BINARY_CROSS_ENTROPY: u32 = 0x502
export const MEAN_SQUARED_ERROR: u32 = 0x503
export const HUBER: u32 = 0x504

// Of log, as in exponential.ts.
const LN2_HIGH: f32 = 0.693359375
const LN2_LOW: f32 = reinterpret<f32>(0xb95e8083)
const LOG0: f32 = reinterpret<f32>(0x3f2aaaab)
const LOG1: f32 = reinterpret<f32>(0x3eccccf6)
const LOG2: f32 = reinterpret<f32>(0x3e922e14)
const LOG3: f32 = reinterpret<f32>(0x3e6eea6d)

/** loss[i] by row and, unless 0, the gradient of its sum; the gradient may lie where x or t does. */
export function outputLossRows(
  kind: u32,
  x: usize,
  t: usize,
  gradient: usize,
  loss: usize,
  first: u32,
  end: u32,
  outputs: u32,
  delta: f32,
): void {
  const n = <f32>outputs
  for (let i = first; i < end; i++) {
    const row = <usize>i * (<usize>outputs << 2)
    const sum = lossRow(kind, x + row, t + row, gradient != 0 ? gradient + row : 0, outputs, f32x4.splat(n), delta)
    store<f32>(loss + (<usize>i << 2), kind == BINARY_CROSS_ENTROPY ? sum : sum / n)
  }
}

function lossRow(kind: u32, x: usize, t: usize, g: usize, outputs: u32, n: v128, delta: f32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  const step: usize = g != 0 ? 16 : 0
  let left = outputs
  // The commonest in a loop of its own: no choice and no call for every four numbers.
  if (kind == MEAN_SQUARED_ERROR && g != 0) {
    for (; left >= 16; left -= 16, x += 64, t += 64, g += 64) {
      s0 = f32x4.add(s0, squared(x, t, g, n))
      s1 = f32x4.add(s1, squared(x + 16, t + 16, g + 16, n))
      s2 = f32x4.add(s2, squared(x + 32, t + 32, g + 32, n))
      s3 = f32x4.add(s3, squared(x + 48, t + 48, g + 48, n))
    }
  }
  for (; left >= 16; left -= 16, x += 64, t += 64, g += step << 2) {
    s0 = f32x4.add(s0, term(kind, v128.load(x), v128.load(t), g, 4, n, delta))
    s1 = f32x4.add(s1, term(kind, v128.load(x, 16), v128.load(t, 16), g + step, 4, n, delta))
    s2 = f32x4.add(s2, term(kind, v128.load(x, 32), v128.load(t, 32), g + step * 2, 4, n, delta))
    s3 = f32x4.add(s3, term(kind, v128.load(x, 48), v128.load(t, 48), g + step * 3, 4, n, delta))
  }
  if (left > 0) s0 = f32x4.add(s0, part(kind, x, t, g, left, n, delta))
  if (left > 4) s1 = f32x4.add(s1, part(kind, x + 16, t + 16, g + step, left - 4, n, delta))
  if (left > 8) s2 = f32x4.add(s2, part(kind, x + 32, t + 32, g + step * 2, left - 8, n, delta))
  if (left > 12) s3 = f32x4.add(s3, part(kind, x + 48, t + 48, g + step * 3, left - 12, n, delta))
  return foldLanes(s0, s1, s2, s3)
}

/** `term` of four squares with their gradients. */
// @ts-ignore: decorator
@inline
function squared(x: usize, t: usize, g: usize, n: v128): v128 {
  const d = f32x4.sub(v128.load(x), v128.load(t))
  v128.store(g, f32x4.div(f32x4.add(d, d), n))
  return f32x4.mul(d, d)
}

function part(kind: u32, x: usize, t: usize, g: usize, left: u32, n: v128, delta: f32): v128 {
  return v128.and(term(kind, loadPart(x, left), loadPart(t, left), g, left, n, delta), firstLanes(left))
}

/** What four outputs add to the loss; stores `left` of their gradients unless g is 0. */
function term(kind: u32, x: v128, t: v128, g: usize, left: u32, n: v128, delta: f32): v128 {
  if (kind == BINARY_CROSS_ENTROPY) {
    const e = exp4(f32x4.neg(f32x4.abs(x)))
    const whole = f32x4.add(f32x4.splat(1), e)
    const negative = f32x4.lt(x, f32x4.splat(0))
    if (g != 0) storePart(g, left, f32x4.sub(sigmoid4(x), t))
    return f32x4.add(f32x4.sub(v128.andnot(x, negative), f32x4.mul(x, t)), log4(whole))
  }
  const d = f32x4.sub(x, t)
  if (kind == MEAN_SQUARED_ERROR) {
    if (g != 0) storePart(g, left, f32x4.div(f32x4.add(d, d), n))
    return f32x4.mul(d, d)
  }
  const limit = f32x4.splat(delta)
  const size = f32x4.abs(d)
  if (g != 0) {
    const below = v128.bitselect(limit, d, f32x4.gt(d, limit))
    const inside = v128.bitselect(f32x4.neg(limit), below, f32x4.lt(d, f32x4.neg(limit)))
    storePart(g, left, f32x4.div(inside, n))
  }
  const square = f32x4.mul(f32x4.mul(f32x4.splat(0.5), d), d)
  const straight = f32x4.mul(limit, f32x4.sub(size, f32x4.splat(<f32>0.5 * delta)))
  return v128.bitselect(square, straight, f32x4.le(size, limit))
}

/** `log1` of four numbers from 1 to 2; NaN stays NaN. */
function log4(x: v128): v128 {
  const bits = i32x4.sub(x, i32x4.splat(0x3f3504f3))
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23))
  const m = i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3))
  const f = f32x4.sub(m, f32x4.splat(1))
  const s = f32x4.div(f, f32x4.add(f32x4.splat(2), f))
  const z = f32x4.mul(s, s)
  let r = f32x4.add(f32x4.splat(LOG2), f32x4.mul(z, f32x4.splat(LOG3)))
  r = f32x4.add(f32x4.splat(LOG1), f32x4.mul(z, r))
  r = f32x4.mul(z, f32x4.add(f32x4.splat(LOG0), f32x4.mul(z, r)))
  const h = f32x4.mul(f32x4.mul(f32x4.splat(0.5), f), f)
  const low = f32x4.add(f32x4.mul(s, f32x4.add(h, r)), f32x4.mul(e, f32x4.splat(LN2_LOW)))
  const y = f32x4.sub(f32x4.mul(e, f32x4.splat(LN2_HIGH)), f32x4.sub(f32x4.sub(h, low), f))
  return v128.bitselect(y, x, f32x4.eq(x, x))
}
