import { createArena } from './arena.ts'
import { createBackend } from './backend.ts'
import type { BackendName } from './kernels.ts'
import type { Activation, Model } from './model.ts'

/**
 * One model at one batch capacity, with every buffer planned at creation: a step allocates nothing but its results.
 *
 * `weights`, `residual` and `gradient` are live views, float32 `[params]`, and may be written by the owner between calls.
 * A NaN or infinity never throws; it shows in `lossSum` or `isFinite()`, and the iteration is invalid (A6).
 */
export interface Net {
  readonly model: Model
  /** Rows that fit. */
  readonly batch: number
  readonly weights: Float32Array
  readonly residual: Float32Array
  readonly gradient: Float32Array
  /**
   * Takes 1 to `batch` rows; features `[rows, inputs]` of u8 or f32, each multiplied once by the binary32 scale (A25).
   *
   * @throws RangeError if sizes disagree or a label is no class
   */
  loadBatch(features: Uint8Array | Float32Array, labels: Uint8Array, scale: number): void
  /** Forward pass, then the gradient of the SUM loss into `gradient` (spec 9.1 step 3). */
  backward(): { lossSum: number; correct: number }
  /** Loss and hits of the loaded batch at the present weights (spec 9.1 step 9). */
  forward(): { lossSum: number; correct: number }
  /** Copy, float32 `[rows, classes]`, of the last forward pass (that of `backward` included). */
  logits(): Float32Array
  /**
   * weights -= step * U where the integer sum U of all maps is not 0 (spec 9.1 steps 1 and 2). The order of maps and words
   * has no effect.
   *
   * @param step fl(q * peerScale), finite
   * @throws RangeError if a word's index is not below params; the weights are then unchanged
   */
  applyPeers(maps: readonly Uint32Array[], step: number): void
  /**
   * Whether the integer sum of all maps is zero at every coordinate, as for no maps (A14 d).
   *
   * @throws RangeError if a word's index is not below params
   */
  peersCancel(maps: readonly Uint32Array[]): boolean
  /**
   * Spec 9.1 steps 4 to 8: R += g; d = ±1 where |R| > tau, strictly; R -= tau d; W -= q d; words = d, ascending (spec 9.2).
   * Overdrive counts |g - tau d| > tau.
   *
   * @param tau quantum in units of summed gradient, finite and > 0 as binary32
   * @param q fl(fl(rate / B) * tau), finite
   * @throws RangeError for tau or q out of range
   */
  exchange(tau: number, q: number): { words: Uint32Array; overdrive: number }
  /** Whether weights, residual and gradient hold neither NaN nor infinity. */
  isFinite(): boolean
}

interface Layer {
  readonly inputs: number
  readonly nodes: number
  readonly activation: Activation
  readonly weight: number
  readonly bias: number
  readonly weightGradient: number
  readonly biasGradient: number
  readonly output: number
  readonly outputGradient: number
}

/**
 * Plans and zeroes the memory of one net; each net has a WebAssembly instance of its own.
 *
 * @param batch rows that fit, a positive integer
 * @param backend `reference` is plain TypeScript with the same bits, some hundred times slower
 * @throws RangeError if batch is out of range or the memory does not fit
 */
