/** Errors of predictions, binary64. */
export interface RegressionScores {
  /** Mean of (p - t)^2. */
  readonly meanSquaredError: number
  /** Mean of |p - t|. */
  readonly meanAbsoluteError: number
  /** 1 - residual / total squares of each output, the mean of all outputs; 1 is perfect, 0 as good as the mean of the targets. */
  readonly r2: number
}

/**
 * Scores of predictions against targets, float32 `[rows, outputs]` each.
 *
 * d = p - t in binary64; sums of d d and |d| ascend over all numbers from +0 and are divided once. For each output: mean = sum t / rows, total = sum of
 * (t - mean)^2, residual = sum of d d, rows ascending; 1 - residual / total. Where all targets of an output are equal, total is 0 and there is nothing to explain: 1 if
 * residual is 0 too, else 0. The outputs' r2 add in order and are divided once. NaN and infinity reach the scores.
 *
 * @param outputs numbers in a row
 * @throws RangeError for no rows, or sizes that disagree
 */
export function regressionScores(predictions: Float32Array, targets: Float32Array, outputs = 1): RegressionScores {
  const n = targets.length
  if (!Number.isInteger(outputs) || outputs < 1)
    throw new RangeError(`regressionScores: expected a positive integer of outputs, received ${outputs}`)
  if (n === 0 || n % outputs !== 0 || predictions.length !== n)
    throw new RangeError(`regressionScores: expected two arrays [rows, ${outputs}], received ${predictions.length} and ${n} numbers`)
  let squares = 0
  let sizes = 0
  for (let i = 0; i < n; i++) {
    const d = predictions[i]! - targets[i]!
    squares += d * d
    sizes += Math.abs(d)
  }
  let r2 = 0
  for (let output = 0; output < outputs; output++) r2 += explained(predictions, targets, output, outputs)
  return { meanSquaredError: squares / n, meanAbsoluteError: sizes / n, r2: r2 / outputs }
}

function explained(predictions: Float32Array, targets: Float32Array, first: number, step: number): number {
  let sum = 0
  for (let i = first; i < targets.length; i += step) sum += targets[i]!
  const mean = sum / (targets.length / step)
  let residual = 0
  let total = 0
  for (let i = first; i < targets.length; i += step) {
    const d = predictions[i]! - targets[i]!
    const t = targets[i]! - mean
    residual += d * d
    total += t * t
  }
  if (total === 0 && Number.isFinite(residual)) return residual === 0 ? 1 : 0
  return 1 - residual / total
}
