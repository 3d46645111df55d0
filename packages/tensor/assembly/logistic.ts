// The parts of number / (1 + e^-v) for v in [-110, 60], from + - * / and bits only (docs/arithmetic/transcendentals.md).
// With v = k ln 2 + r, 1 + e^-v is 2^-k (2^k + e^-r): no part of it overflows where the quotient is subnormal.

import { kept, ONE } from './constants'

const LOG2E: usize = memory.data<u32>([0x3fb8aa3b])
const LN2_HIGH: usize = memory.data<f32>([0.693359375]) // Ten bits, so a small integer times it is exact.
const LN2_LOW: usize = memory.data<u32>([0xb95e8083])
const MAGIC: usize = memory.data<f32>([12582912]) // 1.5 * 2^23: adding it rounds to an integer, ties to even, and leaves it in the low bits.
const E2: usize = memory.data<f32>([0.5])
const E3: usize = memory.data<u32>([0x3e2aaa6e])
const E4: usize = memory.data<u32>([0x3d2aaa8d])
const E5: usize = memory.data<u32>([0x3c0905b7])
const E6: usize = memory.data<u32>([0x3ab68885])
const MAGIC_LESS_127: usize = memory.data<u32>([0x4b400000 - 127])
const MAGIC_LESS_253: usize = memory.data<u32>([0x4b400000 - 253])
const ONE_WORD: usize = memory.data<u32>([1])
const EXPONENT_MAX: usize = memory.data<u32>([127])

/** number / (1 + e^-v), v = high + low. */
// @ts-ignore: decorator
@inline
export function logistic4(number: v128, v: v128, high: v128, low: v128): v128 {
  const t = turns4(v)
  const power = power4(t)
  return scaled4(f32x4.div(number, denominator4(power, decay4(t, high, low))), t, power)
}

/** The slope of x sigma(v) with x v' = b: sigma (1 + b (1 - sigma)), where 1 - sigma is e^-r / (2^k + e^-r), so it never cancels. */
// @ts-ignore: decorator
@inline
export function logisticSlope4(b: v128, v: v128, high: v128, low: v128): v128 {
  const t = turns4(v)
  const s = decay4(t, high, low)
  const power = power4(t)
  return scaled4(slopePart4(b, s, denominator4(power, s)), t, power)
}

/** The slope without its power of two. */
// @ts-ignore: decorator
@inline
export function slopePart4(b: v128, s: v128, denominator: v128): v128 {
  const q = f32x4.div(kept(ONE), denominator)
  const rest = f32x4.mul(f32x4.add(kept(ONE), s), q)
  return f32x4.mul(q, f32x4.add(kept(ONE), f32x4.mul(b, rest)))
}

/** MAGIC + k, where k = v / ln 2 rounded to an integer. */
// @ts-ignore: decorator
@inline
export function turns4(v: v128): v128 {
  return f32x4.add(f32x4.mul(v, kept(LOG2E)), kept(MAGIC))
}

/** e^-r - 1 for v = high + low; what rounding r loses is added to the small terms, so only the last step shows. */
// @ts-ignore: decorator
@inline
export function decay4(t: v128, high: v128, low: v128): v128 {
  const n = f32x4.sub(t, kept(MAGIC))
  const coarse = f32x4.sub(high, f32x4.mul(n, kept(LN2_HIGH)))
  const fine = f32x4.sub(low, f32x4.mul(n, kept(LN2_LOW)))
  const r = f32x4.add(coarse, fine)
  const lost = f32x4.sub(fine, f32x4.sub(r, coarse))
  let q = f32x4.sub(f32x4.mul(kept(E6), r), kept(E5))
  q = f32x4.add(f32x4.mul(q, r), kept(E4))
  q = f32x4.sub(f32x4.mul(q, r), kept(E3))
  q = f32x4.add(f32x4.mul(q, r), kept(E2))
  return f32x4.sub(f32x4.sub(f32x4.mul(q, f32x4.mul(r, r)), lost), r)
}

/** 2^k, not below 2^-126. */
// @ts-ignore: decorator
@inline
export function power4(t: v128): v128 {
  return i32x4.shl(i32x4.max_s(i32x4.sub(t, kept(MAGIC_LESS_127)), kept(ONE_WORD)), 23)
}

/** 2^k + e^-r, rounded once: where 2^k is below half a unit of 1, its whole enters the small sum. */
// @ts-ignore: decorator
@inline
export function denominator4(power: v128, s: v128): v128 {
  const one = kept(ONE)
  const sum = f32x4.add(one, power)
  return f32x4.add(sum, f32x4.add(s, f32x4.sub(power, f32x4.sub(sum, one))))
}

/** q 2^k: first what 2^-126 leaves of it, then the power, so a subnormal result is rounded once. */
// @ts-ignore: decorator
@inline
export function scaled4(q: v128, t: v128, power: v128): v128 {
  const rest = i32x4.shl(i32x4.min_s(i32x4.sub(t, kept(MAGIC_LESS_253)), kept(EXPONENT_MAX)), 23)
  return f32x4.mul(f32x4.mul(q, rest), power)
}
