// Sums and searches over rows and columns, each with one order (README, "Reductions").

/**
 * Sum by 16 virtual lanes: lane l adds x[l], x[l+16], ... ascending from +0, then lanes fold in halves 8, 4, 2, 1.
 */
export function sumLanes(x: usize, n: u32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let left = n
  for (; left >= 16; left -= 16, x += 64) {
    s0 = f32x4.add(s0, v128.load(x))
    s1 = f32x4.add(s1, v128.load(x, 16))
    s2 = f32x4.add(s2, v128.load(x, 32))
    s3 = f32x4.add(s3, v128.load(x, 48))
  }
  // A lane that starts at +0 is never -0, so adding +0 to the lanes past the end changes nothing.
  if (left > 0) s0 = f32x4.add(s0, loadPart(x, left))
  if (left > 4) s1 = f32x4.add(s1, loadPart(x + 16, left - 4))
  if (left > 8) s2 = f32x4.add(s2, loadPart(x + 32, left - 8))
  if (left > 12) s3 = f32x4.add(s3, loadPart(x + 48, left - 12))
  return foldLanes(s0, s1, s2, s3)
}

// @ts-ignore: decorator
@inline
export function foldLanes(s0: v128, s1: v128, s2: v128, s3: v128): f32 {
  const t = f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3))
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 2) + (f32x4.extract_lane(t, 1) + f32x4.extract_lane(t, 3))
}

/** The first `left` floats at x, +0 in the lanes past them. */
export function loadPart(x: usize, left: u32): v128 {
  if (left >= 4) return v128.load(x)
  let v = f32x4.replace_lane(f32x4.splat(0), 0, load<f32>(x))
  if (left > 1) v = f32x4.replace_lane(v, 1, load<f32>(x, 4))
  if (left > 2) v = f32x4.replace_lane(v, 2, load<f32>(x, 8))
  return v
}

/** Stores the first `left` lanes, at most four. */
export function storePart(x: usize, left: u32, v: v128): void {
  if (left >= 4) {
    v128.store(x, v)
    return
  }
  v128.store_lane<f32>(x, v, 0)
  if (left > 1) v128.store_lane<f32>(x, v, 1, 4)
  if (left > 2) v128.store_lane<f32>(x, v, 2, 8)
}

/** All bits of the first `left` lanes. */
export function firstLanes(left: u32): v128 {
  return i32x4.gt_u(i32x4.splat(left), i32x4(0, 1, 2, 3))
}

/** out[columns] = sums over rows: row chunks of 256, each ascending from +0, chunk sums added ascending. */
export function columnSums(x: usize, out: usize, rows: u32, columns: u32): void {
  const ld = <usize>columns << 2
  for (let r0: u32 = 0; r0 < rows; r0 += 256) {
    const chunk = min(256, rows - r0)
    const first = x + <usize>r0 * ld
    let j: u32 = 0
    for (; j + 4 <= columns; j += 4) {
      let sum = f32x4.splat(0)
      let at = first + (<usize>j << 2)
      for (let r: u32 = 0; r < chunk; r++, at += ld) sum = f32x4.add(sum, v128.load(at))
      const to = out + (<usize>j << 2)
      v128.store(to, r0 > 0 ? f32x4.add(v128.load(to), sum) : sum)
    }
    for (; j < columns; j++) {
      let sum: f32 = 0
      let at = first + (<usize>j << 2)
      for (let r: u32 = 0; r < chunk; r++, at += ld) sum += load<f32>(at)
      const to = out + (<usize>j << 2)
      store<f32>(to, r0 > 0 ? load<f32>(to) + sum : sum)
    }
  }
}

/** Rows whose largest value (the first, on ties) stands at their label. */
export function countCorrect(logits: usize, labels: usize, rows: u32, classes: u32): u32 {
  let correct: u32 = 0
  for (let i: u32 = 0; i < rows; i++) {
    let best: u32 = 0
    let top = load<f32>(logits)
    for (let j: u32 = 1; j < classes; j++) {
      const v = load<f32>(logits + (<usize>j << 2))
      if (v > top) {
        top = v
        best = j
      }
    }
    if (best == <u32>load<u8>(labels + i)) correct++
    logits += <usize>classes << 2
  }
  return correct
}
