import { attend, attendBackward } from '../attention.ts'
import { gemm } from '../gemm.ts'
import type { ReferenceMemory } from '../memory.ts'

/** Family 1. */
export function matmul(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  if (code === 0x102) return attend(args, memory)
  if (code === 0x103) return attendBackward(args, memory)
  if (code !== 0x101) throw new RangeError(`matmul: unknown operation ${code}`)
  const [kind, m, n, k, a, lda, b, ldb, c, ldc, , outer, inner, ao, ai, bo, bi, co, ci] = Array.from(args) as [
    number,
    number,
    number,
    ...number[],
  ]
  const all = (at: number) => memory.f32(at, (memory.bytes - at) >> 2)
  for (let o = 0; o < outer!; o++) {
    for (let i = 0; i < inner!; i++) {
      gemm(
        m,
        n,
        k!,
        all(a! + o * ao! + i * ai!),
        kind === 2 ? 1 : lda! / 4,
        kind === 2 ? lda! / 4 : 1,
        all(b! + o * bo! + i * bi!),
        kind === 0 ? 1 : ldb! / 4,
        kind === 0 ? ldb! / 4 : 1,
        all(c! + o * co! + i * ci!),
        ldc! / 4,
      )
    }
  }
}
