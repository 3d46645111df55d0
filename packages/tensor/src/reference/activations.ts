/** Activations from + - * / only; coefficients and error bounds: docs/arithmetic/transcendentals.md. */
import { exp } from './exponential.ts'
import { bitsFloat } from './memory.ts'

const fl = Math.fround
const tanhCoefficients = [0x3b1641aa, 0xbc08b4ff, 0x3cb254b9, 0xbd5d0462, 0x3e088875, 0xbeaaaaab].map(bitsFloat)
const [g0, g1, g2] = [0x3fcc422a, 0x3d922279, 0x3e5b33b6].map(bitsFloat) as [number, number, number]

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
  const e = exp(-Math.abs(x))
  return fl((x < 0 ? e : 1) / fl(1 + e))
}

export function silu(x: number): number {
  return fl(x * sigmoid(x))
}

/** The tanh form: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x sigmoid of twice that argument. */
export function gelu(x: number): number {
  return fl(x * geluSigmoid(x))
}

function geluSigmoid(x: number): number {
  return sigmoid(fl(x * fl(g0 + fl(g1 * fl(x * x)))))
}

export const activations: readonly ((x: number) => number)[] = [tanh, sigmoid, silu, gelu]

/** Slopes: of tanh and sigmoid from the output, of silu and gelu from the input. */
export const slopes: readonly ((v: number) => number)[] = [
  (y) => fl(1 - fl(y * y)),
  (y) => fl(y * fl(1 - y)),
  (x) => {
    const s = sigmoid(x)
    return fl(s * fl(1 + fl(x * fl(1 - s))))
  },
  (x) => {
    const s = geluSigmoid(x)
    return fl(s + fl(fl(x * fl(s * fl(1 - s))) * fl(g0 + fl(g2 * fl(x * x)))))
  },
]
