// Self-attention of one (sequence, head) after the other, so that scores stay in cache (docs/arithmetic/products.md, "Attention").

import { roundBf16 } from './bf16'
import { gemm, gemmScratchBytes } from './gemm'
import { softmaxBackwardRows, softmaxRows } from './softmax-rows'
import { share } from './threads'

/** qkv[b, t, 3 d] to y[b, t, d], probabilities p[b, heads, t, t]. */
export function attend(at: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(at)
  const time = load<u32>(at, 4)
  const width = load<u32>(at, 8)
  const heads = load<u32>(at, 12)
  const causal = (load<u32>(at, 16) & 1) != 0
  const rounded = (load<u32>(at, 16) & 2) != 0
  const scale = load<f32>(at, 20)
  const size = width / heads
  const ldQkv = <usize>width * 12
  const ldY = <usize>width << 2
  const ldP = <usize>time << 2
  const scratch = <usize>load<u32>(at, 36) + <usize>thread * gemmScratchBytes()
  const end = share(batch * heads, 1, thread + 1, threads)
  for (let unit = share(batch * heads, 1, thread, threads); unit < end; unit++) {
    const b = unit / heads
    const column = <usize>((unit % heads) * size) << 2
    const q = <usize>load<u32>(at, 24) + <usize>b * time * ldQkv + column
    const k = q + ldY
    const v = k + ldY
    const p = <usize>load<u32>(at, 32) + <usize>unit * time * ldP
    gemm(time, time, size, q, ldQkv, true, k, ldQkv, true, p, ldP, scratch)
    for (let i: u32 = 0; i < time; i++) {
      const row = p + <usize>i * ldP
      const length = causal ? i + 1 : time
      scaleRow(row, scale, length)
      softmaxRows(row, row, 0, 1, length)
      memory.fill(row + (<usize>length << 2), 0, <usize>(time - length) << 2)
    }
    if (rounded) roundBf16(p, p, time * time)
    const y = <usize>load<u32>(at, 28) + <usize>b * time * ldY + column
    gemm(time, size, time, p, ldP, true, v, ldQkv, false, y, ldY, scratch)
  }
}

/** dqkv[b, t, 3 d] of dy[b, t, d], qkv and the probabilities. */
export function attendBackward(at: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(at)
  const time = load<u32>(at, 4)
  const width = load<u32>(at, 8)
  const heads = load<u32>(at, 12)
  const rounded = (load<u32>(at, 16) & 2) != 0
  const scale = load<f32>(at, 20)
  const size = width / heads
  const ldQkv = <usize>width * 12
  const ldY = <usize>width << 2
  const ldP = <usize>time << 2
  const square = (<usize>time * ldP + 63) & ~63
  const scratch = <usize>load<u32>(at, 40) + <usize>thread * (gemmScratchBytes() + square)
  const scores = scratch + gemmScratchBytes()
  const end = share(batch * heads, 1, thread + 1, threads)
  for (let unit = share(batch * heads, 1, thread, threads); unit < end; unit++) {
    const b = unit / heads
    const column = <usize>((unit % heads) * size) << 2
    const q = <usize>load<u32>(at, 24) + <usize>b * time * ldQkv + column
    const k = q + ldY
    const v = k + ldY
    const dq = <usize>load<u32>(at, 36) + <usize>b * time * ldQkv + column
    const dk = dq + ldY
    const dv = dk + ldY
    const p = <usize>load<u32>(at, 32) + <usize>unit * time * ldP
    const dy = <usize>load<u32>(at, 28) + <usize>b * time * ldY + column
    gemm(time, size, time, p, ldP, false, dy, ldY, false, dv, ldQkv, scratch)
    gemm(time, time, size, dy, ldY, true, v, ldQkv, true, scores, ldP, scratch)
    softmaxBackwardRows(p, scores, scores, 0, time, time)
    scaleRow(scores, scale, time * time)
    if (rounded) roundBf16(scores, scores, time * time)
    gemm(time, size, time, scores, ldP, true, k, ldQkv, false, dq, ldQkv, scratch)
    gemm(time, size, time, scores, ldP, false, q, ldQkv, false, dk, ldQkv, scratch)
  }
}

function scaleRow(x: usize, scale: f32, n: u32): void {
  const four = f32x4.splat(scale)
  const end = x + (<usize>n << 2)
  for (; x + 16 <= end; x += 16) v128.store(x, f32x4.mul(v128.load(x), four))
  for (; x < end; x += 4) store<f32>(x, load<f32>(x) * scale)
}
