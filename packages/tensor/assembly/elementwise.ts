// One value in, one value out: order plays no part, so four lanes and a scalar tail give the bits of a plain loop.

/** y[rows,columns] += bias[columns]. */
export function addBias(y: usize, bias: usize, rows: u32, columns: u32): void {
  for (let i: u32 = 0; i < rows; i++) {
    let j: u32 = 0
    for (; j + 4 <= columns; j += 4) {
      const at = y + (<usize>j << 2)
      v128.store(at, f32x4.add(v128.load(at), v128.load(bias + (<usize>j << 2))))
    }
    for (; j < columns; j++) {
      const at = y + (<usize>j << 2)
      store<f32>(at, load<f32>(at) + load<f32>(bias + (<usize>j << 2)))
    }
    y += <usize>columns << 2
  }
}

/** x = x < 0 ? +0 : x. A NaN passes, so it reaches the loss and the iteration is seen to be invalid (A6). */
export function relu(x: usize, n: u32): void {
  const zero = f32x4.splat(0)
  const end4 = x + (<usize>(n & ~3) << 2)
  const end = x + (<usize>n << 2)
  for (; x < end4; x += 16) {
    const v = v128.load(x)
    v128.store(x, v128.andnot(v, f32x4.lt(v, zero)))
  }
  for (; x < end; x += 4) if (load<f32>(x) < 0) store<f32>(x, 0)
}

/** d = y > 0 ? d : +0, y being the layer's output. */
export function reluBackward(d: usize, y: usize, n: u32): void {
  const zero = f32x4.splat(0)
  const end4 = d + (<usize>(n & ~3) << 2)
  const end = d + (<usize>n << 2)
  for (; d < end4; d += 16, y += 16) v128.store(d, v128.and(v128.load(d), f32x4.gt(v128.load(y), zero)))
  for (; d < end; d += 4, y += 4) if (!(load<f32>(y) > 0)) store<f32>(d, 0)
}

/** y = y + a x. */
export function axpy(y: usize, x: usize, a: f32, n: u32): void {
  const va = f32x4.splat(a)
  const end4 = y + (<usize>(n & ~3) << 2)
  const end = y + (<usize>n << 2)
  for (; y < end4; y += 16, x += 16) v128.store(y, f32x4.add(v128.load(y), f32x4.mul(va, v128.load(x))))
  for (; y < end; y += 4, x += 4) store<f32>(y, load<f32>(y) + a * load<f32>(x))
}

/** y = u8 x * scale. */
export function scaleBytes(x: usize, y: usize, scale: f32, n: u32): void {
  const factor = f32x4.splat(scale)
  const end16 = x + <usize>(n & ~15)
  const end = x + <usize>n
  for (; x < end16; x += 16, y += 64) {
    const bytes = v128.load(x)
    const low = i16x8.extend_low_i8x16_u(bytes)
    const high = i16x8.extend_high_i8x16_u(bytes)
    v128.store(y, f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(low)), factor))
    v128.store(y, f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(low)), factor), 16)
    v128.store(y, f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(high)), factor), 32)
    v128.store(y, f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(high)), factor), 48)
  }
  for (; x < end; x++, y += 4) store<f32>(y, <f32>load<u8>(x) * scale)
}

/** y = f32 x * scale, in place. */
export function scaleFloats(y: usize, scale: f32, n: u32): void {
  const factor = f32x4.splat(scale)
  const end4 = y + (<usize>(n & ~3) << 2)
  const end = y + (<usize>n << 2)
  for (; y < end4; y += 16) v128.store(y, f32x4.mul(v128.load(y), factor))
  for (; y < end; y += 4) store<f32>(y, load<f32>(y) * scale)
}

/** 1 if no value is NaN or infinite: such values, and only they, have 0x7f800000 or more after the sign. */
export function allFinite(x: usize, n: u32): u32 {
  const magnitude = i32x4.splat(0x7fffffff)
  let top = i32x4.splat(0)
  let top1 = i32x4.splat(0)
  const end8 = x + (<usize>(n & ~7) << 2)
  const end = x + (<usize>n << 2)
  for (; x < end8; x += 32) {
    top = i32x4.max_u(top, v128.and(v128.load(x), magnitude))
    top1 = i32x4.max_u(top1, v128.and(v128.load(x, 16), magnitude))
  }
  for (; x < end; x += 4) top = i32x4.max_u(top, i32x4.splat(load<i32>(x) & 0x7fffffff))
  return v128.any_true(i32x4.ge_u(i32x4.max_u(top, top1), i32x4.splat(0x7f800000))) ? 0 : 1
}
