import { roundBf16 } from './bf16.ts'
import { gemm } from './gemm.ts'
import { bitsFloat, type ReferenceMemory } from './memory.ts'
import { softmax, softmaxBackward } from './softmax.ts'

const fl = Math.fround

/** Calls back for each (sequence, head) with its views; rows of q, k, v are 3 width apart, those of y width. */
function forHeads(
  args: Uint32Array,
  use: (unit: number, start: number, row: number, sizes: { time: number; size: number; width: number }) => void,
): void {
  const [batch, time, width, heads] = Array.from(args) as [number, number, number, number]
  const size = width / heads
  for (let unit = 0; unit < batch * heads; unit++) {
    const [b, column] = [Math.floor(unit / heads), (unit % heads) * size]
    use(unit, b * time * 3 * width + column, b * time * width + column, { time, size, width })
  }
}

export function attend(args: Uint32Array, memory: ReferenceMemory): void {
  const [batch, allTime, allWidth, heads, causal, scaleBits, qkvAt, yAt, pAt] = Array.from(args) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const scale = bitsFloat(scaleBits)
  const qkv = memory.f32(qkvAt, batch * allTime * 3 * allWidth)
  const y = memory.f32(yAt, batch * allTime * allWidth)
  const all = memory.f32(pAt, batch * heads * allTime * allTime)
  forHeads(args, (unit, q, to, { time, size, width }) => {
    const p = all.subarray(unit * time * time, (unit + 1) * time * time)
    gemm(time, time, size, qkv.subarray(q), 3 * width, 1, qkv.subarray(q + width), 1, 3 * width, p)
    for (let i = 0; i < time; i++) {
      const length = (causal & 1) !== 0 ? i + 1 : time
      const row = p.subarray(i * time, i * time + length)
      for (let j = 0; j < length; j++) row[j] = fl(row[j]! * scale)
      softmax(row, row, length)
      p.fill(0, i * time + length, (i + 1) * time)
    }
    if ((causal & 2) !== 0) for (const [i, value] of p.entries()) p[i] = roundBf16(value)
    gemm(time, size, time, p, time, 1, qkv.subarray(q + 2 * width), 3 * width, 1, y.subarray(to), width)
  })
}

export function attendBackward(args: Uint32Array, memory: ReferenceMemory): void {
  const [batch, allTime, allWidth, heads, flags, scaleBits, qkvAt, dyAt, pAt, dqkvAt] = Array.from(args) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const scale = bitsFloat(scaleBits)
  const qkv = memory.f32(qkvAt, batch * allTime * 3 * allWidth)
  const dqkv = memory.f32(dqkvAt, batch * allTime * 3 * allWidth)
  const allDy = memory.f32(dyAt, batch * allTime * allWidth)
  const all = memory.f32(pAt, batch * heads * allTime * allTime)
  forHeads(args, (unit, q, from, { time, size, width }) => {
    const p = all.subarray(unit * time * time, (unit + 1) * time * time)
    const dy = allDy.subarray(from)
    const ld = 3 * width
    gemm(time, size, time, p, 1, time, dy, width, 1, dqkv.subarray(q + 2 * width), ld)
    const scores = new Float32Array(time * time)
    gemm(time, time, size, dy, width, 1, qkv.subarray(q + 2 * width), 1, ld, scores)
    softmaxBackward(p, scores, scores, time)
    for (let i = 0; i < scores.length; i++) scores[i] = fl(scores[i]! * scale)
    if ((flags & 2) !== 0) for (const [i, value] of scores.entries()) scores[i] = roundBf16(value)
    gemm(time, size, time, scores, time, 1, qkv.subarray(q + width), ld, 1, dqkv.subarray(q), ld)
    gemm(time, size, time, scores, 1, time, qkv.subarray(q), ld, 1, dqkv.subarray(q + width), ld)
  })
}
