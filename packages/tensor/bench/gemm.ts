/**
 * Speed of the three products against a naive triple loop, and of one training step by part. Medians of one run;
 * `node bench/gemm.ts`, one thread.
 */
import { cpus } from 'node:os'
import { createArena } from '../src/arena.ts'
import { createBackend } from '../src/backend.ts'
import { createNet, defineModel, initXavier, kernelVersion } from '../src/index.ts'
import type { Kernels } from '../src/kernels.ts'

/** Median seconds of one call. */
function median(run: () => void, budgetMs = 250): number {
  run()
  const start = performance.now()
  run()
  const inner = Math.max(1, Math.floor(budgetMs / 9 / Math.max(performance.now() - start, 0.001)))
  const times = Array.from({ length: 9 }, () => {
    const from = performance.now()
    for (let i = 0; i < inner; i++) run()
    return (performance.now() - from) / inner / 1000
  })
  return times.sort((a, b) => a - b)[4]!
}

function naive(n: number, x: Float32Array, w: Float32Array, y: Float32Array): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < n; p++) sum += x[i * n + p]! * w[j * n + p]!
      y[i * n + j] = sum
    }
  }
}

type Product = 'gemmNT' | 'gemmNN' | 'gemmTN'

/** GFLOP/s of one product; m, n, k as in the forward pass (rows, nodes, inputs). */
function speed(product: Product, m: number, n: number, k: number): number {
  const arena = createArena()
  const [x, w, y] = [arena.take(4 * m * k), arena.take(4 * n * k), arena.take(4 * m * n)] as const
  const scratch = arena.take(1 << 20)
  const { memory, kernels } = createBackend('wasm', arena.bytes)
  for (const [at, size] of [
    [x, m * k],
    [w, n * k],
    [y, m * n],
  ] as const) {
    const view = new Float32Array(memory, at, size)
    for (let i = 0; i < size; i++) view[i] = Math.random() - 0.5
  }
  const run: Record<Product, (kernels: Kernels) => void> = {
    gemmNT: (use) => use.gemmNT(m, n, k, x, w, y, scratch),
    gemmNN: (use) => use.gemmNN(m, n, k, y, w, x, scratch),
    gemmTN: (use) => use.gemmTN(m, n, k, y, x, w, scratch),
  }
  return (2 * m * n * k) / median(() => run[product](kernels)) / 1e9
}

const products: Product[] = ['gemmNT', 'gemmNN', 'gemmTN']
console.log(`${cpus()[0]?.model}, node ${process.version}, kernels ${kernelVersion.slice(0, 8)}`)
console.log('\nGFLOP/s, n x n x n')
console.table(
  Object.fromEntries(
    [64, 128, 256, 512, 1024].map((n) => {
      const [x, w, y] = [0, 1, 2].map(() => Float32Array.from({ length: n * n }, () => Math.random() - 0.5)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ]
      const base = (2 * n ** 3) / median(() => naive(n, x, w, y), n > 512 ? 1 : 100) / 1e9
      const row = Object.fromEntries(products.map((product) => [product, Number(speed(product, n, n, n).toFixed(1))]))
      return [n, { ...row, naive: Number(base.toFixed(2)), ratio: Number((row.gemmNT! / base).toFixed(1)) }]
    }),
  ),
)

console.log('\nGFLOP/s, layers of 784-128-64-10 at batch 128')
console.table(
  Object.fromEntries(
    [
      [128, 784],
      [64, 128],
      [10, 64],
    ].map(([n, k]) => [
      `${k} to ${n}`,
      Object.fromEntries(products.map((product) => [product, Number(speed(product, 128, n!, k!).toFixed(1))])),
    ]),
  ),
)

console.log('\nOne step of 784-128-64-10 by part, microseconds')
const model = defineModel({
  inputs: 784,
  layers: [
    { id: 'hidden1', nodes: 128, activation: 'relu' },
    { id: 'hidden2', nodes: 64, activation: 'relu' },
    { id: 'output', nodes: 10, activation: 'identity' },
  ],
})
console.table(
  Object.fromEntries(
    [128, 1024].map((batch) => {
      const net = createNet(model, batch)
      const features = Uint8Array.from({ length: batch * 784 }, () => Math.random() * 256)
      const labels = Uint8Array.from({ length: batch }, () => Math.random() * 10)
      net.weights.set(initXavier(model, new Uint8Array(32), 2.24))
      const us = (run: () => void) => Math.round(median(run) * 1e7) / 10
      const load = us(() => net.loadBatch(features, labels, 1 / 255))
      const backward = us(() => net.backward())
      const forward = us(() => net.forward())
      const finite = us(() => net.isFinite())
      // With a constant gradient a coordinate moves once in tau / |g| passes, so the mean of |g| / tau of them move in one.
      const exchangeAt = (density: number) => {
        for (let i = 0; i < model.params; i++) net.gradient[i] = (Math.random() - 0.5) * 2 * density
        return us(() => net.exchange(0.5, 0))
      }
      const none = exchangeAt(0)
      const one = exchangeAt(0.01)
      const ten = exchangeAt(0.1)
      const map = Uint32Array.from({ length: 1094 }, (_, i) => i * 100)
      const peers = us(() => net.applyPeers([map, map, map], 1e-9))
      const step = load + backward + one + forward + finite
      return [batch, { load, backward, forward, 'exchange 0 %': none, '~1 %': one, '~10 %': ten, finite, 'peers 3x1 %': peers, step }]
    }),
  ),
)
const xavier = median(() => initXavier(model, new Uint8Array(32), 2.24))
console.log(`initXavier of ${model.params} parameters: ${(xavier * 1e3).toFixed(2)} ms`)
