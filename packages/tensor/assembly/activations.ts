// Activations of four values from + - * / and bits only (docs/arithmetic/transcendentals.md).

import { kept, ONE } from './constants'
import { exp4 } from './exponential'
import { decay4, denominator4, logistic4, logisticSlope4, power4, scaled4, slopePart4, turns4 } from './logistic'

// tanh(x) = x + x z P(z), z = x x, below 0.625: the Chebyshev interpolant of (tanh(x) / x - 1) / z.
const T0: usize = memory.data<u32>([0xbeaaaaab])
const T1: usize = memory.data<u32>([0x3e088875])
const T2: usize = memory.data<u32>([0xbd5d0462])
const T3: usize = memory.data<u32>([0x3cb254b9])
const T4: usize = memory.data<u32>([0xbc08b4ff])
const T5: usize = memory.data<u32>([0x3b1641aa])
// gelu in its tanh form is x sigmoid(x (G0 + G1 x x)); each constant's first twelve bits and the rest; G2 = 3 G1.
const G0: usize = memory.data<u32>([0x3fcc422a])
const G0_HIGH: usize = memory.data<u32>([0x3fcc4000])
const G0_LOW: usize = memory.data<u32>([0x388a67a8])
const G1: usize = memory.data<u32>([0x3d922279])
const G1_HIGH: usize = memory.data<u32>([0x3d922000])
const G1_LOW: usize = memory.data<u32>([0x369e549b])
const G2: usize = memory.data<u32>([0x3e5b33b6])
// Below -110, and gelu below -11, the result is -0; above 60, and 6, the sigmoid is 1.
const LEAST: usize = memory.data<f32>([-110])
const MOST: usize = memory.data<f32>([60])
const GELU_LEAST: usize = memory.data<f32>([-11])
const GELU_MOST: usize = memory.data<f32>([6])

const TWO: usize = memory.data<f32>([2])
const SMALL: usize = memory.data<f32>([0.625])
const SIGN: usize = memory.data<u32>([0x80000000])
const TWELVE_BITS: usize = memory.data<u32>([0xfffff000])

// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const one = kept(ONE)
  const z = f32x4.mul(x, x)
  let p = f32x4.add(f32x4.mul(kept(T5), z), kept(T4))
  p = f32x4.add(f32x4.mul(p, z), kept(T3))
  p = f32x4.add(f32x4.mul(p, z), kept(T2))
  p = f32x4.add(f32x4.mul(p, z), kept(T1))
  p = f32x4.add(f32x4.mul(p, z), kept(T0))
  const small = f32x4.add(x, f32x4.mul(x, f32x4.mul(z, p)))
  const size = f32x4.abs(x)
  const e = exp4(f32x4.add(size, size))
  const big = f32x4.sub(one, f32x4.div(kept(TWO), f32x4.add(e, one)))
  const signed = v128.or(big, v128.and(x, kept(SIGN)))
  return v128.bitselect(small, signed, f32x4.lt(size, kept(SMALL)))
}

// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const v = f32x4.pmin(f32x4.pmax(x, kept(LEAST)), kept(MOST))
  return logistic4(kept(ONE), v, v, f32x4.splat(0))
}

/** The slope, or the value: x / (1 + e^-x) has one rounding less than x sigmoid(x). */
// @ts-ignore: decorator
@inline
function silu4(x: v128, slope: bool): v128 {
  const above = f32x4.pmax(x, kept(LEAST))
  const v = f32x4.pmin(above, kept(MOST))
  return slope ? logisticSlope4(v, v, v, f32x4.splat(0)) : logistic4(above, v, v, f32x4.splat(0))
}

/** The first twelve bits of a significand; a product of two such numbers is exact. */
// @ts-ignore: decorator
@inline
function twelveBits4(x: v128): v128 {
  return v128.and(x, kept(TWELVE_BITS))
}

/** Of gelu: v = x w, w = G0 + G1 x x. */
// @ts-ignore: decorator
@inline
function geluFactor4(z: v128): v128 {
  return f32x4.add(kept(G0), f32x4.mul(kept(G1), z))
}

/** v in two words, high exact: near -10 it is -90, and an exponential has 90 times the relative error of its argument. */
// @ts-ignore: decorator
@inline
function geluHigh4(x: v128, w: v128): v128 {
  return f32x4.mul(twelveBits4(x), twelveBits4(w))
}

// @ts-ignore: decorator
@inline
function geluLow4(x: v128, z: v128, w: v128): v128 {
  const x1 = twelveBits4(x)
  const x2 = f32x4.sub(x, x1)
  const z1 = twelveBits4(z)
  const z2 = f32x4.add(f32x4.sub(f32x4.mul(x1, x1), z1), f32x4.mul(x2, f32x4.add(x, x1)))
  const w1 = twelveBits4(w)
  const small = f32x4.add(f32x4.add(f32x4.mul(kept(G1_HIGH), z2), f32x4.mul(kept(G1_LOW), z)), kept(G0_LOW))
  const w2 = f32x4.add(f32x4.sub(f32x4.mul(kept(G1_HIGH), z1), f32x4.sub(w1, kept(G0_HIGH))), small)
  return f32x4.add(f32x4.mul(x1, w2), f32x4.mul(x2, w))
}

/** x v' */
// @ts-ignore: decorator
@inline
function geluSlope4(x: v128, z: v128): v128 {
  return f32x4.mul(x, f32x4.add(kept(G0), f32x4.mul(kept(G2), z)))
}

