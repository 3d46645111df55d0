/** Spec 9.1 steps 4 to 8: r += g, d by strict comparison with tau, r -= tau d, w -= q d, words ascending. */
export function exchange(
  r: Float32Array,
  g: Float32Array,
  w: Float32Array,
  words: Uint32Array,
  tau: number,
  q: number,
): { count: number; overdrive: number } {
  let count = 0
  let overdrive = 0
  for (let i = 0; i < r.length; i++) {
    const sum = Math.fround(r[i]! + g[i]!)
    const d = sum > tau ? 1 : sum < -tau ? -1 : 0
    r[i] = d === 0 ? sum : Math.fround(sum - tau * d)
    if (d !== 0) {
      w[i] = Math.fround(w[i]! - q * d)
      words[count++] = d > 0 ? i | 0x80000000 : i
    }
    if (Math.abs(Math.fround(g[i]! - tau * d)) > tau) overdrive++
  }
  return { count, overdrive }
}

/** counts[index] += ±1 by word; the position of the first index >= params, or -1 */
export function countMap(words: Uint32Array, counts: Int32Array): number {
  for (let i = 0; i < words.length; i++) {
    const index = words[i]! & 0x7fffffff
    if (index >= counts.length) return i
    counts[index]! += words[i]! >>> 31 === 1 ? 1 : -1
  }
  return -1
}

/** w -= step * count where a listed coordinate has a count; the count is cleared as it is used. */
export function applyCounts(words: Uint32Array, counts: Int32Array, w: Float32Array, step: number): void {
  for (const word of words) {
    const index = word & 0x7fffffff
    const count = counts[index]!
    if (count === 0) continue
    w[index] = Math.fround(w[index]! - Math.fround(step * Math.fround(count)))
    counts[index] = 0
  }
}

/** Whether any listed coordinate has a count other than 0; clears the counts. */
export function takeCounts(words: Uint32Array, counts: Int32Array): boolean {
  let any = false
  for (const word of words) {
    const index = word & 0x7fffffff
    any ||= counts[index] !== 0
    counts[index] = 0
  }
  return any
}
