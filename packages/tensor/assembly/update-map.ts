// Residual, local update and peer updates (spec 9.1 steps 1, 2 and 4 to 8; rounding by A25).

/**
 * Steps 4 to 8 in one pass: r += g; d = sign of r where |r| > tau; r -= tau d; w -= q d; words = the moves, ascending.
 *
 * Returns the number of words and stores the overdrive, the count of |g - tau d| > tau. Nearly all groups of 16 have
 * neither a move nor an overdrive and cost two loads, one addition, one store and four comparisons per four lanes.
 */
export function exchange(r: usize, g: usize, w: usize, words: usize, overdrive: usize, tau: f32, q: f32, n: u32): u32 {
  const magnitude = i32x4.splat(0x7fffffff)
  const t = f32x4.splat(tau)
  const first = words
  let over: u32 = 0
  let i: u32 = 0
  for (; i + 16 <= n; i += 16) {
    const at = <usize>i << 2
    const g0 = v128.load(g + at)
    const g1 = v128.load(g + at, 16)
    const g2 = v128.load(g + at, 32)
    const g3 = v128.load(g + at, 48)
    const r0 = f32x4.add(v128.load(r + at), g0)
    const r1 = f32x4.add(v128.load(r + at, 16), g1)
    const r2 = f32x4.add(v128.load(r + at, 32), g2)
    const r3 = f32x4.add(v128.load(r + at, 48), g3)
    v128.store(r + at, r0)
    v128.store(r + at, r1, 16)
    v128.store(r + at, r2, 32)
    v128.store(r + at, r3, 48)
    const a = v128.or(f32x4.gt(v128.and(r0, magnitude), t), f32x4.gt(v128.and(g0, magnitude), t))
    const b = v128.or(f32x4.gt(v128.and(r1, magnitude), t), f32x4.gt(v128.and(g1, magnitude), t))
    const c = v128.or(f32x4.gt(v128.and(r2, magnitude), t), f32x4.gt(v128.and(g2, magnitude), t))
    const d = v128.or(f32x4.gt(v128.and(r3, magnitude), t), f32x4.gt(v128.and(g3, magnitude), t))
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) {
      for (let j = i; j < i + 16; j += 4) {
        over += move4(r, g, w, words, j, tau, q)
        words = moveEnd
      }
    }
  }
  for (; i < n; i++) {
    const at = <usize>i << 2
    const step = load<f32>(g + at)
    let sum = load<f32>(r + at) + step
    let quantum: f32 = 0
    if (sum > tau) quantum = tau
    else if (sum < -tau) quantum = -tau
    if (quantum != 0) {
      sum -= quantum
      const up = quantum > 0
      store<f32>(w + at, load<f32>(w + at) - (up ? q : -q))
      store<u32>(words, up ? i | 0x80000000 : i)
      words += 4
    }
    store<f32>(r + at, sum)
    if (abs(step - quantum) > tau) over++
  }
  store<u32>(overdrive, over)
  return <u32>((words - first) >> 2)
}

let moveEnd: usize = 0

/** Four coordinates whose r already holds r + g; sets moveEnd behind the last word and returns the overdrive. */
function move4(r: usize, g: usize, w: usize, words: usize, i: u32, tau: f32, q: f32): u32 {
  const at = <usize>i << 2
  const t = f32x4.splat(tau)
  const v = v128.load(r + at)
  const up = f32x4.gt(v, t)
  const down = f32x4.lt(v, f32x4.neg(t))
  // Where d = 0 the subtrahend is +0, and x - (+0) = x for every x, -0 included.
  const quantum = v128.or(v128.and(t, up), v128.and(f32x4.neg(t), down))
  const rest = f32x4.sub(v128.load(g + at), quantum)
  const moved = v128.or(up, down)
  let lanes = i32x4.bitmask(moved)
  if (lanes != 0) {
    v128.store(r + at, f32x4.sub(v, quantum))
    const vq = f32x4.splat(q)
    const step = v128.or(v128.and(vq, up), v128.and(f32x4.neg(vq), down))
    v128.store(w + at, f32x4.sub(v128.load(w + at), step))
    const ups = i32x4.bitmask(up)
    while (lanes != 0) {
      const lane = ctz(lanes)
      store<u32>(words, (i + lane) | (((ups >> lane) & 1) << 31))
      words += 4
      lanes &= lanes - 1
    }
  }
  moveEnd = words
  return popcnt(i32x4.bitmask(f32x4.gt(f32x4.abs(rest), t)))
}

/** counts[index] += +1 (bit 31 set) or -1 for each word; returns the position of the first index >= params, else -1. */
export function countMap(words: usize, n: u32, counts: usize, params: u32): i32 {
  for (let i: u32 = 0; i < n; i++) {
    const word = load<u32>(words + (<usize>i << 2))
    const index = word & 0x7fffffff
    if (index >= params) return <i32>i
    const at = counts + (<usize>index << 2)
    store<i32>(at, load<i32>(at) + (word >> 31 != 0 ? 1 : -1))
  }
  return -1
}

/**
 * w = w - step * count at each listed coordinate whose count is not 0. The count is cleared as it is used, so a
 * coordinate that several maps list is moved once, by their sum, and the order of the maps has no effect.
 */
export function applyCounts(words: usize, n: u32, counts: usize, w: usize, step: f32): void {
  for (let i: u32 = 0; i < n; i++) {
    const at = <usize>(load<u32>(words + (<usize>i << 2)) & 0x7fffffff) << 2
    const count = load<i32>(counts + at)
    if (count != 0) {
      store<f32>(w + at, load<f32>(w + at) - step * <f32>count)
      store<i32>(counts + at, 0)
    }
  }
}

/** 1 if any listed coordinate has a count other than 0; clears the listed counts. */
export function takeCounts(words: usize, n: u32, counts: usize): u32 {
  let any: u32 = 0
  for (let i: u32 = 0; i < n; i++) {
    const at = counts + (<usize>(load<u32>(words + (<usize>i << 2)) & 0x7fffffff) << 2)
    if (load<i32>(at) != 0) any = 1
    store<i32>(at, 0)
  }
  return any
}
