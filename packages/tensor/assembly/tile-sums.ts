// The inner loops of products: sums of 4 x 8 or 4 x 16 outputs over a panel of A (4 rows) and one or two of B (8 columns each), which lie as the loop reads them. T is
// f32, or i16 for pairs of neighbours along k with int32 sums. Inlined where tiles are multiplied (tiles.ts, wide.ts). k is unrolled by 1: of 128 bits there are registers
// for eight sums, of 256 bits for sixteen halves.

/** c[4,8] = (or +=) the sum over `depth` steps, ascending, from 0. */
// @ts-ignore: decorator
@inline
export function sum8<T>(depth: u32, a: usize, b: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = i32x4.splat(0)
  let c01 = i32x4.splat(0)
  let c10 = i32x4.splat(0)
  let c11 = i32x4.splat(0)
  let c20 = i32x4.splat(0)
  let c21 = i32x4.splat(0)
  let c30 = i32x4.splat(0)
  let c31 = i32x4.splat(0)
  const end = a + (<usize>depth << 4)
  while (a < end) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const a0 = v128.load32_splat(a)
    c00 = step<T>(c00, a0, b0)
    c01 = step<T>(c01, a0, b1)
    const a1 = v128.load32_splat(a, 4)
    c10 = step<T>(c10, a1, b0)
    c11 = step<T>(c11, a1, b1)
    const a2 = v128.load32_splat(a, 8)
    c20 = step<T>(c20, a2, b0)
    c21 = step<T>(c21, a2, b1)
    const a3 = v128.load32_splat(a, 12)
    c30 = step<T>(c30, a3, b0)
    c31 = step<T>(c31, a3, b1)
    a += 16
    b += 32
  }
  put2<T>(c, c00, c01, add)
  put2<T>(c + ldc, c10, c11, add)
  put2<T>(c + 2 * ldc, c20, c21, add)
  put2<T>(c + 3 * ldc, c30, c31, add)
}

/** c[4,16] of two panels of B, b and d. */
// @ts-ignore: decorator
@inline
export function sum16<T>(depth: u32, a: usize, b: usize, d: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = i32x4.splat(0)
  let c01 = i32x4.splat(0)
  let c02 = i32x4.splat(0)
  let c03 = i32x4.splat(0)
  let c10 = i32x4.splat(0)
  let c11 = i32x4.splat(0)
  let c12 = i32x4.splat(0)
  let c13 = i32x4.splat(0)
  let c20 = i32x4.splat(0)
  let c21 = i32x4.splat(0)
  let c22 = i32x4.splat(0)
  let c23 = i32x4.splat(0)
  let c30 = i32x4.splat(0)
  let c31 = i32x4.splat(0)
  let c32 = i32x4.splat(0)
  let c33 = i32x4.splat(0)
  const end = a + (<usize>depth << 4)
  while (a < end) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const b2 = v128.load(d)
    const b3 = v128.load(d, 16)
    const a0 = v128.load32_splat(a)
    c00 = step<T>(c00, a0, b0)
    c01 = step<T>(c01, a0, b1)
    c02 = step<T>(c02, a0, b2)
    c03 = step<T>(c03, a0, b3)
    const a1 = v128.load32_splat(a, 4)
    c10 = step<T>(c10, a1, b0)
    c11 = step<T>(c11, a1, b1)
    c12 = step<T>(c12, a1, b2)
    c13 = step<T>(c13, a1, b3)
    const a2 = v128.load32_splat(a, 8)
    c20 = step<T>(c20, a2, b0)
    c21 = step<T>(c21, a2, b1)
    c22 = step<T>(c22, a2, b2)
    c23 = step<T>(c23, a2, b3)
    const a3 = v128.load32_splat(a, 12)
    c30 = step<T>(c30, a3, b0)
    c31 = step<T>(c31, a3, b1)
    c32 = step<T>(c32, a3, b2)
    c33 = step<T>(c33, a3, b3)
    a += 16
    b += 32
    d += 32
  }
  put4<T>(c, c00, c01, c02, c03, add)
  put4<T>(c + ldc, c10, c11, c12, c13, add)
  put4<T>(c + 2 * ldc, c20, c21, c22, c23, add)
  put4<T>(c + 3 * ldc, c30, c31, c32, c33, add)
}

// @ts-ignore: decorator
@inline
function step<T>(total: v128, a: v128, b: v128): v128 {
  return isFloat<T>() ? f32x4.add(total, f32x4.mul(a, b)) : i32x4.add(total, i32x4.dot_i16x8_s(a, b))
}

// @ts-ignore: decorator
@inline
function put2<T>(c: usize, x: v128, y: v128, add: bool): void {
  if (add) {
    x = sum<T>(v128.load(c), x)
    y = sum<T>(v128.load(c, 16), y)
  }
  v128.store(c, x)
  v128.store(c, y, 16)
}

/** A line is stored by one address: of two, V8 keeps sums in memory and is a third slower. */
// @ts-ignore: decorator
@inline
function put4<T>(c: usize, x: v128, y: v128, z: v128, w: v128, add: bool): void {
  if (add) {
    x = sum<T>(v128.load(c), x)
    y = sum<T>(v128.load(c, 16), y)
    z = sum<T>(v128.load(c, 32), z)
    w = sum<T>(v128.load(c, 48), w)
  }
  v128.store(c, x)
  v128.store(c, y, 16)
  v128.store(c, z, 32)
  v128.store(c, w, 48)
}

// @ts-ignore: decorator
@inline
function sum<T>(x: v128, y: v128): v128 {
  return isFloat<T>() ? f32x4.add(x, y) : i32x4.add(x, y)
}
