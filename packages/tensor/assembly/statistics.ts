// Sums that norms are made of, by 16 lanes as `sumLanes`, and the passes that use them.

import { firstLanes, foldLanes, loadPart, storePart } from './reductions'

/** 1 / sqrt(variance + epsilon), each step rounded. */
// @ts-ignore: decorator
@inline
export function inverseDeviation(variance: f32, epsilon: f32): f32 {
  return <f32>1 / sqrt<f32>(variance + epsilon)
}

// @ts-ignore: decorator
@inline
function square(v: v128): v128 {
  return f32x4.mul(v, v)
}

/** The sum of (x - mean)^2 by lanes. */
export function centredSquares(x: usize, n: u32, mean: f32): f32 {
  const m = f32x4.splat(mean)
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let left = n
  for (; left >= 16; left -= 16, x += 64) {
    s0 = f32x4.add(s0, square(f32x4.sub(v128.load(x), m)))
    s1 = f32x4.add(s1, square(f32x4.sub(v128.load(x, 16), m)))
    s2 = f32x4.add(s2, square(f32x4.sub(v128.load(x, 32), m)))
    s3 = f32x4.add(s3, square(f32x4.sub(v128.load(x, 48), m)))
  }
  if (left > 0) s0 = f32x4.add(s0, centredPart(x, left, m))
  if (left > 4) s1 = f32x4.add(s1, centredPart(x + 16, left - 4, m))
  if (left > 8) s2 = f32x4.add(s2, centredPart(x + 32, left - 8, m))
  if (left > 12) s3 = f32x4.add(s3, centredPart(x + 48, left - 12, m))
  return foldLanes(s0, s1, s2, s3)
}

function centredPart(x: usize, left: u32, m: v128): v128 {
  return v128.and(square(f32x4.sub(loadPart(x, left), m)), firstLanes(left))
}

/** Two sums by lanes in one pass: of d in lane 0, of d (x - mean) in lane 1. With a scale that is not 0, d is d scale[j]. */
export function gradientSums(x: usize, d: usize, scale: usize, n: u32, mean: f32): v128 {
  const m = f32x4.splat(mean)
  let a0 = f32x4.splat(0)
  let a1 = f32x4.splat(0)
  let a2 = f32x4.splat(0)
  let a3 = f32x4.splat(0)
  let b0 = f32x4.splat(0)
  let b1 = f32x4.splat(0)
  let b2 = f32x4.splat(0)
  let b3 = f32x4.splat(0)
  let left = n
  if (scale == 0) {
    for (; left >= 16; left -= 16, x += 64, d += 64) {
      a0 = f32x4.add(a0, v128.load(d))
      b0 = f32x4.add(b0, f32x4.mul(v128.load(d), f32x4.sub(v128.load(x), m)))
      a1 = f32x4.add(a1, v128.load(d, 16))
      b1 = f32x4.add(b1, f32x4.mul(v128.load(d, 16), f32x4.sub(v128.load(x, 16), m)))
      a2 = f32x4.add(a2, v128.load(d, 32))
      b2 = f32x4.add(b2, f32x4.mul(v128.load(d, 32), f32x4.sub(v128.load(x, 32), m)))
      a3 = f32x4.add(a3, v128.load(d, 48))
      b3 = f32x4.add(b3, f32x4.mul(v128.load(d, 48), f32x4.sub(v128.load(x, 48), m)))
    }
  } else {
    for (; left >= 16; left -= 16, x += 64, d += 64, scale += 64) {
      let v = f32x4.mul(v128.load(d), v128.load(scale))
      a0 = f32x4.add(a0, v)
      b0 = f32x4.add(b0, f32x4.mul(v, f32x4.sub(v128.load(x), m)))
      v = f32x4.mul(v128.load(d, 16), v128.load(scale, 16))
      a1 = f32x4.add(a1, v)
      b1 = f32x4.add(b1, f32x4.mul(v, f32x4.sub(v128.load(x, 16), m)))
      v = f32x4.mul(v128.load(d, 32), v128.load(scale, 32))
      a2 = f32x4.add(a2, v)
      b2 = f32x4.add(b2, f32x4.mul(v, f32x4.sub(v128.load(x, 32), m)))
      v = f32x4.mul(v128.load(d, 48), v128.load(scale, 48))
      a3 = f32x4.add(a3, v)
      b3 = f32x4.add(b3, f32x4.mul(v, f32x4.sub(v128.load(x, 48), m)))
    }
  }
  if (left > 0) {
    const v = scaledPart(d, scale, left)
    a0 = f32x4.add(a0, v)
    b0 = f32x4.add(b0, productPart(x, v, left, m))
  }
  if (left > 4) {
    const v = scaledPart(d + 16, scale != 0 ? scale + 16 : 0, left - 4)
    a1 = f32x4.add(a1, v)
    b1 = f32x4.add(b1, productPart(x + 16, v, left - 4, m))
  }
  if (left > 8) {
    const v = scaledPart(d + 32, scale != 0 ? scale + 32 : 0, left - 8)
    a2 = f32x4.add(a2, v)
    b2 = f32x4.add(b2, productPart(x + 32, v, left - 8, m))
  }
  if (left > 12) {
    const v = scaledPart(d + 48, scale != 0 ? scale + 48 : 0, left - 12)
    a3 = f32x4.add(a3, v)
    b3 = f32x4.add(b3, productPart(x + 48, v, left - 12, m))
  }
  return f32x4.replace_lane(f32x4.splat(foldLanes(a0, a1, a2, a3)), 1, foldLanes(b0, b1, b2, b3))
}

