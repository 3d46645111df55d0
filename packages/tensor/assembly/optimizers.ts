// Proposed changes of all weights (docs/arithmetic/optimizers.md). Four lanes, or one with a tail of zeros: the same formula, so the same bits.
//
// Words: n, gradient, weights, proposal, registers, scale, decay, then what the kind needs. A scale of 1 and a decay of 0 are left out.

import { share } from './threads'

const RATE: usize = 0
const CORRECTION1: usize = 4
const CORRECTION2: usize = 8
const DECAY_RATE: usize = 12

// @ts-ignore: decorator
@inline
function get(x: usize, left: u32): v128 {
  if (left >= 4) return v128.load(x)
  let v = f32x4.replace_lane(f32x4.splat(0), 0, load<f32>(x))
  if (left > 1) v = f32x4.replace_lane(v, 1, load<f32>(x, 4))
  if (left > 2) v = f32x4.replace_lane(v, 2, load<f32>(x, 8))
  return v
}

// @ts-ignore: decorator
@inline
function put(x: usize, v: v128, left: u32): void {
  if (left >= 4) {
    v128.store(x, v)
    return
  }
  v128.store_lane<f32>(x, v, 0)
  if (left > 1) v128.store_lane<f32>(x + 4, v, 1)
  if (left > 2) v128.store_lane<f32>(x + 8, v, 2)
}

/** fl(fl(g scale) + fl(decay w)); without a decay the weights are not read. */
// @ts-ignore: decorator
@inline
function decayed(g: usize, w: usize, o: usize, left: u32, scale: v128, decay: v128, decays: bool): v128 {
  const scaled = f32x4.mul(get(g + o, left), scale)
  return decays ? f32x4.add(scaled, f32x4.mul(decay, get(w + o, left))) : scaled
}

/** P = -fl(rate g) */
export function sgd(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const g = <usize>load<u32>(at, 4)
  const w = <usize>load<u32>(at, 8)
  const p = <usize>load<u32>(at, 12)
  const rate = f32x4.splat(load<f32>(<usize>load<u32>(at, 16) + RATE))
  const scale = f32x4.splat(load<f32>(at, 20))
  const decay = f32x4.splat(load<f32>(at, 24))
  const decays = load<f32>(at, 24) != 0
  const end = share(n, 16, thread + 1, threads)
  for (let i = share(n, 16, thread, threads); i < end; i += 4) {
    const o = <usize>i << 2
    const left = end - i
    put(p + o, f32x4.neg(f32x4.mul(rate, decayed(g, w, o, left, scale, decay, decays))), left)
  }
}

/** v = fl(fl(mu v) + g); P = -fl(rate v), or with Nesterov's look ahead -fl(rate fl(g + fl(mu v))). */
export function momentum(at: usize, thread: u32, threads: u32, ahead: bool): void {
  const n = load<u32>(at)
  const g = <usize>load<u32>(at, 4)
  const w = <usize>load<u32>(at, 8)
  const p = <usize>load<u32>(at, 12)
  const rate = f32x4.splat(load<f32>(<usize>load<u32>(at, 16) + RATE))
  const scale = f32x4.splat(load<f32>(at, 20))
  const decay = f32x4.splat(load<f32>(at, 24))
  const decays = load<f32>(at, 24) != 0
  const velocity = <usize>load<u32>(at, 28)
  const mu = f32x4.splat(load<f32>(at, 32))
  const end = share(n, 16, thread + 1, threads)
  for (let i = share(n, 16, thread, threads); i < end; i += 4) {
    const o = <usize>i << 2
    const left = end - i
    const step = decayed(g, w, o, left, scale, decay, decays)
    const v = f32x4.add(f32x4.mul(mu, get(velocity + o, left)), step)
    put(velocity + o, v, left)
    const along = ahead ? f32x4.add(step, f32x4.mul(mu, v)) : v
    put(p + o, f32x4.neg(f32x4.mul(rate, along)), left)
  }
}

