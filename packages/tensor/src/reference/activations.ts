/** Activations from + - * / only; coefficients and error bounds: docs/arithmetic/transcendentals.md. */
import { exp } from './exponential.ts'
import { logistic, logisticSlope } from './logistic.ts'
import { bitsFloat, floatBits } from './memory.ts'

const fl = Math.fround
const tanhCoefficients = [0x3b1641aa, 0xbc08b4ff, 0x3cb254b9, 0xbd5d0462, 0x3e088875, 0xbeaaaaab].map(bitsFloat)
const [g0, g1, g2] = [0x3fcc422a, 0x3d922279, 0x3e5b33b6].map(bitsFloat) as [number, number, number]
/** The first twelve bits of g0 and g1, and the rest. */
const [g0High, g0Low, g1High, g1Low] = [0x3fcc4000, 0x388a67a8, 0x3d922000, 0x369e549b].map(bitsFloat) as [number, number, number, number]

export function tanh(x: number): number {
  const size = Math.abs(x)
  if (size < 0.625) {
    const z = fl(x * x)
    const p = tanhCoefficients.reduce((sum, c) => fl(fl(sum * z) + c))
    return fl(x + fl(x * fl(z * p)))
  }
  const big = fl(1 - fl(2 / fl(exp(fl(size + size)) + 1)))
  return x < 0 ? -big : big
}

export function sigmoid(x: number): number {
  const v = Math.min(Math.max(x, -110), 60)
  return logistic(1, v, v, 0)
}

export function silu(x: number): number {
  const v = Math.min(Math.max(x, -110), 60)
  return logistic(Math.max(x, -110), v, v, 0)
}

/** The tanh form: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x sigmoid of twice that argument. */
export function gelu(x: number): number {
  const { v, high, low } = geluArgument(Math.min(Math.max(x, -11), 6))
  return logistic(Math.max(x, -11), v, high, low)
}

/** v = x (g0 + g1 x x) as high + low: high is exact, low is what it lacks, both from products of twelve bits by twelve. */
function geluArgument(x: number): { readonly v: number; readonly high: number; readonly low: number } {
  const x1 = twelveBits(x)
  const x2 = fl(x - x1)
  const z = fl(x * x)
  const z1 = twelveBits(z)
  const z2 = fl(fl(fl(x1 * x1) - z1) + fl(x2 * fl(x + x1)))
  const w = fl(g0 + fl(g1 * z))
  const w1 = twelveBits(w)
  const w2 = fl(fl(fl(g1High * z1) - fl(w1 - g0High)) + fl(fl(fl(g1High * z2) + fl(g1Low * z)) + g0Low))
  const high = fl(x1 * w1)
  const low = fl(fl(x1 * w2) + fl(x2 * w))
  return { v: fl(high + low), high, low }
}

function twelveBits(x: number): number {
  return bitsFloat(floatBits(x) & 0xfffff000)
}

export const activations: readonly ((x: number) => number)[] = [tanh, sigmoid, silu, gelu]

/** Slopes: of tanh and sigmoid from the output, of silu and gelu from the input. */
export const slopes: readonly ((v: number) => number)[] = [
  (y) => fl(1 - fl(y * y)),
  (y) => fl(y * fl(1 - y)),
  (x) => {
    const v = Math.min(Math.max(x, -110), 60)
    return logisticSlope(v, v, v, 0)
  },
  (given) => {
    const x = Math.min(Math.max(given, -11), 6)
    const { v, high, low } = geluArgument(x)
    return logisticSlope(fl(x * fl(g0 + fl(g2 * fl(x * x)))), v, high, low)
  },
]
