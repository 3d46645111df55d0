/** A product of int8 matrices as profile `int8x` computes it: C[m,n] = A[m,k] B[n,k]ᵀ. */
export interface ClaimedProduct {
  readonly a: Int8Array
  readonly b: Int8Array
  readonly c: Int32Array
  readonly m: number
  readonly n: number
  readonly k: number
}

/** The smallest prime above 2^32: no two int32 numbers differ by a multiple of it. */
const PRIME = 4_294_967_311
/** Drawn numbers are below this. */
const DRAWN = 2 ** 20
/** So many int8 numbers times one below 2^33 stay exact. */
const EXACT_TERMS = 4096

/**
 * Freivalds' check (1977): whether C = A Bᵀ over the whole numbers, with m n + n k + m k multiplications a round instead of m n k.
 *
 * A round draws r[n], numbers below 2^20, and compares C r with A (Bᵀ r) modulo 2^32 + 15. A right product always passes. A wrong one passes a round with a
 * probability of at most 2^-20: whatever the other numbers are, one value of r at the wrong place makes both sides equal.
 *
 * @param draw answers a number from 0 to below its argument, all alike, which nobody could foresee who claimed the product
 * @throws RangeError if an array has another size than its extents say
 */
export function freivalds({ a, b, c, m, n, k }: ClaimedProduct, draw: (below: number) => number, rounds = 2): boolean {
  for (const [name, array, size] of [
    ['A', a, m * k],
    ['B', b, n * k],
    ['C', c, m * n],
  ] as const)
    if (array.length !== size) throw new RangeError(`freivalds: ${name}: expected ${size} numbers, received ${array.length}`)
  const r = new Float64Array(n)
  const s = new Float64Array(k)
  for (let round = 0; round < rounds; round++) {
    for (let j = 0; j < n; j++) r[j] = draw(DRAWN)
    // 127 x 2^20 x n is exact for any n that fits a memory.
    s.fill(0)
    for (let j = 0; j < n; j++) for (let p = 0; p < k; p++) s[p] = s[p]! + b[j * k + p]! * r[j]!
    for (let p = 0; p < k; p++) s[p] = s[p]! % PRIME
    for (let i = 0; i < m; i++) if ((rowTimes(c, i * n, r) - rowSum(a, i * k, s)) % PRIME !== 0) return false
  }
  return true
}

/** A row of C times r, modulo the prime: halves of 16 bits apart, whose sums are exact for rows of up to 2^17. */
function rowTimes(c: Int32Array, at: number, r: Float64Array): number {
  let total = 0
  for (let from = 0; from < r.length; from += DRAWN / 8) {
    let [high, low] = [0, 0]
    for (let j = from; j < Math.min(r.length, from + DRAWN / 8); j++) {
      const number = c[at + j]!
      high += (number >> 16) * r[j]!
      low += (number & 0xffff) * r[j]!
    }
    total = (total + (high % PRIME) * 65536 + low) % PRIME
  }
  return total
}

/** A row of A times s, modulo the prime. */
function rowSum(a: Int8Array, at: number, s: Float64Array): number {
  let sum = 0
  for (let from = 0; from < s.length; from += EXACT_TERMS) {
    sum %= PRIME
    for (let p = from; p < Math.min(s.length, from + EXACT_TERMS); p++) sum += a[at + p]! * s[p]!
  }
  return sum % PRIME
}
