import { type Backend, type BackendName, createBackend, createThreadedBackend, type Gpu, runOnGpu, sizeOf } from '@pouw/tensor'
import { initialStates } from '../layers/initial-states.ts'
import type { Model } from '../layers/model.ts'
import { stepRegisters } from '../optimizers/proposal.ts'
import { layNet, type NetOptions, PIECE_WORDS } from './layout.ts'
import { firstNonFinite, type Program } from './program.ts'

/**
 * One model at one batch capacity, with every buffer planned at creation: a step allocates nothing but its results.
 *
 * `weights`, `residual`, `gradient` and `states` are live views and may be written by the owner between calls. A NaN or infinity never
 * throws; it shows in `lossSum` or `isFinite()`, and the iteration is invalid (A6).
 */
export interface Net {
  readonly model: Model
  /** Rows that fit. */
  readonly batch: number
  /** Bytes of all its memory. */
  readonly bytes: number
  /** Float32 `[params]` each; the residual of a net alone is empty, and the gradient of one for inference. */
  readonly weights: Float32Array
  readonly residual: Float32Array
  readonly gradient: Float32Array
  /** Running statistics, all of them one after the other. */
  readonly states: Float32Array
  /** Weights and running statistics as they lie one after the other: all that a prediction needs. */
  readonly modelNumbers: Float32Array
  /** The residual and what the optimiser keeps, as they lie one after the other: all that the next step needs besides. */
  readonly residualNumbers: Float32Array
  /**
   * Takes 1 to `batch` rows; features `[rows, ...input shape]` of u8 or f32, each multiplied once by the binary32 scale (A25), and what is wanted of
   * them: a class for each row of the output, or f32 targets of the output's shape, as the loss asks.
   *
   * @throws RangeError if sizes disagree or a label is no class
   */
  loadBatch(features: Uint8Array | Float32Array, wanted: Uint8Array | Int32Array | Float32Array, scale: number): void
  /** The same for a model of tokens i32 `[rows, length]`. */
  loadTokens(tokens: Uint8Array | Int32Array, wanted: Uint8Array | Int32Array | Float32Array): void
  /** The two words that dropout draws from in the next `backward`; zero at first. */
  setKey(low: number, high: number): void
  /** Forward pass, then the gradient of the SUM loss into `gradient` (spec 9.1 step 3). Running statistics move. */
  backward(): { lossSum: number; correct: number }
  /** The same bits with products on a graphics processor that was opened for the net's profile; `log` takes a line if it is lost. */
  backwardOn(gpu: Gpu, log?: (line: string) => void): Promise<{ lossSum: number; correct: number }>
  /** Loss and hits (0 where the loss has no classes) of the loaded batch at the present weights (spec 9.1 step 9). */
  forward(): { lossSum: number; correct: number }
  /** Copy, float32 `[rows, ...output shape]`, of the last pass; call it before anything else overwrites it. */
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
  /**
   * The optimiser's proposed change of the weights, from the gradient of the loaded rows (docs/arithmetic/optimizers.md); what it keeps moves. With
   * it `exchange` takes the proposal instead of the gradient: hand it q = -tau (A5).
   *
   * @param rate finite; step counts from 1
   * @throws RangeError if the net was made without an optimiser
   */
  propose(rate: number, step: number): void
  /** W = fl(W + proposal): the step of somebody who trains alone. */
  applyProposal(): void
  /**
   * Puts weights and residual into the form in which the profile keeps them between iterations: bf16 numbers, drawn by two words, in profile `bf16x`
   * (decision 0022); in the others they are already.
   */
  settle(low: number, high: number): void
  /** Whether weights, residual, gradient and running statistics hold neither NaN nor infinity. */
  isFinite(): boolean
  /** The first layer that makes a NaN or infinity of the loaded batch; for a message, since it runs the pass again piece by piece. */
  nonFiniteLayer(): string | undefined
  /** Ends the other threads; a net of one thread has none. */
  close(): void
}

/**
 * Plans and zeroes the memory of one net; each net has a WebAssembly instance of its own. Running statistics get what they start from.
 *
 * @param batch rows that fit, a positive integer
 * @param options backend: `reference` is plain TypeScript with the same bits, some hundred times slower
 * @throws RangeError if batch is out of range, a layer does not fit, or the memory does not
 */
export function createNet(model: Model, batch: number, options: NetOptions & { readonly backend?: BackendName } = {}): Net {
  const layout = layNet(model, batch, options, 1)
  return openNet(layout, createBackend(options.backend ?? 'wasm', layout.bytes))
}

/**
 * The same bits from several threads, which share the work of each pass. Close it, or its threads wait on.
 *
 * @param options threads: 1 to 64. More than one needs SharedArrayBuffer, in a browser a page that is cross-origin isolated, and the arrays of the net
 *   then lie in shared memory: copy what goes to an interface that refuses such (WebCrypto does).
 * @throws RangeError as `createNet`, or for another number of threads
 */
