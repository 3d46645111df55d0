/**
 * The nearest bf16 number as binary32, ties to even; one below 2^-50 becomes a zero of its sign, so that neither products nor sums of such numbers are
 * subnormal. NaN is 0x7fc00000.
 */
export function roundBf16(x: number): number {
  float[0] = x
  const bits = word[0]!
  if ((bits & 0x7fffffff) > 0x7f800000) word[0] = 0x7fc00000
  else {
    word[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000
    if ((word[0]! & 0x7fffffff) < 0x26800000) word[0]! &= 0x80000000
  }
  return float[0]!
}

/**
 * One of the two bf16 numbers around x by the low 16 bits of a hash of (stream, index): up with the probability of what is cut off, so that the mean of
 * many is x. What is not finite stays.
 */
export function storeBf16(x: number, index: number, key: number): number {
  float[0] = x
  const bits = word[0]!
  if ((bits & 0x7f800000) === 0x7f800000) return x
  word[0] = (bits + (scramble(index ^ key) & 0xffff)) & 0xffff0000
  return float[0]!
}

/** A 32-bit mixing function (docs/arithmetic/bf16x.md). */
export function scramble(x: number): number {
  let h = x
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)
