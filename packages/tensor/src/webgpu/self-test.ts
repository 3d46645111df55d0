import { createBackend } from '../backend.ts'
import { scramble } from '../reference/bf16.ts'
import type { Gpu, GpuProduct } from './gpu.ts'

const whole = { outer: 1, inner: 1, steps: [0, 0, 0, 0, 0, 0], sum: false, offsets: [0, 0] } as const

/** Products of every kind: sizes that fill tiles and such that do not, grids, sums along a grid, parts of larger matrices, and the longest sum there is. */
const PRODUCTS: readonly (readonly [product: GpuProduct, a: number, b: number, c: number])[] = [
  [{ ...whole, kind: 0, m: 1, n: 1, k: 1, lda: 1, ldb: 1, ldc: 1 }, 1, 1, 1],
  [{ ...whole, kind: 0, m: 37, n: 21, k: 65, lda: 65, ldb: 65, ldc: 21 }, 37 * 65, 21 * 65, 37 * 21],
  [{ ...whole, kind: 1, m: 16, n: 48, k: 33, lda: 33, ldb: 48, ldc: 48 }, 16 * 33, 33 * 48, 16 * 48],
  [{ ...whole, kind: 2, m: 19, n: 5, k: 70, lda: 19, ldb: 5, ldc: 5 }, 70 * 19, 70 * 5, 19 * 5],
  [{ ...whole, kind: 0, m: 2, n: 3, k: 133_144, lda: 133_144, ldb: 133_144, ldc: 3 }, 2 * 133_144, 3 * 133_144, 6],
  // Two sequences of three heads of width 4 in rows of 36, queries against keys.
  [
    {
      kind: 0,
      m: 7,
      n: 7,
      k: 4,
      lda: 36,
      ldb: 36,
      ldc: 7,
      outer: 2,
      inner: 3,
      steps: [252, 4, 252, 4, 147, 49],
      sum: false,
      offsets: [0, 12],
    },
    504,
    504,
    294,
  ],
  // A convolution's weight gradient: five images, two groups.
  [
    {
      kind: 0,
      m: 3,
      n: 18,
      k: 25,
      lda: 25,
      ldb: 25,
      ldc: 18,
      outer: 5,
      inner: 2,
      steps: [150, 75, 900, 450, 0, 54],
      sum: true,
      offsets: [0, 0],
    },
    750,
    4500,
    108,
  ],
]

/**
 * Runs every product on the device and in WebAssembly, with numbers of the whole range and with the two largest ones alone, and answers what differs first.
 */
export async function selfTest(gpu: Gpu): Promise<string | undefined> {
  for (const [i, [product, aSize, bSize, cSize]] of PRODUCTS.entries()) {
    for (const extreme of [false, true]) {
      const draw = (size: number, seed: number) =>
        Int8Array.from({ length: size }, (_, at) => {
          const word = scramble(at ^ scramble(seed + i))
          return extreme ? (word & 1 ? 127 : -127) : (word % 255) - 127
        })
      const [a, b] = [draw(aSize, 1), draw(bSize, 1_000_000)]
      const expected = inWebAssembly(product, a, b, cSize)
      const found = await gpu.product(product, a, b, cSize)
      const wrong = expected.findIndex((value, at) => found[at] !== value)
      if (wrong >= 0) return `product ${i + 1}, number ${wrong}: expected ${expected[wrong]}, received ${found[wrong]}`
    }
  }
  return undefined
}

/** One product by the kernels of this package. */
function inWebAssembly(product: GpuProduct, a: Int8Array, b: Int8Array, size: number): Int32Array {
  const { kind, m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets } = product
  const up = (bytes: number) => Math.ceil(bytes / 64) * 64
  const at = { program: 32_768, a: 33_792, b: 33_792 + up(a.length), c: 0, scratch: 0 }
  at.c = at.b + up(b.length)
  at.scratch = at.c + up(4 * size)
  const { memory, kernels } = createBackend('wasm', at.scratch + 2 ** 20)
  new Int8Array(memory).set(a, at.a)
  new Int8Array(memory).set(b, at.b)
  const [ao, ai, bo, bi, co, ci] = steps as [number, number, number, number, number, number]
  const words = [kind, m, n, k, at.a + offsets[0], lda, at.b + offsets[1], ldb, at.c, 4 * ldc, at.scratch, outer, inner]
  const program = [0x803, 22, ...words, ao, ai, bo, bi, 4 * co, 4 * ci, sum ? 1 : 0]
  new Uint32Array(memory, at.program).set(program)
  kernels.run(at.program, at.program + 4 * program.length, 1)
  return new Int32Array(memory, at.c, size).slice()
}
