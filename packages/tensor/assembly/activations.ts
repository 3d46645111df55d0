// Activations of four values from + - * / and bits only (docs/arithmetic/transcendentals.md).

import { exp4 } from './exponential'

// tanh(x) = x + x z P(z), z = x x, below 0.625: the Chebyshev interpolant of (tanh(x) / x - 1) / z.
const T0: f32 = reinterpret<f32>(0xbeaaaaab)
const T1: f32 = reinterpret<f32>(0x3e088875)
const T2: f32 = reinterpret<f32>(0xbd5d0462)
const T3: f32 = reinterpret<f32>(0x3cb254b9)
const T4: f32 = reinterpret<f32>(0xbc08b4ff)
const T5: f32 = reinterpret<f32>(0x3b1641aa)
// gelu in its tanh form is x sigmoid(x (G0 + G1 x x)); G2 = 3 G1.
const G0: f32 = reinterpret<f32>(0x3fcc422a)
const G1: f32 = reinterpret<f32>(0x3d922279)
const G2: f32 = reinterpret<f32>(0x3e5b33b6)

// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const one = f32x4.splat(1)
  const z = f32x4.mul(x, x)
  let p = f32x4.add(f32x4.mul(f32x4.splat(T5), z), f32x4.splat(T4))
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(T3))
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(T2))
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(T1))
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(T0))
  const small = f32x4.add(x, f32x4.mul(x, f32x4.mul(z, p)))
  const size = f32x4.abs(x)
  const e = exp4(f32x4.add(size, size))
  const big = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)))
  const signed = v128.or(big, v128.and(x, f32x4.splat(-0.0)))
  return v128.bitselect(small, signed, f32x4.lt(size, f32x4.splat(0.625)))
}

// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1)
  const e = exp4(f32x4.neg(f32x4.abs(x)))
  return f32x4.div(v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0))), f32x4.add(one, e))
}

// @ts-ignore: decorator
@inline
function geluSigmoid4(x: v128): v128 {
  return sigmoid4(f32x4.mul(x, f32x4.add(f32x4.splat(G0), f32x4.mul(f32x4.splat(G1), f32x4.mul(x, x)))))
}

/** kind: 0 tanh, 1 sigmoid, 2 silu, 3 gelu. */
// @ts-ignore: decorator
@inline
function activate4(kind: u32, x: v128): v128 {
  if (kind == 0) return tanh4(x)
  if (kind == 1) return sigmoid4(x)
  return f32x4.mul(x, kind == 2 ? sigmoid4(x) : geluSigmoid4(x))
}

/** Gradient of one activation: v is the output of tanh and sigmoid, the input of silu and gelu. */
// @ts-ignore: decorator
@inline
function slope4(kind: u32, v: v128): v128 {
  const one = f32x4.splat(1)
  if (kind == 0) return f32x4.sub(one, f32x4.mul(v, v))
  if (kind == 1) return f32x4.mul(v, f32x4.sub(one, v))
  if (kind == 2) {
    const s = sigmoid4(v)
    return f32x4.mul(s, f32x4.add(one, f32x4.mul(v, f32x4.sub(one, s))))
  }
  const s = geluSigmoid4(v)
  const inner = f32x4.add(f32x4.splat(G0), f32x4.mul(f32x4.splat(G2), f32x4.mul(v, v)))
  return f32x4.add(s, f32x4.mul(f32x4.mul(v, f32x4.mul(s, f32x4.sub(one, s))), inner))
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
