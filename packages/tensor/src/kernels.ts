/**
 * The port that both backends fill: every operation on exact arrays, over one memory.
 *
 * Operands are byte offsets into `memory` (multiples of 4 for floats and words), sizes count elements, arrays do not
 * overlap unless a line says "in place", and nothing is checked: a plan that was laid out once is the only caller.
 * Rounding and order: README of this package.
 */
export interface Kernels {
  /** Runs the program in bytes [from, to) of the memory on `threads` threads; returns when all of it is done. */
  run(from: number, to: number, threads: number): void
  /** Bytes of scratch that each gemm needs. */
  gemmScratchBytes(): number
  /** y[m,n] = x[m,k] w[n,k]ᵀ */
  gemmNT(m: number, n: number, k: number, x: number, w: number, y: number, scratch: number): void
  /** dx[m,k] = dy[m,n] w[n,k] */
  gemmNN(m: number, n: number, k: number, dy: number, w: number, dx: number, scratch: number): void
  /** dw[n,k] = dy[m,n]ᵀ x[m,k] */
  gemmTN(m: number, n: number, k: number, dy: number, x: number, dw: number, scratch: number): void
  /** y[rows,columns] += bias[columns], in place */
  addBias(y: number, bias: number, rows: number, columns: number): void
  /** x = x < 0 ? +0 : x, in place */
  relu(x: number, n: number): void
  /** d = y > 0 ? d : +0, in place */
  reluBackward(d: number, y: number, n: number): void
  /** y += a x, in place */
  axpy(y: number, x: number, a: number, n: number): void
  /** y = u8 x * scale */
  scaleBytes(x: number, y: number, scale: number, n: number): void
  /** y *= scale, in place */
  scaleFloats(y: number, scale: number, n: number): void
  /** x = one of the two bf16 numbers around it, drawn from the key and from the index, which starts at `first`; in place (docs/arithmetic/bf16x.md) */
  storeBf16(x: number, n: number, first: number, key: number): void
  /** 1 if no value is NaN or infinite, else 0 */
  allFinite(x: number, n: number): number
  /** Sum by 16 virtual lanes. */
  sumLanes(x: number, n: number): number
  /** out[columns] = sums over the rows of x[rows,columns] */
  columnSums(x: number, out: number, rows: number, columns: number): void
  /** Rows whose first largest logit stands at their u8 label. */
  countCorrect(logits: number, labels: number, rows: number, classes: number): number
  /** loss[rows] and, unless gradient is 0, gradient[rows,classes] of the SUM loss; scratch: classes rounded up to 16 floats */
  softmaxCrossEntropy(logits: number, labels: number, gradient: number, loss: number, rows: number, classes: number, scratch: number): void
  /** y = exp(x); n a multiple of 4 */
  expArray(x: number, y: number, n: number): void
  /** y = log(x) */
  logArray(x: number, y: number, n: number): void
  /** Spec 9.1 steps 4 to 8 in one pass over n coordinates; returns the number of words, stores the overdrive as u32. */
  exchange(r: number, g: number, w: number, words: number, overdrive: number, tau: number, q: number, n: number): number
  /** i32 counts[index] += ±1 by word; the position of the first index >= params, or -1 */
  countMap(words: number, n: number, counts: number, params: number): number
  /** w -= step * count at listed coordinates with a count; clears the counts */
  applyCounts(words: number, n: number, counts: number, w: number, step: number): void
  /** 1 if a listed coordinate has a count other than 0, else 0; clears the counts */
  takeCounts(words: number, n: number, counts: number): number
  /** Philox4x32-10 floats in [0, 1) (A25) */
  philoxUniform(x: number, n: number, key0: number, key1: number, tensor: number): void
  /** The four words of one Philox4x32-10 counter. */
  philoxWords(x: number, c0: number, c1: number, c2: number, c3: number, key0: number, key1: number): void
}

/** Kernels with the memory that their offsets point into. */
export interface Backend {
  readonly memory: ArrayBuffer
  readonly kernels: Kernels
  /** How many threads serve `run`; the caller's is one of them. */
  readonly threads: number
  /** Ends the other threads. */
  close(): void
}

export type BackendName = 'wasm' | 'reference'