/** The slope, or the value. */
// @ts-ignore: decorator
@inline
function gelu4(number: v128, slope: bool): v128 {
  const above = f32x4.pmax(number, kept(GELU_LEAST))
  const x = f32x4.pmin(above, kept(GELU_MOST))
  const z = f32x4.mul(x, x)
  const w = geluFactor4(z)
  const high = geluHigh4(x, w)
  const low = geluLow4(x, z, w)
  const v = f32x4.add(high, low)
  return slope ? logisticSlope4(geluSlope4(x, z), v, high, low) : logistic4(above, v, high, low)
}

/** kind: 0 tanh, 1 sigmoid, 2 silu, 3 gelu. */
// @ts-ignore: decorator
@inline
function activate4(kind: u32, x: v128): v128 {
  if (kind == 0) return tanh4(x)
  if (kind == 1) return sigmoid4(x)
  return kind == 2 ? silu4(x, false) : gelu4(x, false)
}

/** Gradient of one activation: v is the output of tanh and sigmoid, the input of silu and gelu. */
// @ts-ignore: decorator
@inline
function slope4(kind: u32, v: v128): v128 {
  const one = kept(ONE)
  if (kind == 0) return f32x4.sub(one, f32x4.mul(v, v))
  if (kind == 1) return f32x4.mul(v, f32x4.sub(one, v))
  return kind == 2 ? silu4(v, true) : gelu4(v, true)
}

/** Bytes [i, end) of y = activation(x). */
export function activate(kind: u32, x: usize, y: usize, i: usize, end: usize): void {
  for (; i + 16 <= end; i += 16) v128.store(y + i, activate4(kind, v128.load(x + i)))
  for (; i < end; i += 4) store<f32>(y + i, f32x4.extract_lane(activate4(kind, v128.load32_splat(x + i)), 0))
}

/** Bytes [i, end) of dx = fl(d slope). */
export function activateBackward(kind: u32, d: usize, v: usize, dx: usize, i: usize, end: usize): void {
  for (; i + 16 <= end; i += 16) v128.store(dx + i, f32x4.mul(v128.load(d + i), slope4(kind, v128.load(v + i))))
  for (; i < end; i += 4) {
    const slope = f32x4.extract_lane(slope4(kind, v128.load32_splat(v + i)), 0)
    store<f32>(dx + i, load<f32>(d + i) * slope)
  }
}

/** Numbers that go through each part of `activateWithSlope` before the next, and bytes of scratch for them. */
const TOGETHER: usize = 256
export const SLOPE_SCRATCH: usize = 16 * TOGETHER

/**
 * Bytes [i, end) of value and slope of silu (kind 2) or gelu, from one exponential; either may lie where x does.
 *
 * One number's operations wait for each other, some hundred in a row, and a processor sees few numbers ahead: so many numbers go through one part of them, then
 * through the next, with what is between in `scratch`, four words a number.
 */
export function activateWithSlope(kind: u32, x: usize, y: usize, slope: usize, i: usize, end: usize, scratch: usize): void {
  const whole = i + ((end - i) & ~15)
  while (i < whole) {
    const stop = min(whole, i + 4 * TOGETHER)
    if (kind == 2) for (let at = i, part = scratch; at < stop; at += 16, part += 64) siluArgument(v128.load(x + at), part)
    else for (let at = i, part = scratch; at < stop; at += 16, part += 64) geluArgument(v128.load(x + at), part)
    for (let at = i, part = scratch; at < stop; at += 16, part += 64) decayPart(part)
    for (let part = scratch; i < stop; i += 16, part += 64) {
      const t = v128.load(part, 16)
      const s = v128.load(part, 32)
      const power = power4(t)
      const denominator = denominator4(power, s)
      v128.store(y + i, scaled4(f32x4.div(v128.load(part), denominator), t, power))
      v128.store(slope + i, scaled4(slopePart4(v128.load(part, 48), s, denominator), t, power))
    }
  }
  for (; i < end; i += 4) {
    const v = v128.load32_splat(x + i)
    store<f32>(y + i, f32x4.extract_lane(kind == 2 ? silu4(v, false) : gelu4(v, false), 0))
    store<f32>(slope + i, f32x4.extract_lane(kind == 2 ? silu4(v, true) : gelu4(v, true), 0))
  }
}

/** The number above its fraction, high and low of v, and x v', as `logistic4` and `logisticSlope4` take them. */
// @ts-ignore: decorator
@inline
function siluArgument(x: v128, part: usize): void {
  const above = f32x4.pmax(x, kept(LEAST))
  const v = f32x4.pmin(above, kept(MOST))
  storeFour(part, above, v, f32x4.splat(0), v)
}

// @ts-ignore: decorator
@inline
function geluArgument(number: v128, part: usize): void {
  const above = f32x4.pmax(number, kept(GELU_LEAST))
  const x = f32x4.pmin(above, kept(GELU_MOST))
  const z = f32x4.mul(x, x)
  const w = geluFactor4(z)
  storeFour(part, above, geluHigh4(x, w), geluLow4(x, z, w), geluSlope4(x, z))
}

/** In place of high and low: the turns of v and e^-r - 1. */
// @ts-ignore: decorator
@inline
function decayPart(part: usize): void {
  const high = v128.load(part, 16)
  const low = v128.load(part, 32)
  const t = turns4(f32x4.add(high, low))
  v128.store(part, t, 16)
  v128.store(part, decay4(t, high, low), 32)
}

// @ts-ignore: decorator
@inline
function storeFour(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, a)
  v128.store(to, b, 16)
  v128.store(to, c, 32)
  v128.store(to, d, 48)
}
