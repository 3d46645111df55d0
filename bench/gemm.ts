/** The three matrix products of training against the plain triple loop and against what the processor's 128-bit units can do. */
import { createArena } from '../packages/tensor/src/arena.ts'
import { createBackend } from '../packages/tensor/src/backend.ts'
import { median } from './measure.ts'
import { createPeakProbe } from './peak.ts'
import { type Row, row, type Topic } from './row.ts'

const SIZES = [256, 512, 1024]
const PRODUCTS = { gemmNT: 'forward', gemmNN: 'backward to inputs', gemmTN: 'backward to weights' }
type Product = keyof typeof PRODUCTS

export const gemm: Topic = async ({ quick, say }) => {
  const rows: Row[] = []
  const peak = createPeakProbe()
  const rounds = quick ? 1 : 9
  const measured = (quick ? [64] : SIZES).map((n) => {
    say(`${n} x ${n} x ${n}`)
    const flops = 2 * n ** 3
    const kernels = createProducts(n)
    const naive = createNaive(n)
    const speeds: Record<Product | 'naive', number[]> = { gemmNT: [], gemmNN: [], gemmTN: [], naive: [] }
    const time = (name: keyof typeof speeds, work: () => void, repeat: number) => {
      const start = performance.now()
      for (let i = 0; i < repeat; i++) work()
      speeds[name].push((flops * repeat) / (performance.now() - start) / 1e6)
    }
    // About 20 ms a sample of the kernels at 50 GFLOP/s; one loop of the plain product takes long enough by itself.
    const repeat = Math.max(1, Math.round(1e9 / flops))
    for (const product of Object.keys(PRODUCTS) as Product[]) kernels[product]()
    if (n <= 256) naive()
    for (let round = 0; round < rounds; round++) {
      peak.sample()
      for (const product of Object.keys(PRODUCTS) as Product[]) time(product, kernels[product], repeat)
      if (round < 3 || n <= 256) time('naive', naive, 1)
    }
    return { n, speeds }
  })
  const best = peak.gflops()
  rows.push(row('peak of 128-bit multiply-then-add, one thread, WebAssembly', best, 'GFLOP/s'))
  for (const { n, speeds } of measured) {
    const base = median(speeds.naive)
    rows.push(row(`naive triple loop in JavaScript, n=${n}`, base, 'GFLOP/s'))
    for (const product of Object.keys(PRODUCTS) as Product[])
      rows.push(
        row(`gemm n=${n} ${PRODUCTS[product]}, against the naive loop`, median(speeds[product]), 'GFLOP/s', {
          baseline: base,
          atLeast: { must: 40, aim: 50 },
        }),
      )
    rows.push(
      row(`gemm n=${n} forward, share of the peak`, (100 * median(speeds.gemmNT)) / best, '%', {
        atLeast: { must: 85, aim: 95 },
      }),
    )
  }
  return rows
}

/** The kernels on n x n matrices of random numbers, one thread. */
function createProducts(n: number): Record<Product, () => void> {
  const arena = createArena()
  const places = [arena.take(4 * n * n), arena.take(4 * n * n), arena.take(4 * n * n)] as const
  const [x, w, y] = places
  const scratch = arena.take(createBackend('wasm', 0).kernels.gemmScratchBytes())
  const { memory, kernels } = createBackend('wasm', arena.bytes)
  for (const at of places) new Float32Array(memory, at, n * n).set(randomNumbers(n * n))
  return {
    gemmNT: () => kernels.gemmNT(n, n, n, x, w, y, scratch),
    gemmNN: () => kernels.gemmNN(n, n, n, y, w, x, scratch),
    gemmTN: () => kernels.gemmTN(n, n, n, y, x, w, scratch),
  }
}

function createNaive(n: number): () => void {
  const [x, w] = [randomNumbers(n * n), randomNumbers(n * n)] as const
  const y = new Float32Array(n * n)
  return () => {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let p = 0; p < n; p++) sum += x[i * n + p]! * w[j * n + p]!
        y[i * n + j] = sum
      }
    }
  }
}

function randomNumbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, () => Math.random() - 0.5)
}
