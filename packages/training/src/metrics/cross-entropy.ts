import { type BackendName, createExecutable, createGraph, softmaxCrossEntropy } from '@pouw/tensor'
import { exponentials } from './elementary.ts'
import { classesOf, type Labels } from './rows.ts'

/** Rows that one run of the kernel takes; rows do not know each other, so it has no effect on a result. */
const CHUNK_ROWS = 1024

/**
 * Mean cross entropy of softmax(logits) in nats.
 *
 * Each row's loss is the training loss's, binary32 by its kernel (docs/arithmetic/losses.md); they are added in binary64 in the order of the rows, and the sum is
 * divided once.
 *
 * @param logits float32 `[rows, classes]`
 * @returns NaN or infinity where a row's loss is
 * @throws RangeError if sizes disagree or a label is no class
 */
export function crossEntropy(logits: Float32Array, labels: Labels, backend: BackendName = 'wasm'): number {
  const classes = classesOf('crossEntropy', logits, labels)
  const rows = labels.length
  const capacity = Math.min(rows, CHUNK_ROWS)
  const graph = createGraph()
  const x = graph.input('logits', [capacity, classes])
  const t = graph.input('labels', [capacity], 'i32')
  const loss = softmaxCrossEntropy(graph, x, t)
  const executable = createExecutable(graph, { keep: [loss], backend })
  let sum = 0
  for (let first = 0; first < rows; first += capacity) {
    const last = Math.min(rows, first + capacity)
    executable.f32(x).set(logits.subarray(first * classes, last * classes))
    executable.i32(t).set(labels.subarray(first, last))
    executable.run()
    for (const value of executable.f32(loss).subarray(0, last - first)) sum += value
  }
  executable.close()
  return sum / rows
}

/**
 * e to a mean cross entropy per token, in nats: as many equally likely choices would be as hard to guess.
 *
 * The exponential is the tensor package's binary32 one, of the entropy rounded to binary32: within 1.03 units in the last place of the true value at that argument,
 * whose rounding adds at most entropy / 2 units. Infinity above 88.72.
 *
 * @returns binary32; NaN for NaN
 * @throws RangeError for a negative entropy
 */
export function perplexity(meanCrossEntropy: number, backend: BackendName = 'wasm'): number {
  if (meanCrossEntropy < 0) throw new RangeError(`perplexity: expected an entropy of 0 or more, received ${meanCrossEntropy}`)
  return exponentials(Float32Array.of(meanCrossEntropy), backend)[0]!
}
