import { sumLanes } from './reductions.ts'

const fl = Math.fround

/** 1 / sqrt(variance + epsilon). */
export function inverseDeviation(variance: number, epsilon: number): number {
  return fl(1 / fl(Math.sqrt(fl(variance + epsilon))))
}

/** Sum by lanes of (x - mean)^2. */
export function centredSquares(x: Float32Array, mean: number): number {
  return sumLanes(x.map((value) => fl(value - mean) * fl(value - mean)))
}

/** Sums by lanes of d and of d (x - mean). */
export function gradientSums(x: Float32Array, d: Float32Array, mean: number): readonly [number, number] {
  return [sumLanes(d), sumLanes(d.map((value, j) => value * fl(x[j]! - mean)))]
}

/** Terms in chunks of 256, each ascending from +0; the first sum is kept, the others are added. */
export function chunkedSum(n: number, term: (i: number) => number): number {
  let total = 0
  for (let i0 = 0; i0 < n; i0 += 256) {
    let sum = 0
    for (let i = i0; i < Math.min(n, i0 + 256); i++) sum = fl(sum + term(i))
    total = i0 === 0 ? sum : fl(total + sum)
  }
  return total
}

/** y = (x - mean) k + b. */
export function normalizeRun(x: Float32Array, y: Float32Array, mean: number, k: number, b: number): void {
  for (let j = 0; j < x.length; j++) y[j] = fl(fl(x[j]! - mean) * k) + b
}

/** dx = k ((d g - a) - (x - mean) q). */
export function gradientRun(
  x: Float32Array,
  d: Float32Array,
  dx: Float32Array,
  { mean, g, k, a, q }: { mean: number; g: number; k: number; a: number; q: number },
): void {
  for (let j = 0; j < x.length; j++) dx[j] = k * fl(fl(fl(d[j]! * g) - a) - fl(fl(x[j]! - mean) * q))
}
