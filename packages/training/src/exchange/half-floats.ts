/** Sixteen-bit floats to binary32; each of them is one, so nothing is rounded. */

/** IEEE 754 binary16. */
export function floatsOfHalves(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length)
  const words = new Uint32Array(values.buffer)
  for (const [i, half] of halves.entries()) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 31
    const fraction = half & 1023
    // A subnormal is a multiple of 2^-24.
    if (exponent === 0) values[i] = (sign === 0 ? 1 : -1) * fraction * 5.9604644775390625e-8
    else words[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13)
  }
  return values
}

/** bfloat16: the upper half of a binary32. */
export function floatsOfTruncated(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length)
  const words = new Uint32Array(values.buffer)
  for (const [i, half] of halves.entries()) words[i] = half << 16
  return values
}
