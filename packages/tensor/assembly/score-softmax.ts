// Softmax of attention scores that lie apart from their products (profile int8x); as in attention.ts, row by row.

import { softmaxBackwardRows, softmaxRows } from './softmax-rows'
import { share } from './threads'

/** Words: units (sequences x heads), time, causal, bits of the scale, scores [units, time, time], probabilities (may be the same place). */
export function scoreSoftmax(at: usize, thread: u32, threads: u32): void {
  const units = load<u32>(at)
  const time = load<u32>(at, 4)
  const causal = load<u32>(at, 8) != 0
  const scale = load<f32>(at, 12)
  const size = (<usize>time * time) << 2
  const end = share(units, 1, thread + 1, threads)
  for (let unit = share(units, 1, thread, threads); unit < end; unit++) {
    const s = <usize>load<u32>(at, 16) + <usize>unit * size
    const p = <usize>load<u32>(at, 20) + <usize>unit * size
    for (let i: u32 = 0; i < time; i++) {
      const row = (<usize>i * time) << 2
      const length = causal ? i + 1 : time
      scaled(s + row, p + row, scale, length)
      softmaxRows(p + row, p + row, 0, 1, length)
      memory.fill(p + row + (<usize>length << 2), 0, <usize>(time - length) << 2)
    }
  }
}

/** Words: units, time, bits of the scale, probabilities, their gradients, gradients of the scores before scaling (may be the place of the gradients). */
export function scoreSoftmaxBackward(at: usize, thread: u32, threads: u32): void {
  const units = load<u32>(at)
  const time = load<u32>(at, 4)
  const size = (<usize>time * time) << 2
  const end = share(units, 1, thread + 1, threads)
  for (let unit = share(units, 1, thread, threads); unit < end; unit++) {
    const offset = <usize>unit * size
    const out = <usize>load<u32>(at, 20) + offset
    softmaxBackwardRows(<usize>load<u32>(at, 12) + offset, <usize>load<u32>(at, 16) + offset, out, 0, time, time)
    scaled(out, out, load<f32>(at, 8), time * time)
  }
}

function scaled(x: usize, y: usize, scale: f32, n: u32): void {
  const four = f32x4.splat(scale)
  const end = x + (<usize>n << 2)
  for (; x + 16 <= end; x += 16, y += 16) v128.store(y, f32x4.mul(v128.load(x), four))
  for (; x < end; x += 4, y += 4) store<f32>(y, load<f32>(x) * scale)
}
