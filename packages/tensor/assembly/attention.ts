// Self-attention of one (sequence, head) after the other, so that scores stay in cache (docs/arithmetic/products.md, "Attention").

import { roundBf16 } from './bf16'
import { gemm, gemmInto, gemmScratchBytes } from './gemm'
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
    for (let i0: u32 = 0; i0 < time; i0 += step) {
      const rows = min(step, time - i0)
      const seen = causal ? i0 + rows : time
      const block = p + <usize>i0 * ldP
      gemm(rows, seen, size, q + <usize>i0 * ldQkv, ldQkv, true, k, ldQkv, true, block, ldP, scratch)
      for (let i: u32 = 0; i < rows; i++) {
        const row = block + <usize>i * ldP
        const length = causal ? i0 + i + 1 : time
        scaleRow(row, scale, length)
        softmaxRows(row, row, 0, 1, length)
        fillZeros(row + (<usize>length << 2), time - length)
      }
      if (rounded) roundBf16(block, block, rows * time)
      gemm(rows, size, seen, block, ldP, true, v, ldQkv, false, y + <usize>i0 * ldY, ldY, scratch)
    }
  }
}

/** Rows of a causal head that are multiplied together: what none of them sees is left out, and was zeros. Free. */
// @ts-ignore: decorator
@inline
function rowsTogether(causal: bool, time: u32): u32 {
  return causal ? min(64, max(16, ((time >> 2) + 3) & ~3)) : time
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
    for (let i0: u32 = 0; i0 < time; i0 += step) {
      const rows = min(step, time - i0)
      const seen = causal ? i0 + rows : time
      const block = scores + <usize>i0 * ldP
      gemm(rows, seen, size, dy + <usize>i0 * ldY, ldY, true, v, ldQkv, true, block, ldP, scratch)
      for (let i: u32 = 0; i < rows; i++) {
        const row = block + <usize>i * ldP
        const length = causal ? i0 + i + 1 : time
        softmaxBackwardRows(p + <usize>(i0 + i) * ldP, row, row, 0, 1, length)
        scaleRow(row, scale, length)
        if (rounded) roundBf16(row, row, length)
        fillZeros(row + (<usize>length << 2), seen - length)
      }
      gemm(rows, size, seen, block, ldP, true, k, ldQkv, false, dq + <usize>i0 * ldQkv, ldQkv, scratch)
    }
    for (let j0: u32 = 0; j0 < time; j0 += step) {
      const columns = min(step, time - j0)
      const first = causal ? j0 : 0
      sumOverRows(columns, size, first, time, p + (<usize>j0 << 2), ldP, dy, ldY, dv + <usize>j0 * ldQkv, ldQkv, scratch)
      sumOverRows(columns, size, first, time, scores + (<usize>j0 << 2), ldP, q, ldQkv, dk + <usize>j0 * ldQkv, ldQkv, scratch)
    }
  }
}

/** c[m, n] = sums over the rows [first, end) of a[row, m] b[row, n], in the chunks that begin at row 0. */
function sumOverRows(m: u32, n: u32, first: u32, end: u32, a: usize, lda: usize, b: usize, ldb: usize, c: usize, ldc: usize, scratch: usize): void {
  const next = min(end, (first & ~255) + 256)
  gemm(m, n, next - first, a + <usize>first * lda, lda, false, b + <usize>first * ldb, ldb, false, c, ldc, scratch)
  if (next < end) gemmInto(m, n, end - next, a + <usize>next * lda, lda, false, b + <usize>next * ldb, ldb, false, c, ldc, true, scratch)
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
