/**
 * number / (1 + e^-v) and its slope, at most 1.6 units in the last place, subnormal results included; docs/arithmetic/transcendentals.md.
 *
 * With v = k ln 2 + r, 1 + e^-v is 2^-k (2^k + e^-r): no part of it overflows where the quotient is subnormal.
 */
import { bitsFloat } from './memory.ts'

const fl = Math.fround
const log2e = bitsFloat(0x3fb8aa3b)
const ln2High = 0.693359375
const ln2Low = bitsFloat(0xb95e8083)
const magic = 12582912
const [e3, e4, e5, e6] = [0x3e2aaa6e, 0x3d2aaa8d, 0x3c0905b7, 0x3ab68885].map(bitsFloat) as [number, number, number, number]

/** v, high + low, is in [-110, 60]: beyond it the caller's answer is known. */
export function logistic(number: number, v: number, high: number, low: number): number {
  const k = turns(v)
  return scaled(fl(number / denominator(k, decay(k, high, low))), k)
}

/** The slope of x sigma(v) with b = x v': sigma (1 + b (1 - sigma)), where 1 - sigma = e^-r / (2^k + e^-r) does not cancel. */
export function logisticSlope(b: number, v: number, high: number, low: number): number {
  const k = turns(v)
  const s = decay(k, high, low)
  const q = fl(1 / denominator(k, s))
  const rest = fl(fl(1 + s) * q)
  return scaled(fl(q * fl(1 + fl(b * rest))), k)
}

function turns(v: number): number {
  return fl(fl(fl(v * log2e) + magic) - magic)
}

/** e^-r - 1; what rounding r loses is added to the small terms. */
function decay(k: number, high: number, low: number): number {
  const coarse = fl(high - fl(k * ln2High))
  const fine = fl(low - fl(k * ln2Low))
  const r = fl(coarse + fine)
  const lost = fl(fine - fl(r - coarse))
  let q = fl(fl(e6 * r) - e5)
  q = fl(fl(q * r) + e4)
  q = fl(fl(q * r) - e3)
  q = fl(fl(q * r) + 0.5)
  return fl(fl(fl(q * fl(r * r)) - lost) - r)
}

function denominator(k: number, s: number): number {
  const power = powerOfTwo(Math.max(k, -126))
  const sum = fl(1 + power)
  return fl(sum + fl(s + fl(power - fl(sum - 1))))
}

/** q 2^k, so that a subnormal result is rounded once. */
function scaled(q: number, k: number): number {
  return fl(fl(q * powerOfTwo(Math.min(k + 126, 0))) * powerOfTwo(Math.max(k, -126)))
}

function powerOfTwo(exponent: number): number {
  return bitsFloat((exponent + 127) << 23)
}
