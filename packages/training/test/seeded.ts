/** A small seeded stream for test data (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Values of many sizes and both signs, with zeros of both signs and, if asked, subnormals. */
export function values(n: number, random: () => number, special = true): Float32Array {
  return Float32Array.from({ length: n }, () => {
    const kind = random()
    if (special && kind < 0.05) return 0
    if (special && kind < 0.1) return -0
    if (special && kind < 0.12) return (random() - 0.5) * 1e-39
    return (random() - 0.5) * 2 ** Math.floor(random() * 12 - 6)
  })
}

/** The words of an array of floats, every NaN as one word: its bits are not portable (A6). */
export function bits(x: Float32Array): Uint32Array {
  return Uint32Array.from(new Uint32Array(x.slice().buffer), (word, i) => (Number.isNaN(x[i]) ? 0x7fc00000 : word))
}
