import { createBackend } from '../backend.ts'
import { scramble } from '../reference/bf16.ts'
import { bitsFloat } from '../reference/memory.ts'
import type { Gpu, GpuNumbers, GpuProduct } from './gpu.ts'

/** A product with how many numbers its operands and its result have. */
type Tried = readonly [product: GpuProduct, a: number, b: number, c: number]
type Three = readonly [number, number, number]

/** One product of whole matrices. */
function whole(kind: GpuProduct['kind'], [m, n, k]: Three): Tried {
  const [lda, ldb] = [kind === 2 ? m : k, kind === 0 ? k : n]
  const product = { kind, m, n, k, lda, ldb, ldc: n, outer: 1, inner: 1, steps: [0, 0, 0, 0, 0, 0], sum: false, offsets: [0, 0] } as const
  return [product, m * k, n * k, m * n]
}

/** Several along outer and inner, from rows of these lengths. */
function grid(
  kind: GpuProduct['kind'],
  [m, n, k]: Three,
  [lda, ldb, ldc]: Three,
  [outer, inner]: readonly [number, number],
  steps: readonly number[],
  sizes: Three,
  { offsets = [0, 0], sum = false }: Partial<Pick<GpuProduct, 'offsets' | 'sum'>> = {},
): Tried {
  return [{ kind, m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets }, ...sizes]
}

/** Two sequences of three heads of width 4 in rows of 36, queries against keys. */
const HEADS = grid(0, [7, 7, 4], [36, 36, 7], [2, 3], [252, 4, 252, 4, 147, 49], [504, 504, 294], { offsets: [0, 12] })

/** Products of every kind: sizes that fill tiles and such that do not, grids, sums along a grid, parts of larger matrices, and the longest sum there is. */
const INT8_PRODUCTS: readonly Tried[] = [
  whole(0, [1, 1, 1]),
  whole(0, [37, 21, 65]),
  whole(1, [16, 48, 33]),
  whole(2, [19, 5, 70]),
  whole(0, [2, 3, 133_144]),
  HEADS,
  // A convolution's weight gradient: five images, two groups.
  grid(0, [3, 18, 25], [25, 25, 18], [5, 2], [150, 75, 900, 450, 0, 54], [750, 4500, 108], { sum: true }),
]

/** Products of all kinds: within a chunk of 256 terms, over its end, over several; grids of heads and of images. */
const BF16_PRODUCTS: readonly Tried[] = [
  whole(0, [1, 1, 1]),
  whole(0, [37, 21, 65]),
  whole(1, [16, 48, 257]),
  whole(2, [19, 5, 256]),
  whole(0, [9, 18, 1031]),
  HEADS,
  // Probabilities of the same heads, transposed, times rows.
  grid(2, [7, 4, 7], [7, 12, 12], [2, 3], [147, 49, 84, 4, 84, 4], [294, 168, 168]),
  // Three images of two groups: a weight times columns of more than 256 terms, and the weight gradients of the second and third.
  grid(1, [3, 20, 270], [270, 20, 20], [3, 2], [0, 810, 10_800, 5_400, 120, 60], [1620, 32_400, 360]),
  grid(0, [3, 18, 25], [25, 25, 18], [2, 2], [150, 75, 900, 450, 108, 54], [450, 2700, 216], { offsets: [150, 900] }),
]

type Draw = (word: number, left: boolean) => number

const INTEGERS: readonly Draw[] = [(word) => (word % 255) - 127, (word) => (word & 1 ? 127 : -127)]

/** A bf16 number with an exponent of `count` ones from `least` on, from the bits of a word. */
const bf16 = (word: number, least: number, count: number) =>
  bitsFloat((word & 0x8000_0000) | ((least + 127 + ((word >>> 8) % count)) << 23) | (word & 0x007f_0000))

/**
 * bf16 numbers that tell apart what may differ: sums in any order, of numbers close to one another, far apart and of the least that operands have; sums that cancel; zeros of both
 * signs; sums that overflow.
 */
const BF16: readonly Draw[] = [
  (word) => bf16(word, -2, 3),
  (word) => bf16(word, -50, 70),
  (word) => bf16(word, -50, 8),
  (word, left) => (left ? bf16(word, 0, 1) : bf16(word & 0x8000_0000, 0, 1)),
  (word) => (word % 3 === 0 ? bitsFloat(word & 0x8000_0000) : bf16(word, -1, 2)),
  (word) => bf16(word, 58, 5),
]

/**
 * Runs every product on the device and in WebAssembly, with numbers of several kinds, and answers what differs first. Infinities are compared, NaN is told
 * from numbers, but its bits are nobody's.
 */
export async function selfTest(gpu: Gpu): Promise<string | undefined> {
  const integers = gpu.profile === 'int8x'
  for (const [i, [product, aSize, bSize, cSize]] of (integers ? INT8_PRODUCTS : BF16_PRODUCTS).entries()) {
    for (const [kind, draw] of (integers ? INTEGERS : BF16).entries()) {
      const numbers = (size: number, seed: number): GpuNumbers => {
        const drawn = (_: unknown, at: number) => draw(scramble(at ^ scramble(seed + i)), seed === 1)
        return integers ? Int8Array.from({ length: size }, drawn) : Float32Array.from({ length: size }, drawn)
      }
      const [a, b] = [numbers(aSize, 1), numbers(bSize, 1_000_000)]
      const expected = inWebAssembly(product, a, b, cSize)
      const found = await gpu.product(product, a, b, cSize)
      const wrong = expected.findIndex((word, at) => found[at] !== word && !(!integers && isNaNWord(word) && isNaNWord(found[at]!)))
      const said = (word: number) => (integers ? `${word | 0}` : `0x${word.toString(16).padStart(8, '0')}`)
      if (wrong >= 0)
        return `product ${i + 1}, numbers ${kind + 1}, place ${wrong}: expected ${said(expected[wrong]!)}, received ${said(found[wrong]!)}`
    }
  }
  return undefined
}

const isNaNWord = (word: number) => (word & 0x7fff_ffff) > 0x7f80_0000

/** Words of one product by the kernels of this package. */
function inWebAssembly(product: GpuProduct, a: GpuNumbers, b: GpuNumbers, size: number): Uint32Array {
  const { kind, m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets } = product
  const integers = a instanceof Int8Array
  const up = (bytes: number) => Math.ceil(bytes / 64) * 64
  const at = { program: 32_768, a: 33_792, b: 33_792 + up(a.byteLength), c: 0, scratch: 0 }
  at.c = at.b + up(b.byteLength)
  at.scratch = at.c + up(4 * size)
  const { memory, kernels } = createBackend('wasm', at.scratch + 2 ** 20)
  const place = (numbers: GpuNumbers, byte: number) =>
    new Uint8Array(memory).set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), byte)
  place(a, at.a)
  place(b, at.b)
  // An instruction of binary32 counts rows in bytes.
  const wide = integers ? 1 : 4
  const [ao, ai, bo, bi, co, ci] = steps.map((step, i) => step * (i < 4 ? wide : 4)) as [number, number, number, number, number, number]
  const [left, right] = [at.a + wide * offsets[0], at.b + wide * offsets[1]]
  const words = [kind, m, n, k, left, wide * lda, right, wide * ldb, at.c, 4 * ldc, at.scratch, outer, inner, ao, ai, bo, bi, co, ci]
  const program = integers ? [0x803, 22, ...words, sum ? 1 : 0] : [0x101, 21, ...words]
  new Uint32Array(memory, at.program).set(program)
  kernels.run(at.program, at.program + 4 * program.length, 1)
  return new Uint32Array(memory, at.c, size).slice()
}
