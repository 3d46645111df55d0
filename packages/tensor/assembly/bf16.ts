// bf16 numbers, kept as binary32 whose low 16 bits are 0 (docs/arithmetic/bf16x.md).

// @ts-ignore: decorator
@inline
function nearest(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff))
  const nan = i32x4.gt_s(magnitude, i32x4.splat(0x7f800000))
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1))
  const rounded = v128.and(i32x4.add(x, i32x4.add(odd, i32x4.splat(0x7fff))), i32x4.splat(0xffff0000))
  return v128.bitselect(i32x4.splat(0x7fc00000), rounded, nan)
}

/** y = the nearest bf16 number, ties to even; a NaN is 0x7fc00000. In place or not. */
export function roundBf16(x: usize, y: usize, n: u32): void {
  const end4 = x + (<usize>(n & ~3) << 2)
  const end = x + (<usize>n << 2)
  for (; x < end4; x += 16, y += 16) v128.store(y, nearest(v128.load(x)))
  for (; x < end; x += 4, y += 4) store<i32>(y, i32x4.extract_lane(nearest(i32x4.splat(load<i32>(x))), 0))
}

/** x = one of the two bf16 numbers around it, by a hash of its index, from `first` on, and the key; in place. What is not finite stays. */
export function storeBf16(x: usize, n: u32, first: u32, key: u32): void {
  let index = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  const keys = i32x4.splat(key)
  const end4 = x + (<usize>(n & ~3) << 2)
  for (; x < end4; x += 16) {
    v128.store(x, towards(v128.load(x), v128.xor(index, keys)))
    index = i32x4.add(index, i32x4.splat(4))
  }
  for (let i = n & ~3; i < n; i++, x += 4) {
    store<i32>(x, i32x4.extract_lane(towards(i32x4.splat(load<i32>(x)), i32x4.splat((first + i) ^ key)), 0))
  }
}

/** The mixing function of docs/arithmetic/bf16x.md in four lanes. */
// @ts-ignore: decorator
@inline
export function scramble4(x: v128): v128 {
  let h = v128.xor(x, i32x4.shr_u(x, 16))
  h = i32x4.mul(h, i32x4.splat(0x7feb352d))
  h = v128.xor(h, i32x4.shr_u(h, 15))
  h = i32x4.mul(h, i32x4.splat(0x846ca68b))
  return v128.xor(h, i32x4.shr_u(h, 16))
}

// @ts-ignore: decorator
@inline
function towards(x: v128, seed: v128): v128 {
  const exponent = i32x4.splat(0x7f800000)
  const whole = i32x4.eq(v128.and(x, exponent), exponent)
  const cut = v128.and(i32x4.add(x, v128.and(scramble4(seed), i32x4.splat(0xffff))), i32x4.splat(0xffff0000))
  return v128.bitselect(x, cut, whole)
}
