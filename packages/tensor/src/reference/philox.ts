/** Philox4x32-10 (Salmon et al., SC 2011). */
export function philox(counter: readonly [number, number, number, number], key0: number, key1: number): Uint32Array {
  let [c0, c1, c2, c3] = counter
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0)
    const low0 = Math.imul(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2)
    const low1 = Math.imul(0xcd9e8d57, c2)
    ;[c0, c1, c2, c3] = [high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0]
    key0 = (key0 + 0x9e3779b9) | 0
    key1 = (key1 + 0xbb67ae85) | 0
  }
  return Uint32Array.of(c0, c1, c2, c3)
}

/** x[i] = (word i >>> 8) 2^-24, counter = (i div 4, 0, tensor, 0), word i mod 4 (A25; an index has 31 bits, so "high" is 0). */
export function philoxUniform(x: Float32Array, key0: number, key1: number, tensor: number): void {
  for (let i = 0; i < x.length; i += 4) {
    const words = philox([i / 4, 0, tensor, 0], key0, key1)
    for (let lane = 0; lane < 4 && i + lane < x.length; lane++) x[i + lane] = (words[lane]! >>> 8) / 16777216
  }
}

/** The upper 32 bits of the unsigned product. */
function multiplyHigh(a: number, b: number): number {
  return Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n)
}
