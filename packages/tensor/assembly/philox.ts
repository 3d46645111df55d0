// Philox4x32-10 (Salmon et al., SC 2011): a counter-based generator, so any part of a tensor can be filled alone.

/** x[i] = (word i >>> 8) 2^-24, counter = (i div 4 low, high, tensor, 0), word i mod 4 (A25). */
export function philoxUniform(x: usize, n: u32, key0: u32, key1: u32, tensor: u32): void {
  for (let i: u32 = 0; i < n; i += 4) {
    const v = f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(philox(i >> 2, 0, tensor, 0, key0, key1), 8)), f32x4.splat(1.0 / 16777216.0))
    const at = x + (<usize>i << 2)
    if (n - i >= 4) {
      v128.store(at, v)
    } else {
      v128.store_lane<f32>(at, v, 0)
      if (n - i > 1) v128.store_lane<f32>(at + 4, v, 1)
      if (n - i > 2) v128.store_lane<f32>(at + 8, v, 2)
    }
  }
}

/** The four words of one counter, for the published test vectors. */
export function philoxWords(x: usize, c0: u32, c1: u32, c2: u32, c3: u32, key0: u32, key1: u32): void {
  v128.store(x, philox(c0, c1, c2, c3, key0, key1))
}

export function philox(c0: u32, c1: u32, c2: u32, c3: u32, key0: u32, key1: u32): v128 {
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>0xd2511f53 * <u64>c0
    const p1 = <u64>0xcd9e8d57 * <u64>c2
    c0 = <u32>(p1 >> 32) ^ c1 ^ key0
    c1 = <u32>p1
    c2 = <u32>(p0 >> 32) ^ c3 ^ key1
    c3 = <u32>p0
    key0 += 0x9e3779b9
    key1 += 0xbb67ae85
  }
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(c0), 1, c1), 2, c2), 3, c3)
}
