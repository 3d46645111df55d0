// From binary32 to int8 numbers with one exponent, and from int32 sums back (docs/arithmetic/int8x.md).

import { hiddenZero, MIX1, MIX2, scramble, scramble4 } from './bf16'
import { barrier, share } from './threads'

/** out = the largest bits of any magnitude; a NaN's are larger than infinity's. Words: n, x, out, scratch (one a thread). */
export function largestBits(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const x = <usize>load<u32>(at, 4)
  const scratch = <usize>load<u32>(at, 12)
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const magnitude = i32x4.splat(0x7fffffff)
  let top = i32x4.splat(0)
  let i = first
  for (; i + 4 <= end; i += 4) top = i32x4.max_u(top, v128.and(v128.load(x + (<usize>i << 2)), magnitude))
  for (; i < end; i++) top = i32x4.max_u(top, i32x4.splat(load<i32>(x + (<usize>i << 2)) & 0x7fffffff))
  const a = max(<u32>i32x4.extract_lane(top, 0), <u32>i32x4.extract_lane(top, 1))
  const b = max(<u32>i32x4.extract_lane(top, 2), <u32>i32x4.extract_lane(top, 3))
  store<u32>(scratch + (<usize>thread << 2), max(a, b))
  barrier(thread, threads)
  if (thread != 0) return
  let all: u32 = 0
  for (let t: u32 = 0; t < threads; t++) all = max(all, load<u32>(scratch + (<usize>t << 2)))
  store<u32>(<usize>load<u32>(at, 8), all)
}

/** The exponent e of the unit 2^e of an operand whose largest bits are given: its largest number is 64 to 128 units. */
// @ts-ignore: decorator
@inline
export function unitExponent(largest: u32): i32 {
  return max(<i32>(largest >> 23) - 127, -120) - 6
}

/** 2^e for -127 < e < 128. */
// @ts-ignore: decorator
@inline
export function powerOfTwo(e: i32): f32 {
  return reinterpret<f32>((e + 127) << 23)
}

/** Words: n, x, largest, out (i8), key (0: to nearest), stream. */
export function quantize(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const x = <usize>load<u32>(at, 4)
  const largest = load<u32>(<usize>load<u32>(at, 8))
  const out = <usize>load<u32>(at, 12)
  const keys = <usize>load<u32>(at, 16)
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  // A product of what is not finite is NaN whatever its numbers are, see `rescale`.
  if (largest == 0 || largest >= 0x7f800000) {
    memory.fill(out + first, 0, <usize>(end - first))
    return
  }
  const scale = powerOfTwo(-unitExponent(largest))
  if (keys == 0) toNearest(x, out, first, end, scale)
  else toDrawn(x, out, first, end, scale, seedOf(load<i32>(at, 20), load<i32>(keys), load<i32>(keys, 4)))
}

function seedOf(stream: i32, low: i32, high: i32): v128 {
  return scramble4(v128.xor(scramble4(i32x4.splat(stream ^ low)), i32x4.splat(high)))
}

function toNearest(x: usize, out: usize, first: u32, end: u32, scale: f32): void {
  const scales = f32x4.splat(scale)
  const bound = f32x4.splat(127 + <f32>hiddenZero(x))
  let i = first
  for (; i + 4 <= end; i += 4) storeFour(out + i, limited(f32x4.nearest(f32x4.mul(v128.load(x + (<usize>i << 2)), scales)), bound))
  for (; i < end; i++) {
    const q = limited(f32x4.nearest(f32x4.mul(v128.load32_splat(x + (<usize>i << 2)), scales)), bound)
    store<i8>(out + i, <i8>i32x4.extract_lane(q, 0))
  }
}

function toDrawn(x: usize, out: usize, first: u32, end: u32, scale: f32, seed: v128): void {
  const zero = hiddenZero(x)
  const scales = f32x4.splat(scale)
  const bound = f32x4.splat(127 + <f32>zero)
  const part = f32x4.splat(<f32>(1.0 / 65536) + <f32>zero)
  const mix1 = i32x4.splat(MIX1 ^ zero)
  const mix2 = i32x4.splat(MIX2 ^ zero)
  const low = i32x4.splat(0xffff ^ zero)
  const four = i32x4.splat(4 ^ zero)
  let index = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  let i = first
  for (; i + 4 <= end; i += 4) {
    const chance = v128.and(scramble(v128.xor(seed, index), mix1, mix2), low)
    storeFour(out + i, drawn(v128.load(x + (<usize>i << 2)), scales, chance, part, bound))
    index = i32x4.add(index, four)
  }
  for (; i < end; i++) {
    const chance = v128.and(scramble(v128.xor(seed, i32x4.splat(i)), mix1, mix2), low)
    store<i8>(out + i, <i8>i32x4.extract_lane(drawn(v128.load32_splat(x + (<usize>i << 2)), scales, chance, part, bound), 0))
  }
}

// @ts-ignore: decorator
@inline
function drawn(x: v128, scale: v128, chance: v128, part: v128, bound: v128): v128 {
  return limited(f32x4.floor(f32x4.add(f32x4.mul(x, scale), f32x4.mul(f32x4.convert_i32x4_u(chance), part))), bound)
}

// @ts-ignore: decorator
@inline
function limited(whole: v128, bound: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.pmin(bound, f32x4.pmax(f32x4.neg(bound), whole)))
}

// @ts-ignore: decorator
@inline
function storeFour(out: usize, q: v128): void {
  const narrow = i16x8.narrow_i32x4_s(q, q)
  v128.store32_lane(out, i8x16.narrow_i16x8_s(narrow, narrow), 0)
}

/** y = fl(fl(fl(c) 2^h) 2^(e - h)), e the sum of both operands' unit exponents and h its half, rounded down; NaN if an operand is not finite. Words: n, c, largest of A, of B, y. */
export function rescale(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const c = <usize>load<u32>(at, 4)
  const a = load<u32>(<usize>load<u32>(at, 8))
  const b = load<u32>(<usize>load<u32>(at, 12))
  const y = <usize>load<u32>(at, 16)
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const bad = a >= 0x7f800000 || b >= 0x7f800000
  const e = unitExponent(a) + unitExponent(b)
  const half = e >> 1
  const one = f32x4.splat(bad ? reinterpret<f32>(0x7fc00000) : powerOfTwo(half))
  const two = f32x4.splat(powerOfTwo(e - half))
  let i = first
  for (; i + 4 <= end; i += 4) {
    const at4 = <usize>i << 2
    const value = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(c + at4)), one), two)
    v128.store(y + at4, bad ? i32x4.splat(0x7fc00000) : value)
  }
  for (; i < end; i++) {
    const at1 = <usize>i << 2
    const value = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load32_splat(c + at1)), one), two)
    store<i32>(y + at1, bad ? 0x7fc00000 : i32x4.extract_lane(value, 0))
  }
}