export async function createThreadedNet(model: Model, batch: number, options: NetOptions & { readonly threads: number }): Promise<Net> {
  if (options.threads === 1) return createNet(model, batch, options)
  const layout = layNet(model, batch, options, options.threads)
  return openNet(layout, await createThreadedBackend(layout.bytes, options.threads))
}

function openNet(layout: ReturnType<typeof layNet>, backend: Backend): Net {
  const { model, batch, params, build, link, full, exchange, programsAt, wanted, wantedPerRow, classes, sampleSize, stateSize } = layout
  const { w, r, g, s, x, bytesAt, wantedAt, keyAt, piece, ownCounts, region, change } = layout
  const { profile, residualSize, gradientSize, inference, registers, propose, optimizer, lossRows } = layout
  const { memory, kernels, threads } = backend
  const fewer: { [kind in 'train' | 'predict']?: { readonly rows: number; readonly program: Program } } = {}
  const views = {
    weights: new Float32Array(memory, w, params),
    residual: new Float32Array(memory, r, residualSize),
    gradient: new Float32Array(memory, g, gradientSize),
    states: new Float32Array(memory, s, stateSize),
    modelNumbers: new Float32Array(memory, w, params + stateSize),
    residualNumbers: new Float32Array(memory, r, residualSize + params * registers),
  }
  // Of a net alone these are never looked at.
  const pieceView = new Uint32Array(memory, piece, Math.min(residualSize, PIECE_WORDS))
  const wordView = new Uint32Array(memory, region, residualSize)
  const wantedView = new (wanted.dtype === 'i32' ? Int32Array : Float32Array)(memory, wantedAt, batch * wantedPerRow)
  const byteView = new Uint8Array(memory, bytesAt, batch * sampleSize)
  const featureView = new Float32Array(memory, x, batch * sampleSize)
  const tokenView = new Int32Array(memory, x, batch * sampleSize)
  const counts = ownCounts === 0 ? region : ownCounts
  const countView = new Int32Array(memory, counts, residualSize)
  let rows = 0
  /** What the proposal's program takes the mean over. */
  let proposalRows = 0
  let last: Program | undefined

  views.states.set(initialStates(model.declared))
  for (const kind of ['train', 'predict'] as const) new Uint32Array(memory, programsAt[kind]).set(full[kind].words)
  if (exchange) new Uint32Array(memory, exchange.from).set(exchange.words)

  function programFor(kind: 'train' | 'predict'): { readonly program: Program; readonly at: number } {
    if (rows === 0) throw new RangeError('net: expected a loaded batch, received none')
    if (rows === batch) return { program: full[kind], at: programsAt[kind] }
    const at = programsAt[kind] + 4 * full[kind].words.length
    let found = fewer[kind]
    if (found?.rows !== rows) {
      found = { rows, program: link(kind, build(kind === 'train', rows)) }
      fewer[kind] = found
      new Uint32Array(memory, at).set(found.program.words)
    }
    return { program: found.program, at }
  }

  function run(kind: 'train' | 'predict'): { lossSum: number; correct: number } {
    const { program, at } = programFor(kind)
    kernels.run(at, at + 4 * program.words.length, threads)
    return resultOf(program)
  }

  function resultOf(program: Program): { lossSum: number; correct: number } {
    last = program
    return {
      lossSum: new Float32Array(memory, program.at(program.pass.lossSum), 1)[0]!,
      correct: program.pass.correct ? new Int32Array(memory, program.at(program.pass.correct), 1)[0]! : 0,
    }
  }

  /** How many rows these are wanted for. */
  function checkWanted(given: Uint8Array | Int32Array | Float32Array): number {
    const what = wanted.dtype === 'i32' ? 'labels' : 'targets'
    const count = given.length / wantedPerRow
    if (!Number.isInteger(count) || count < 1 || count > batch)
      throw new RangeError(`${what}: expected 1 to ${batch} rows${wantedPerRow === 1 ? '' : ` of ${wantedPerRow}`}, received ${count}`)
    if (wanted.dtype === 'i32') {
      for (const label of given)
        if (!Number.isInteger(label) || label >= classes || label < 0)
          throw new RangeError(`label: expected a class below ${classes}, received ${label}`)
    }
    return count
  }

  /** Copies every map into the memory, piece by piece, and hands the length of each piece on. */
  function forPieces(maps: readonly Uint32Array[], use: (length: number, map: number, start: number) => void): void {
    for (const [number, map] of maps.entries()) {
      for (let start = 0; start < map.length; start += pieceView.length) {
        const length = Math.min(pieceView.length, map.length - start)
        pieceView.set(length === map.length ? map : map.subarray(start, start + length))
        use(length, number, start)
      }
    }
  }

  function expectPeers() {
    if (!exchange) throw new RangeError('net: expected a net with a residual, received one that trains alone')
    return exchange
  }

  function countPeers(maps: readonly Uint32Array[]): void {
    expectPeers()
    if (counts === region) {
      last = undefined
      countView.fill(0)
    }
    forPieces(maps, (length, number, start) => {
      const bad = kernels.countMap(piece, length, counts, params)
      if (bad < 0) return
      const index = pieceView[bad]! & 0x7fffffff
      countView.fill(0)
      throw new RangeError(`map ${number}, word ${start + bad}: expected an index below ${params}, received ${index}`)
    })
  }

  return {
    model,
    batch,
    bytes: layout.bytes,
    ...views,
    loadBatch(features, given, scale) {
      if (model.spec.input.kind !== 'features') throw new RangeError('net: expected tokens, received features')
      const count = checkWanted(given)
      const size = count * sampleSize
      if (features.length !== size)
        throw new RangeError(`features: expected ${count} x ${sampleSize} = ${size} values, received ${features.length}`)
      if (!Number.isFinite(Math.fround(scale))) throw new RangeError(`scale: expected a finite binary32 number, received ${scale}`)
      if (features instanceof Uint8Array) {
        byteView.set(features)
        kernels.scaleBytes(bytesAt, x, scale, size)
      } else {
        featureView.set(features)
        kernels.scaleFloats(x, scale, size)
      }
      wantedView.set(given)
      rows = count
    },
    loadTokens(tokens, given) {
      const { spec } = model
      if (spec.input.kind !== 'tokens') throw new RangeError('net: expected features, received tokens')
      const { vocabulary } = spec.input
      const count = checkWanted(given)
      if (tokens.length !== count * sampleSize)
        throw new RangeError(`tokens: expected ${count} x ${sampleSize} = ${count * sampleSize}, received ${tokens.length}`)
      for (const token of tokens)
        if (token < 0 || token >= vocabulary) throw new RangeError(`token: expected a number below ${vocabulary}, received ${token}`)
      tokenView.set(tokens)
      wantedView.set(given)
      rows = count
    },
    setKey(low, high) {
      new Uint32Array(memory, keyAt, 2).set([low, high])
    },
    backward() {
      if (inference) throw new RangeError('net: expected a net that trains, received one for inference')
      return run('train')
    },
    async backwardOn(gpu, log = () => {}) {
      if (inference) throw new RangeError('net: expected a net that trains, received one for inference')
      const { program, at } = programFor('train')
      await runOnGpu({ ...program, profile }, at, backend, gpu, log)
      return resultOf(program)
    },
    forward: () => run('predict'),
    logits() {
      if (!last) throw new RangeError('net: expected a forward pass just before, received none')
      return new Float32Array(memory, last.at(last.pass.forward.output), sizeOf(last.pass.forward.output.shape)).slice()
    },
    applyPeers(maps, step) {
      if (!Number.isFinite(Math.fround(step))) throw new RangeError(`step: expected a finite binary32 number, received ${step}`)
      countPeers(maps)
      forPieces(maps, (length) => kernels.applyCounts(piece, length, counts, w, step))
    },
    peersCancel(maps) {
      countPeers(maps)
      let any = false
      forPieces(maps, (length) => {
        if (kernels.takeCounts(piece, length, counts) !== 0) any = true
      })
      return !any
    },
    exchange(tau, q) {
      if (!(Math.fround(tau) > 0 && Number.isFinite(Math.fround(tau)))) {
        throw new RangeError(`tau: expected a positive finite binary32 number, received ${tau}`)
      }
      if (!Number.isFinite(Math.fround(q))) throw new RangeError(`q: expected a finite binary32 number, received ${q}`)
      const { quanta, counts, from, to } = expectPeers()
      last = undefined
      new Float32Array(memory, quanta, 2).set([tau, q])
      kernels.run(from, to, threads)
      const [length, overdrive] = new Uint32Array(memory, counts, 2)
      return { words: wordView.slice(0, length), overdrive: overdrive! }
    },
    propose(rate, step) {
      if (!propose || !optimizer) throw new RangeError('net: expected an optimiser, received none at its creation')
      if (rows === 0) throw new RangeError('net: expected a loaded batch, received none')
      new Float32Array(memory, propose.registers, 4).set(stepRegisters(optimizer, rate, step))
      if (proposalRows !== rows) new Uint32Array(memory, propose.from).set(propose.words(lossRows(rows)))
      proposalRows = rows
      last = undefined
      kernels.run(propose.from, propose.to, threads)
    },
    settle(low, high) {
      if (profile !== 'bf16x') return
      kernels.storeBf16(w, params, 0, low)
      kernels.storeBf16(r, residualSize, 0, high)
    },
    applyProposal() {
      kernels.axpy(w, change, 1, params)
    },
    isFinite: () =>
      kernels.allFinite(w, params + stateSize) === 1 &&
      kernels.allFinite(r, residualSize + params * registers) === 1 &&
      kernels.allFinite(g, gradientSize) === 1,
    nonFiniteLayer() {
      const { program, at } = programFor('train')
      last = undefined
      return firstNonFinite(program, at, backend)
    },
    close: backend.close,
  }
}
