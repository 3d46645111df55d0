import { sigmoid } from './activations.ts'
import { exp, log } from './exponential.ts'
import { sumLanes } from './reductions.ts'

const fl = Math.fround

/** What one output adds to its row's loss, and the gradient of that, for a row of n outputs. */
export type OutputLoss = (x: number, t: number, n: number, delta: number) => { readonly loss: number; readonly gradient: number }

export const binaryCrossEntropy: OutputLoss = (x, t) => {
  const e = exp(-Math.abs(x))
  const whole = fl(1 + e)
  return {
    loss: fl(fl((x < 0 ? 0 : x) - fl(x * t)) + log(whole)),
    gradient: fl(sigmoid(x) - t),
  }
}

export const meanSquaredError: OutputLoss = (p, t, n) => {
  const d = fl(p - t)
  return { loss: fl(d * d), gradient: fl(fl(d + d) / n) }
}

export const huber: OutputLoss = (p, t, n, delta) => {
  const d = fl(p - t)
  const size = Math.abs(d)
  return {
    loss: size <= delta ? fl(fl(0.5 * d) * d) : fl(delta * fl(size - fl(0.5 * delta))),
    gradient: fl((d > delta ? delta : d < -delta ? -delta : d) / n),
  }
}

/** loss[rows] and, if asked, the gradient of its sum; the gradient may lie where the predictions do. */
export function outputLoss(
  one: OutputLoss,
  mean: boolean,
  x: Float32Array,
  t: Float32Array,
  gradient: Float32Array | undefined,
  loss: Float32Array,
  delta: number,
): void {
  const outputs = x.length / loss.length
  const n = fl(outputs)
  const terms = new Float32Array(outputs)
  for (let i = 0; i < loss.length; i++) {
    for (let j = 0; j < outputs; j++) {
      const place = i * outputs + j
      const made = one(x[place]!, t[place]!, n, delta)
      terms[j] = made.loss
      if (gradient) gradient[place] = made.gradient
    }
    const sum = sumLanes(terms)
    loss[i] = mean ? fl(sum / n) : sum
  }
}