function scaledPart(d: usize, scale: usize, left: u32): v128 {
  const v = loadPart(d, left)
  return scale != 0 ? f32x4.mul(v, loadPart(scale, left)) : v
}

function productPart(x: usize, v: v128, left: u32, m: v128): v128 {
  return v128.and(f32x4.mul(v, f32x4.sub(loadPart(x, left), m)), firstLanes(left))
}

/** y = (x - mean) k + b; y may be x. */
export function normalizeRun(x: usize, y: usize, n: u32, mean: f32, k: f32, b: f32): void {
  const vm = f32x4.splat(mean)
  const vk = f32x4.splat(k)
  const vb = f32x4.splat(b)
  let left = n
  for (; left >= 8; left -= 8, x += 32, y += 32) {
    const first = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), vm), vk), vb)
    const second = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x, 16), vm), vk), vb)
    v128.store(y, first)
    v128.store(y, second, 16)
  }
  for (; left > 0; left--, x += 4, y += 4) store<f32>(y, (load<f32>(x) - mean) * k + b)
}

/** dx = k ((d g - a) - (x - mean) q); dx may be d or x. */
export function gradientRun(x: usize, d: usize, dx: usize, n: u32, mean: f32, g: f32, k: f32, a: f32, q: f32): void {
  const vm = f32x4.splat(mean)
  const vg = f32x4.splat(g)
  const vk = f32x4.splat(k)
  const va = f32x4.splat(a)
  const vq = f32x4.splat(q)
  let left = n
  for (; left >= 4; left -= 4, x += 16, d += 16, dx += 16) {
    const inner = f32x4.sub(f32x4.sub(f32x4.mul(v128.load(d), vg), va), f32x4.mul(f32x4.sub(v128.load(x), vm), vq))
    v128.store(dx, f32x4.mul(vk, inner))
  }
  for (; left > 0; left--, x += 4, d += 4, dx += 4) store<f32>(dx, k * (load<f32>(d) * g - a - (load<f32>(x) - mean) * q))
}

/** y[j] = ((x[j] - mean) r) scale[j] + shift[j], 1 and +0 where an array is 0; y may be x. */
export function normalizeRow(x: usize, y: usize, n: u32, mean: f32, r: f32, scale: usize, shift: usize): void {
  const vm = f32x4.splat(mean)
  const vr = f32x4.splat(r)
  for (let j: u32 = 0; j < n; j += 4) {
    const at = <usize>j << 2
    const left = n - j
    let v: v128
    if (left >= 4) {
      v = f32x4.mul(f32x4.sub(v128.load(x + at), vm), vr)
      if (scale != 0) v = f32x4.mul(v, v128.load(scale + at))
      v128.store(y + at, f32x4.add(v, shift != 0 ? v128.load(shift + at) : f32x4.splat(0)))
    } else {
      v = f32x4.mul(f32x4.sub(loadPart(x + at, left), vm), vr)
      if (scale != 0) v = f32x4.mul(v, loadPart(scale + at, left))
      storePart(y + at, left, f32x4.add(v, shift != 0 ? loadPart(shift + at, left) : f32x4.splat(0)))
    }
  }
}

/** dx[j] = r ((d[j] scale[j] - a) - (x[j] - mean) q); dx may be d or x. */
export function gradientRow(x: usize, d: usize, dx: usize, scale: usize, n: u32, mean: f32, r: f32, a: f32, q: f32): void {
  const vm = f32x4.splat(mean)
  const vr = f32x4.splat(r)
  const va = f32x4.splat(a)
  const vq = f32x4.splat(q)
  for (let j: u32 = 0; j < n; j += 4) {
    const at = <usize>j << 2
    const left = n - j
    if (left >= 4) {
      let v = v128.load(d + at)
      if (scale != 0) v = f32x4.mul(v, v128.load(scale + at))
      v128.store(dx + at, f32x4.mul(vr, f32x4.sub(f32x4.sub(v, va), f32x4.mul(f32x4.sub(v128.load(x + at), vm), vq))))
    } else {
      const v = scaledPart(d + at, scale != 0 ? scale + at : 0, left)
      storePart(dx + at, left, f32x4.mul(vr, f32x4.sub(f32x4.sub(v, va), f32x4.mul(f32x4.sub(loadPart(x + at, left), vm), vq))))
    }
  }
}
