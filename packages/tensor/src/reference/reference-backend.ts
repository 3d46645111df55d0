import type { Backend, Kernels } from '../kernels.ts'
import { storeBf16 } from './bf16.ts'
import * as elementwise from './elementwise.ts'
import { exp, log } from './exponential.ts'
import * as gemm from './gemm.ts'
import { interpret } from './interpreter.ts'
import { createReferenceMemory } from './memory.ts'
import { philox, philoxUniform } from './philox.ts'
import { columnSums, countCorrect, sumLanes } from './reductions.ts'
import { softmaxCrossEntropy } from './softmax.ts'
import * as map from './update-map.ts'

/** Plain TypeScript with the bits of the WebAssembly kernels: slow, and short enough to be read as their definition. */
export function createReferenceBackend(bytes: number): Backend {
  const memory = new ArrayBuffer(bytes)
  const f = (at: number, n: number) => new Float32Array(memory, at, n)
  const u8 = (at: number, n: number) => new Uint8Array(memory, at, n)
  const u32 = (at: number, n: number) => new Uint32Array(memory, at, n)
  const fl = Math.fround
  // Word lists may name any coordinate, so the counts reach to the end of the memory where no size is passed.
  const counts = (at: number) => new Int32Array(memory, at, (bytes - at) >> 2)
  const kernels: Kernels = {
    run: (from, to) => interpret(createReferenceMemory(memory), from, to),
    gemmScratchBytes: () => 0,
    gemmNT: (m, n, k, x, w, y) => gemm.gemmNT(m, n, k, f(x, m * k), f(w, n * k), f(y, m * n)),
    gemmNN: (m, n, k, dy, w, dx) => gemm.gemmNN(m, n, k, f(dy, m * n), f(w, n * k), f(dx, m * k)),
    gemmTN: (m, n, k, dy, x, dw) => gemm.gemmTN(m, n, k, f(dy, m * n), f(x, m * k), f(dw, n * k)),
    addBias: (y, bias, rows, columns) => elementwise.addBias(f(y, rows * columns), f(bias, columns), rows, columns),
    relu: (x, n) => elementwise.relu(f(x, n)),
    reluBackward: (d, y, n) => elementwise.reluBackward(f(d, n), f(y, n)),
    axpy: (y, x, a, n) => elementwise.axpy(f(y, n), f(x, n), fl(a)),
    scaleBytes: (x, y, scale, n) => elementwise.scaled(u8(x, n), f(y, n), fl(scale)),
    scaleFloats: (y, scale, n) => elementwise.scaled(f(y, n), f(y, n), fl(scale)),
    storeBf16: (x, n, first, key) => {
      const values = f(x, n)
      for (let i = 0; i < n; i++) values[i] = storeBf16(values[i]!, first + i, key)
    },
    allFinite: (x, n) => (elementwise.allFinite(f(x, n)) ? 1 : 0),
    sumLanes: (x, n) => sumLanes(f(x, n)),
    columnSums: (x, out, rows, columns) => columnSums(f(x, rows * columns), f(out, columns), rows, columns),
    countCorrect: (logits, labels, rows, classes) => countCorrect(f(logits, rows * classes), u8(labels, rows), rows, classes),
    softmaxCrossEntropy: (logits, labels, gradient, loss, rows, classes) =>
      softmaxCrossEntropy(
        f(logits, rows * classes),
        u8(labels, rows),
        gradient === 0 ? undefined : f(gradient, rows * classes),
        f(loss, rows),
        rows,
        classes,
      ),
    expArray: (x, y, n) => f(y, n).set(f(x, n).map(exp)),
    logArray: (x, y, n) => f(y, n).set(f(x, n).map(log)),
    exchange: (r, g, w, words, overdrive, tau, q, n) => {
      const result = map.exchange(f(r, n), f(g, n), f(w, n), u32(words, n), fl(tau), fl(q))
      u32(overdrive, 1)[0] = result.overdrive
      return result.count
    },
    countMap: (words, n, at, params) => map.countMap(u32(words, n), new Int32Array(memory, at, params)),
    applyCounts: (words, n, at, w, step) =>
      map.applyCounts(u32(words, n), counts(at), new Float32Array(memory, w, (bytes - w) >> 2), fl(step)),
    takeCounts: (words, n, at) => (map.takeCounts(u32(words, n), counts(at)) ? 1 : 0),
    philoxUniform: (x, n, key0, key1, tensor) => philoxUniform(f(x, n), key0, key1, tensor),
    philoxWords: (x, c0, c1, c2, c3, key0, key1) => u32(x, 4).set(philox([c0, c1, c2, c3], key0, key1)),
  }
  return { memory, kernels, threads: 1, close() {} }
}
