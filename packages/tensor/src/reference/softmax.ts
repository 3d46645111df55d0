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

/** y = e / S of rows. */
export function softmax(x: Float32Array, y: Float32Array, columns: number): void {
  for (let at = 0; at < x.length; at += columns) {
    let top = x[at]!
    for (let j = 1; j < columns; j++) if (x[at + j]! > top) top = x[at + j]!
    const e = x.slice(at, at + columns).map((value) => exp(Math.fround(value - top)))
    const sum = sumLanes(e)
    for (let j = 0; j < columns; j++) y[at + j] = e[j]! / sum
  }
}

/** dx = Math.fround(y Math.fround(d - s)), s = sum of Math.fround(d y) by lanes. */
export function softmaxBackward(y: Float32Array, d: Float32Array, dx: Float32Array, columns: number): void {
  for (let at = 0; at < y.length; at += columns) {
    const sum = sumLanes(d.slice(at, at + columns).map((value, j) => value * y[at + j]!))
    for (let j = at; j < at + columns; j++) dx[j] = y[j]! * Math.fround(d[j]! - sum)
  }
}
