import { exp4, log1 } from './exponential'
import { foldLanes } from './reductions'

/**
 * Softmax cross entropy by row: loss[i] = log(sum) - (x[label] - max), gradient[i] = e / sum - onehot(label).
 *
 * Not divided by the batch size: it is the gradient of the SUM loss (spec 9.1). gradient 0 leaves it out.
 * scratch: classes rounded up to 16 floats.
 */
export function softmaxCrossEntropy(logits: usize, labels: usize, gradient: usize, loss: usize, rows: u32, classes: u32, scratch: usize): void {
  const ld = <usize>classes << 2
  const padded = (classes + 15) & ~15
  // exp(-200) is +0, which a sum from +0 does not feel: the lanes past the last class.
  for (let j = classes; j < padded; j++) store<f32>(scratch + (<usize>j << 2), -200)
  const padding = scratch + (<usize>(padded - 16) << 2)
  for (let i: u32 = 0; i < rows; i++) {
    let top = load<f32>(logits)
    for (let j: u32 = 1; j < classes; j++) {
      const v = load<f32>(logits + (<usize>j << 2))
      top = v > top ? v : top
    }
    for (let j: u32 = 0; j < classes; j++) store<f32>(scratch + (<usize>j << 2), load<f32>(logits + (<usize>j << 2)) - top)
    const label = <usize>load<u8>(labels + i)
    const distance = load<f32>(scratch + (label << 2))

    let s0 = f32x4.splat(0)
    let s1 = f32x4.splat(0)
    let s2 = f32x4.splat(0)
    let s3 = f32x4.splat(0)
    for (let at = scratch; at <= padding; at += 64) {
      const e0 = exp4(v128.load(at))
      const e1 = exp4(v128.load(at, 16))
      const e2 = exp4(v128.load(at, 32))
      const e3 = exp4(v128.load(at, 48))
      s0 = f32x4.add(s0, e0)
      s1 = f32x4.add(s1, e1)
      s2 = f32x4.add(s2, e2)
      s3 = f32x4.add(s3, e3)
      if (gradient != 0) {
        storeUpTo(gradient, ld, at - scratch, e0)
        storeUpTo(gradient, ld, at - scratch + 16, e1)
        storeUpTo(gradient, ld, at - scratch + 32, e2)
        storeUpTo(gradient, ld, at - scratch + 48, e3)
      }
    }
    const sum = foldLanes(s0, s1, s2, s3)
    store<f32>(loss + (<usize>i << 2), log1(sum) - distance)
    if (gradient != 0) {
      let at = gradient
      const end = gradient + ld
      for (; at + 16 <= end; at += 16) v128.store(at, f32x4.div(v128.load(at), f32x4.splat(sum)))
      for (; at < end; at += 4) store<f32>(at, load<f32>(at) / sum)
      const hot = gradient + (label << 2)
      store<f32>(hot, load<f32>(hot) - 1)
      gradient += ld
    }
    logits += ld
  }
}

/** Stores the lanes that lie inside a row of `ld` bytes. */
// @ts-ignore: decorator
@inline
function storeUpTo(row: usize, ld: usize, offset: usize, v: v128): void {
  const to = row + offset
  if (offset + 16 <= ld) {
    v128.store(to, v)
  } else {
    if (offset < ld) v128.store_lane<f32>(to, v, 0)
    if (offset + 4 < ld) v128.store_lane<f32>(to + 4, v, 1)
    if (offset + 8 < ld) v128.store_lane<f32>(to + 8, v, 2)
  }
}
