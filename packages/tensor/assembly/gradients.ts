// What happens to the flat gradient before an optimiser sees it (docs/arithmetic/optimizers.md).

import { foldLanes } from './reductions'
import { barrier, share } from './threads'

/** y = fl(x a) */
export function scaleBy(at: usize, thread: u32, threads: u32): void {
  multiply(load<u32>(at), load<f32>(at, 12), <usize>load<u32>(at, 4), <usize>load<u32>(at, 8), thread, threads)
}

function multiply(n: u32, a: f32, x: usize, y: usize, thread: u32, threads: u32): void {
  let i = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const factor = f32x4.splat(a)
  for (; i + 4 <= end; i += 4) {
    const o = <usize>i << 2
    v128.store(y + o, f32x4.mul(v128.load(x + o), factor))
  }
  for (; i < end; i++) {
    const o = <usize>i << 2
    store<f32>(y + o, load<f32>(x + o) * a)
  }
}

/** y = x > max ? max : x < -max ? -max : x, so NaN passes. */
export function clip(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const x = <usize>load<u32>(at, 4)
  const y = <usize>load<u32>(at, 8)
  const max = load<f32>(at, 12)
  let i = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const upper = f32x4.splat(max)
  const lower = f32x4.splat(-max)
  for (; i + 4 <= end; i += 4) {
    const o = <usize>i << 2
    // pmin(a, b) = b < a ? b : a and pmax(a, b) = a < b ? b : a: the first operand, where nothing is less.
    v128.store(y + o, f32x4.pmax(f32x4.pmin(v128.load(x + o), upper), lower))
  }
  for (; i < end; i++) {
    const o = <usize>i << 2
    const v = load<f32>(x + o)
    store<f32>(y + o, v > max ? max : v < -max ? -max : v)
  }
}

const CHUNK: u32 = 4096

/** norm = fl(sqrt(S)): squares by 16 lanes in chunks of 4096 values, then the chunks' sums ascending. */
export function globalNorm(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const x = <usize>load<u32>(at, 4)
  const scratch = <usize>load<u32>(at, 12)
  const chunks = (n + CHUNK - 1) / CHUNK
  const end = share(chunks, 1, thread + 1, threads)
  for (let c = share(chunks, 1, thread, threads); c < end; c++) {
    const first = c * CHUNK
    store<f32>(scratch + (<usize>c << 2), sumSquares(x + (<usize>first << 2), min(CHUNK, n - first)))
  }
  barrier(thread, threads)
  if (thread != 0) return
  let sum = load<f32>(scratch)
  for (let c: u32 = 1; c < chunks; c++) sum += load<f32>(scratch + (<usize>c << 2))
  store<f32>(<usize>load<u32>(at, 8), sqrt(sum))
}

function sumSquares(x: usize, n: u32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let left = n
  for (; left >= 16; left -= 16, x += 64) {
    const v0 = v128.load(x)
    const v1 = v128.load(x, 16)
    const v2 = v128.load(x, 32)
    const v3 = v128.load(x, 48)
    s0 = f32x4.add(s0, f32x4.mul(v0, v0))
    s1 = f32x4.add(s1, f32x4.mul(v1, v1))
    s2 = f32x4.add(s2, f32x4.mul(v2, v2))
    s3 = f32x4.add(s3, f32x4.mul(v3, v3))
  }
  // A sum of squares from +0 is never -0, so the +0 of lanes past the end changes nothing.
  s0 = squaresOf(s0, x, left)
  s1 = squaresOf(s1, x + 16, left > 4 ? left - 4 : 0)
  s2 = squaresOf(s2, x + 32, left > 8 ? left - 8 : 0)
  s3 = squaresOf(s3, x + 48, left > 12 ? left - 12 : 0)
  return foldLanes(s0, s1, s2, s3)
}

function squaresOf(sum: v128, x: usize, left: u32): v128 {
  if (left == 0) return sum
  let v = f32x4.replace_lane(f32x4.splat(0), 0, load<f32>(x))
  if (left > 1) v = f32x4.replace_lane(v, 1, load<f32>(x, 4))
  if (left > 2) v = f32x4.replace_lane(v, 2, load<f32>(x, 8))
  if (left > 3) v = f32x4.replace_lane(v, 3, load<f32>(x, 12))
  return f32x4.add(sum, f32x4.mul(v, v))
}

/** y = fl(x fl(max / norm)) where norm > max, x otherwise; all NaN for an infinite norm, whose quotient would hide it. */
export function clipToNorm(at: usize, thread: u32, threads: u32): void {
  const norm = load<f32>(<usize>load<u32>(at, 8))
  const max = load<f32>(at, 16)
  let factor: f32 = norm > max ? max / norm : 1
  if (norm == <f32>Infinity) factor = <f32>NaN
  const x = <usize>load<u32>(at, 4)
  const y = <usize>load<u32>(at, 12)
  if (factor == 1 && x == y) return
  multiply(load<u32>(at), factor, x, y, thread, threads)
}
