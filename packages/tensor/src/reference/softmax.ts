import { exp, log } from './exponential.ts'
import { sumLanes } from './reductions.ts'

/** loss[i] = log(sum) - (x[label] - max), gradient[i] = e / sum - onehot(label): the gradient of the SUM loss. */
export function softmaxCrossEntropy(
  logits: Float32Array,
  labels: ArrayLike<number>,
  gradient: Float32Array | undefined,
  loss: Float32Array,
  rows: number,
  classes: number,
): void {
  const e = new Float32Array(classes)
  for (let i = 0; i < rows; i++) {
    const x = logits.subarray(i * classes, (i + 1) * classes)
    const label = labels[i]!
    let top = x[0]!
    for (let j = 1; j < classes; j++) if (x[j]! > top) top = x[j]!
    for (let j = 0; j < classes; j++) e[j] = exp(Math.fround(x[j]! - top))
    const sum = sumLanes(e)
    loss[i] = Math.fround(log(sum) - Math.fround(x[label]! - top))
    if (!gradient) continue
    for (let j = 0; j < classes; j++) gradient[i * classes + j] = Math.fround(e[j]! / sum)
    gradient[i * classes + label]! -= 1
  }
}
