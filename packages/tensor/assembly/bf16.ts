// bf16 numbers, kept as binary32 whose low 16 bits are 0 (docs/arithmetic/bf16x.md).

/**
 * 0, in a way that the compilers do not see: numbers lie at multiples of 4. Constants made with it stay in registers; else they are made anew for every
 * four numbers, which takes longer than the work itself.
 */
// @ts-ignore: decorator
@inline
export function hiddenZero(x: usize): u32 {
  return <u32>x & 3
}

/** y = the nearest bf16 number, ties to even, or a zero of its sign if that is below 2^-50; a NaN is 0x7fc00000. In place or not. */
export function roundBf16(x: usize, y: usize, n: u32): void {
  const zero = hiddenZero(x)
  const magnitudes = i32x4.splat(0x7fffffff ^ zero)
  const infinity = i32x4.splat(0x7f800000 ^ zero)
  const one = i32x4.splat(1 ^ zero)
  const half = i32x4.splat(0x7fff ^ zero)
  const low = i32x4.splat(0xffff ^ zero)
  const quiet = i32x4.splat(0x7fc00000 ^ zero)
  const least = i32x4.splat(0x26800000 ^ zero)
  const end4 = x + (<usize>(n & ~3) << 2)
  const end = x + (<usize>n << 2)
  for (; x < end4; x += 16, y += 16) v128.store(y, nearest(v128.load(x), magnitudes, infinity, one, half, low, quiet, least))
  for (; x < end; x += 4, y += 4) {
    const value = nearest(i32x4.splat(load<i32>(x)), magnitudes, infinity, one, half, low, quiet, least)
    store<i32>(y, i32x4.extract_lane(value, 0))
  }
}

// @ts-ignore: decorator
@inline
function nearest(x: v128, magnitudes: v128, infinity: v128, one: v128, half: v128, low: v128, quiet: v128, least: v128): v128 {
  const nan = i32x4.gt_s(v128.and(x, magnitudes), infinity)
  const odd = v128.and(i32x4.shr_u(x, 16), one)
  const rounded = v128.andnot(i32x4.add(x, i32x4.add(odd, half)), low)
  const tiny = i32x4.lt_s(v128.and(rounded, magnitudes), least)
  return v128.bitselect(quiet, v128.andnot(rounded, v128.and(tiny, magnitudes)), nan)
}

/** x = one of the two bf16 numbers around it, by a hash of its index, from `first` on, and the key; in place. What is not finite stays. */
export function storeBf16(x: usize, n: u32, first: u32, key: u32): void {
  const zero = hiddenZero(x)
  const mix1 = i32x4.splat(MIX1 ^ zero)
  const mix2 = i32x4.splat(MIX2 ^ zero)
  const low = i32x4.splat(0xffff ^ zero)
  const exponent = i32x4.splat(0x7f800000 ^ zero)
  const four = i32x4.splat(4 ^ zero)
  const keys = i32x4.splat(key)
  let index = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  const end4 = x + (<usize>(n & ~3) << 2)
  for (; x < end4; x += 16) {
    v128.store(x, towards(v128.load(x), scramble(v128.xor(index, keys), mix1, mix2), low, exponent))
    index = i32x4.add(index, four)
  }
  for (let i = n & ~3; i < n; i++, x += 4) {
    const chance = scramble(i32x4.splat((first + i) ^ key), mix1, mix2)
    store<i32>(x, i32x4.extract_lane(towards(i32x4.splat(load<i32>(x)), chance, low, exponent), 0))
  }
}

// @ts-ignore: decorator
@inline
function towards(x: v128, chance: v128, low: v128, exponent: v128): v128 {
  const whole = i32x4.eq(v128.and(x, exponent), exponent)
  const cut = v128.andnot(i32x4.add(x, v128.and(chance, low)), low)
  return v128.bitselect(x, cut, whole)
}

export const MIX1: u32 = 0x7feb352d
export const MIX2: u32 = 0x846ca68b

/** The mixing function of docs/arithmetic/bf16x.md in four lanes. */
// @ts-ignore: decorator
@inline
export function scramble4(x: v128): v128 {
  return scramble(x, i32x4.splat(MIX1), i32x4.splat(MIX2))
}

// @ts-ignore: decorator
@inline
export function scramble(x: v128, mix1: v128, mix2: v128): v128 {
  let h = v128.xor(x, i32x4.shr_u(x, 16))
  h = i32x4.mul(h, mix1)
  h = v128.xor(h, i32x4.shr_u(h, 15))
  h = i32x4.mul(h, mix2)
  return v128.xor(h, i32x4.shr_u(h, 16))
}