/** s = fl(fl(rho s) + fl((1 - rho) fl(g g))); P = -fl(rate fl(g / fl(fl(sqrt(s)) + epsilon))) */
export function rmsprop(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const g = <usize>load<u32>(at, 4)
  const w = <usize>load<u32>(at, 8)
  const p = <usize>load<u32>(at, 12)
  const rate = f32x4.splat(load<f32>(<usize>load<u32>(at, 16) + RATE))
  const scale = f32x4.splat(load<f32>(at, 20))
  const decay = f32x4.splat(load<f32>(at, 24))
  const decays = load<f32>(at, 24) != 0
  const squares = <usize>load<u32>(at, 28)
  const rho = f32x4.splat(load<f32>(at, 32))
  const rest = f32x4.splat(load<f32>(at, 36))
  const epsilon = f32x4.splat(load<f32>(at, 40))
  const end = share(n, 16, thread + 1, threads)
  for (let i = share(n, 16, thread, threads); i < end; i += 4) {
    const o = <usize>i << 2
    const left = end - i
    const step = decayed(g, w, o, left, scale, decay, decays)
    const s = f32x4.add(f32x4.mul(rho, get(squares + o, left)), f32x4.mul(rest, f32x4.mul(step, step)))
    put(squares + o, s, left)
    put(p + o, f32x4.neg(f32x4.mul(rate, f32x4.div(step, f32x4.add(f32x4.sqrt(s), epsilon)))), left)
  }
}

/**
 * m = fl(fl(b1 m) + fl((1 - b1) g)); v = fl(fl(b2 v) + fl((1 - b2) fl(g g)));
 * a = fl(rate fl(fl(m k1) / fl(fl(sqrt(fl(v k2))) + epsilon))); P = -a, or -fl(a + fl(r w)) where the decay stands apart (AdamW).
 */
export function adam(at: usize, thread: u32, threads: u32, apart: bool): void {
  const n = load<u32>(at)
  const g = <usize>load<u32>(at, 4)
  const w = <usize>load<u32>(at, 8)
  const p = <usize>load<u32>(at, 12)
  const registers = <usize>load<u32>(at, 16)
  const rate = f32x4.splat(load<f32>(registers + RATE))
  const k1 = f32x4.splat(load<f32>(registers + CORRECTION1))
  const k2 = f32x4.splat(load<f32>(registers + CORRECTION2))
  const decayRate = f32x4.splat(load<f32>(registers + DECAY_RATE))
  const scale = f32x4.splat(load<f32>(at, 20))
  const decay = f32x4.splat(load<f32>(at, 24))
  const decays = load<f32>(at, 24) != 0
  const first = <usize>load<u32>(at, 28)
  const second = <usize>load<u32>(at, 32)
  const b1 = f32x4.splat(load<f32>(at, 36))
  const rest1 = f32x4.splat(load<f32>(at, 40))
  const b2 = f32x4.splat(load<f32>(at, 44))
  const rest2 = f32x4.splat(load<f32>(at, 48))
  const epsilon = f32x4.splat(load<f32>(at, 52))
  const end = share(n, 16, thread + 1, threads)
  for (let i = share(n, 16, thread, threads); i < end; i += 4) {
    const o = <usize>i << 2
    const left = end - i
    const step = decayed(g, w, o, left, scale, decay, decays && !apart)
    const m = f32x4.add(f32x4.mul(b1, get(first + o, left)), f32x4.mul(rest1, step))
    const v = f32x4.add(f32x4.mul(b2, get(second + o, left)), f32x4.mul(rest2, f32x4.mul(step, step)))
    put(first + o, m, left)
    put(second + o, v, left)
    let change = f32x4.mul(rate, f32x4.div(f32x4.mul(m, k1), f32x4.add(f32x4.sqrt(f32x4.mul(v, k2)), epsilon)))
    if (decays && apart) change = f32x4.add(change, f32x4.mul(decayRate, get(w + o, left)))
    put(p + o, f32x4.neg(change), left)
  }
}
