// exp and log from + - * / and bits only (README, "exp and log"); at most 1.03 (exp) and 0.83 (log) units in the last place from the true value.

import { kept, ONE } from './constants'

const LEAST: usize = memory.data<f32>([-104])
const MOST: usize = memory.data<f32>([89])
const LOG2E: usize = memory.data<u32>([0x3fb8aa3b])
const LN2_HIGH: f32 = 0.693359375 // Ten bits, so a small integer times it is exact.
const LN2_LOW: f32 = reinterpret<f32>(0xb95e8083)
const LN2_HIGHS: usize = memory.data<f32>([0.693359375])
const LN2_LOWS: usize = memory.data<u32>([0xb95e8083])
const MAGIC: usize = memory.data<f32>([12582912]) // 1.5 * 2^23: adding it rounds to an integer, ties to even, and leaves it in the low bits.
const E2: usize = memory.data<f32>([0.5])
const E3: usize = memory.data<u32>([0x3e2aaa6e])
const E4: usize = memory.data<u32>([0x3d2aaa8d])
const E5: usize = memory.data<u32>([0x3c0905b7])
const E6: usize = memory.data<u32>([0x3ab68885])
const EXPONENT_MAX: usize = memory.data<u32>([127])

/** Four exponentials; NaN stays NaN, below -104 the result is +0, above 88.72 it is infinity. */
// @ts-ignore: decorator
@inline
export function exp4(value: v128): v128 {
  // pmax and pmin keep their first operand where a comparison is false: NaN stays.
  const x = f32x4.pmin(f32x4.pmax(value, kept(LEAST)), kept(MOST))
  const t = f32x4.add(f32x4.mul(x, kept(LOG2E)), kept(MAGIC))
  const n = f32x4.sub(t, kept(MAGIC))
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, kept(LN2_HIGHS))), f32x4.mul(n, kept(LN2_LOWS)))
  let q = f32x4.add(f32x4.mul(kept(E6), r), kept(E5))
  q = f32x4.add(f32x4.mul(q, r), kept(E4))
  q = f32x4.add(f32x4.mul(q, r), kept(E3))
  q = f32x4.add(f32x4.mul(q, r), kept(E2))
  const y = f32x4.add(f32x4.add(f32x4.mul(q, f32x4.mul(r, r)), r), kept(ONE))
  // Two factors, because 2^n alone leaves the exponent range where the result is subnormal or close to infinity.
  const i = i32x4.sub(t, kept(MAGIC))
  const half = i32x4.shr_s(i, 1)
  const one = kept(EXPONENT_MAX)
  const s0 = i32x4.shl(i32x4.add(half, one), 23)
  const s1 = i32x4.shl(i32x4.add(i32x4.sub(i, half), one), 23)
  return f32x4.mul(f32x4.mul(y, s0), s1)
}

const L0: f32 = reinterpret<f32>(0x3f2aaaab)
const L1: f32 = reinterpret<f32>(0x3eccccf6)
const L2: f32 = reinterpret<f32>(0x3e922e14)
const L3: f32 = reinterpret<f32>(0x3e6eea6d)

/** Natural logarithm of one value: -infinity at 0, NaN below. */
export function log1(value: f32): f32 {
  if (!(value > 0)) return value == 0 ? -(<f32>Infinity) : <f32>NaN
  if (value > f32.MAX_VALUE) return value
  let bits = reinterpret<i32>(value)
  let e: i32 = 0
  if (bits < 0x00800000) {
    bits = reinterpret<i32>(value * 16777216) // 2^24: exact, and normal.
    e = -24
  }
  // 0x3f3504f3 is sqrt(1/2): the mantissa lands in [sqrt(1/2), sqrt(2)), so 1 itself has e = 0 and log 1 = +0.
  bits -= 0x3f3504f3
  e += bits >> 23
  const m = reinterpret<f32>((bits & 0x007fffff) + 0x3f3504f3)
  const f = m - 1
  const s = f / (2 + f)
  const z = s * s
  const r = z * (L0 + z * (L1 + z * (L2 + z * L3)))
  const h = <f32>0.5 * f * f
  const n = <f32>e
  return n * LN2_HIGH - (h - (s * (h + r) + n * LN2_LOW) - f)
}

/** y[i] = exp(x[i]); the arrays have a multiple of four floats. */
export function expArray(x: usize, y: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i += 4) v128.store(y + (<usize>i << 2), exp4(v128.load(x + (<usize>i << 2))))
}

/** y[i] = log(x[i]). */
export function logArray(x: usize, y: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store<f32>(y + (<usize>i << 2), log1(load<f32>(x + (<usize>i << 2))))
}
