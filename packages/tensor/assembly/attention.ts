// Self-attention of one (sequence, head) after the other, so that scores stay in cache (docs/arithmetic/products.md, "Attention").

import { roundBf16 } from './bf16'
import { gemmPacked, gemmScratchBytes, packedBytes, packWhole } from './gemm'
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
  const scratch = <usize>load<u32>(at, 36) + <usize>thread * (gemmScratchBytes() + 2 * packedSquare(time, size))
  const packedK = scratch + gemmScratchBytes()
  const packedV = packedK + packedSquare(time, size)
  const step = rowsTogether(causal, time)
  const end = share(batch * heads, 1, thread + 1, threads)
  for (let unit = share(batch * heads, 1, thread, threads); unit < end; unit++) {
    const b = unit / heads
    const column = <usize>((unit % heads) * size) << 2
    const q = <usize>load<u32>(at, 24) + <usize>b * time * ldQkv + column
    const k = q + ldY
    const v = k + ldY
    const p = <usize>load<u32>(at, 32) + <usize>unit * time * ldP
    const y = <usize>load<u32>(at, 28) + <usize>b * time * ldY + column
    packWhole(time, size, k, ldQkv, true, packedK)
    packWhole(size, time, v, ldQkv, false, packedV)
    for (let i0: u32 = 0; i0 < time; i0 += step) {
      const rows = min(step, time - i0)
      const seen = causal ? i0 + rows : time
      const block = p + <usize>i0 * ldP
      gemmPacked(rows, seen, 0, size, q + <usize>i0 * ldQkv, ldQkv, true, packedK, time, size, block, ldP, scratch)
      for (let i: u32 = 0; i < rows; i++) {
        const row = block + <usize>i * ldP
        const length = causal ? i0 + i + 1 : time
        scaleRow(row, scale, length)
        softmaxRows(row, row, 0, 1, length)
        fillZeros(row + (<usize>length << 2), time - length)
      }
      if (rounded) roundBf16(block, block, rows * time)
      gemmPacked(rows, size, 0, seen, block, ldP, true, packedV, size, time, y + <usize>i0 * ldY, ldY, scratch)
    }
  }
}

/** Rows of a causal head that are multiplied together: what none of them sees is left out, and was zeros. Free. */
// @ts-ignore: decorator
@inline
function rowsTogether(causal: bool, time: u32): u32 {
  return causal ? min(64, max(8, ((time >> 3) + 3) & ~3)) : time
}

/** Bytes of a packed operand, whether its columns are time or the head's. */
// @ts-ignore: decorator
@inline
function packedSquare(time: u32, size: u32): usize {
  return packedBytes(time, (size + 7) & ~7)
}

/** dqkv[b, t, 3 d] of dy[b, t, d], qkv and the probabilities. */
export function attendBackward(at: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(at)
  const time = load<u32>(at, 4)
  const width = load<u32>(at, 8)
  const heads = load<u32>(at, 12)
  const causal = (load<u32>(at, 16) & 1) != 0
  const rounded = (load<u32>(at, 16) & 2) != 0
  const scale = load<f32>(at, 20)
  const step = rowsTogether(causal, time)
  const size = width / heads
  const ldQkv = <usize>width * 12
  const ldY = <usize>width << 2
  const ldP = <usize>time << 2
  const square = (<usize>time * ldP + 63) & ~63
  const scratch = <usize>load<u32>(at, 40) + <usize>thread * (gemmScratchBytes() + 2 * packedSquare(time, size) + square)
  const packed = scratch + gemmScratchBytes()
  const second = packed + packedSquare(time, size)
  const scores = second + packedSquare(time, size)
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
    packWhole(time, size, v, ldQkv, true, packed)
    packWhole(size, time, k, ldQkv, false, second)
    for (let i0: u32 = 0; i0 < time; i0 += step) {
      const rows = min(step, time - i0)
      const seen = causal ? i0 + rows : time
      const block = scores + <usize>i0 * ldP
      gemmPacked(rows, seen, 0, size, dy + <usize>i0 * ldY, ldY, true, packed, time, size, block, ldP, scratch)
      for (let i: u32 = 0; i < rows; i++) {
        const row = block + <usize>i * ldP
        const length = causal ? i0 + i + 1 : time
        softmaxBackwardRows(p + <usize>(i0 + i) * ldP, row, row, 0, 1, length)
        scaleRow(row, scale, length)
        if (rounded) roundBf16(row, row, length)
        fillZeros(row + (<usize>length << 2), seen - length)
      }
      gemmPacked(rows, size, 0, seen, block, ldP, true, second, size, time, dq + <usize>i0 * ldQkv, ldQkv, scratch)
    }
    packWhole(size, time, dy, ldY, false, packed)
    packWhole(size, time, q, ldQkv, false, second)
    for (let j0: u32 = 0; j0 < time; j0 += step) {
      const columns = min(step, time - j0)
      const first = causal ? j0 : 0
      gemmPacked(columns, size, first, time, p + (<usize>j0 << 2), ldP, false, packed, size, time, dv + <usize>j0 * ldQkv, ldQkv, scratch)
      gemmPacked(columns, size, first, time, scores + (<usize>j0 << 2), ldP, false, second, size, time, dk + <usize>j0 * ldQkv, ldQkv, scratch)
    }
  }
}

function scaleRow(x: usize, scale: f32, n: u32): void {
  const four = f32x4.splat(scale)
  const end = x + (<usize>n << 2)
  for (; x + 16 <= end; x += 16) v128.store(x, f32x4.mul(v128.load(x), four))
  for (; x < end; x += 4) store<f32>(x, load<f32>(x) * scale)
}

/** For rows so short that a call of memory.fill costs more. */
function fillZeros(to: usize, n: u32): void {
  const zero = f32x4.splat(0)
  const end = to + (<usize>n << 2)
  for (; to + 16 <= end; to += 16) v128.store(to, zero)
  for (; to < end; to += 4) store<f32>(to, 0)
}
