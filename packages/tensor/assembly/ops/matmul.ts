import { attend, attendBackward } from '../attention'
import { gemm, gemmScratchBytes } from '../gemm'
import { share } from '../threads'

/** Family 1, products of matrices. 0x101: C[m,n] = A B for a grid of matrices with strides in bytes; 0x102 attention, 0x103 its backward pass. */
export function matmul(code: u32, at: usize, thread: u32, threads: u32): void {
  if (code == 0x102) {
    attend(at, thread, threads)
    return
  }
  if (code == 0x103) {
    attendBackward(at, thread, threads)
    return
  }
  if (code != 0x101) unreachable()
  const kind = load<u32>(at)
  const m = load<u32>(at, 4)
  const n = load<u32>(at, 8)
  const k = load<u32>(at, 12)
  const lda = <usize>load<u32>(at, 20)
  const ldc = <usize>load<u32>(at, 36)
  const outer = load<u32>(at, 44)
  const inner = load<u32>(at, 48)
  const aByRow = kind != 2
  const scratch = <usize>load<u32>(at, 40) + thread * gemmScratchBytes()
  // Threads share the rows of each product; several products would do as well, but rows are always enough for dense layers.
  const first = share(m, 4, thread, threads)
  const rows = share(m, 4, thread + 1, threads) - first
  if (rows == 0) return
  for (let o: u32 = 0; o < outer; o++) {
    for (let i: u32 = 0; i < inner; i++) {
      const a = <usize>load<u32>(at, 16) + o * load<u32>(at, 52) + i * load<u32>(at, 56) + (aByRow ? <usize>first * lda : <usize>first << 2)
      const b = <usize>load<u32>(at, 24) + o * load<u32>(at, 60) + i * load<u32>(at, 64)
      const c = <usize>load<u32>(at, 32) + o * load<u32>(at, 68) + i * load<u32>(at, 72) + <usize>first * ldc
      gemm(rows, n, k, a, lda, aByRow, b, <usize>load<u32>(at, 28), kind == 0, c, ldc, scratch)
    }
  }
}