export function createNet(model: Model, batch: number, backend: BackendName = 'wasm'): Net {
  if (!Number.isSafeInteger(batch) || batch < 1) throw new RangeError(`batch: expected a positive integer, received ${batch}`)
  const { params, spec, tensors } = model
  const { inputs } = spec
  const classes = spec.layers.at(-1)!.nodes

  const arena = createArena()
  const w = arena.take(4 * params)
  const r = arena.take(4 * params)
  const g = arena.take(4 * params)
  const x = arena.take(4 * batch * inputs)
  const bytes = arena.take(batch * inputs)
  const labelBytes = arena.take(batch)
  const loss = arena.take(4 * batch)
  const row = arena.take(4 * (classes + 15))
  const overdriveAt = arena.take(4)
  // A canonical map has at most one word per parameter; longer lists of peer words pass through in pieces.
  const words = arena.take(4 * params)
  const counts = arena.take(4 * params)
  const layers: Layer[] = spec.layers.map(({ nodes, activation }, i) => {
    const weight = tensors[2 * i]!
    const bias = tensors[2 * i + 1]!
    return {
      inputs: weight.shape[1]!,
      nodes,
      activation,
      weight: w + 4 * weight.offset,
      bias: w + 4 * bias.offset,
      weightGradient: g + 4 * weight.offset,
      biasGradient: g + 4 * bias.offset,
      output: arena.take(4 * batch * nodes),
      outputGradient: arena.take(4 * batch * nodes),
    }
  })
  const last = layers.at(-1)!
  const scratch = arena.take(createBackend(backend, 0).kernels.gemmScratchBytes())

  const { memory, kernels } = createBackend(backend, arena.bytes)
  const weights = new Float32Array(memory, w, params)
  const residual = new Float32Array(memory, r, params)
  const gradient = new Float32Array(memory, g, params)
  const wordView = new Uint32Array(memory, words, params)
  const countView = new Int32Array(memory, counts, params)
  const labelView = new Uint8Array(memory, labelBytes, batch)
  const byteView = new Uint8Array(memory, bytes, batch * inputs)
  const featureView = new Float32Array(memory, x, batch * inputs)
  const overdriveView = new Uint32Array(memory, overdriveAt, 1)
  let rows = 0

  function predict(): void {
    if (rows === 0) throw new RangeError('net: expected a loaded batch, received none')
    let input = x
    for (const layer of layers) {
      kernels.gemmNT(rows, layer.nodes, layer.inputs, input, layer.weight, layer.output, scratch)
      kernels.addBias(layer.output, layer.bias, rows, layer.nodes)
      if (layer.activation === 'relu') kernels.relu(layer.output, rows * layer.nodes)
      input = layer.output
    }
  }

  function measure(gradientAt: number): { lossSum: number; correct: number } {
    kernels.softmaxCrossEntropy(last.output, labelBytes, gradientAt, loss, rows, classes, row)
    return { lossSum: kernels.sumLanes(loss, rows), correct: kernels.countCorrect(last.output, labelBytes, rows, classes) }
  }

  function propagate(): void {
    for (let i = layers.length - 1; i >= 0; i--) {
      const layer = layers[i]!
      const below = layers[i - 1]
      if (layer.activation === 'relu') kernels.reluBackward(layer.outputGradient, layer.output, rows * layer.nodes)
      kernels.gemmTN(rows, layer.nodes, layer.inputs, layer.outputGradient, below?.output ?? x, layer.weightGradient, scratch)
      kernels.columnSums(layer.outputGradient, layer.biasGradient, rows, layer.nodes)
      if (below) kernels.gemmNN(rows, layer.nodes, layer.inputs, layer.outputGradient, layer.weight, below.outputGradient, scratch)
    }
  }

  /** Copies every map into the memory, piece by piece, and hands the length of each piece on. */
  function forPieces(maps: readonly Uint32Array[], use: (length: number, map: number, start: number) => void): void {
    for (const [number, map] of maps.entries()) {
      for (let start = 0; start < map.length; start += params) {
        const length = Math.min(params, map.length - start)
        wordView.set(length === map.length ? map : map.subarray(start, start + length))
        use(length, number, start)
      }
    }
  }

  function countPeers(maps: readonly Uint32Array[]): void {
    forPieces(maps, (length, number, start) => {
      const bad = kernels.countMap(words, length, counts, params)
      if (bad < 0) return
      const index = wordView[bad]! & 0x7fffffff
      countView.fill(0)
      throw new RangeError(`map ${number}, word ${start + bad}: expected an index below ${params}, received ${index}`)
    })
  }

  return {
    model,
    batch,
    weights,
    residual,
    gradient,
    loadBatch(features, labels, scale) {
      const count = labels.length
      if (count < 1 || count > batch) throw new RangeError(`labels: expected 1 to ${batch} rows, received ${count}`)
      const size = count * inputs
      if (features.length !== size)
        throw new RangeError(`features: expected ${count} x ${inputs} = ${size} values, received ${features.length}`)
      if (!Number.isFinite(Math.fround(scale))) throw new RangeError(`scale: expected a finite binary32 number, received ${scale}`)
      for (const label of labels) if (label >= classes) throw new RangeError(`label: expected a class below ${classes}, received ${label}`)
      if (features instanceof Uint8Array) {
        byteView.set(features)
        kernels.scaleBytes(bytes, x, scale, size)
      } else {
        featureView.set(features)
        kernels.scaleFloats(x, scale, size)
      }
      labelView.set(labels)
      rows = count
    },
    backward() {
      predict()
      const result = measure(last.outputGradient)
      propagate()
      return result
    },
    forward() {
      predict()
      return measure(0)
    },
    logits: () => new Float32Array(memory, last.output, rows * classes).slice(),
    applyPeers(maps, step) {
      if (!Number.isFinite(Math.fround(step))) throw new RangeError(`step: expected a finite binary32 number, received ${step}`)
      countPeers(maps)
      forPieces(maps, (length) => kernels.applyCounts(words, length, counts, w, step))
    },
    peersCancel(maps) {
      countPeers(maps)
      let any = false
      forPieces(maps, (length) => {
        if (kernels.takeCounts(words, length, counts) !== 0) any = true
      })
      return !any
    },
    exchange(tau, q) {
      if (!(Math.fround(tau) > 0 && Number.isFinite(Math.fround(tau)))) {
        throw new RangeError(`tau: expected a positive finite binary32 number, received ${tau}`)
      }
      if (!Number.isFinite(Math.fround(q))) throw new RangeError(`q: expected a finite binary32 number, received ${q}`)
      const count = kernels.exchange(r, g, w, words, overdriveAt, tau, q, params)
      return { words: wordView.slice(0, count), overdrive: overdriveView[0]! }
    },
    isFinite: () => [w, r, g].every((at) => kernels.allFinite(at, params) === 1),
  }
}
