import { sha256, utf8 } from '@pouw/crypto'
import type { InputSpec, LayerSpec, LossSpec, ModelSpec, OptimizerSpec, ScheduleSpec } from '@pouw/primitives'
import type { Gpu, Profile } from '@pouw/tensor'
import { drawWeights } from '../layers/initializers.ts'
import { defineModel, type Model } from '../layers/model.ts'
import { createNet, createThreadedNet, type Net } from '../net/net.ts'
import { rateOf } from '../optimizers/rate.ts'
import { countRows, createLoader, keyOfStep, orderOf, rowSizes, type TrainingData } from './data.ts'
import { type Score, score, type TrainedModel } from './predict.ts'

/**
 * A model from its layers, or from one of the ready architectures: `model(cnn())`.
 *
 * @param spec `input`: the shape of one sample, or of tokens; `loss`: default softmax cross entropy
 * @throws RangeError "layer ID: expected ..., received ..." for the first layer that does not fit
 */
export function model(spec: {
  readonly input: readonly number[] | InputSpec
  readonly layers: readonly LayerSpec[]
  readonly loss?: LossSpec | LossSpec['type']
}): Model {
  const { input, layers, loss = 'softmax-cross-entropy' } = spec
  return defineModel({
    input: 'kind' in input ? input : { kind: 'features', shape: input },
    layers,
    loss: typeof loss === 'string' ? ({ type: loss } as LossSpec) : loss,
  } satisfies ModelSpec)
}

/** Where a training run stands between two steps: what it goes on from, to the same bits as if it had never stopped. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number
  readonly weights: Float32Array
  /** Running statistics. */
  readonly statistics: Float32Array
  /** What the optimiser keeps, its arrays one after the other. */
  readonly optimizer: Float32Array
}

export interface Progress {
  /** Steps done, and of all epochs. */
  readonly step: number
  readonly steps: number
  /** The epoch that this step belongs to, from 1, and how many there are. */
  readonly epoch: number
  readonly epochs: number
  /** Means over the epoch so far, before each step's update. */
  readonly loss: number
  readonly accuracy: number
  readonly rate: number
}

export interface EpochResult extends Score {
  readonly epoch: number
  /** Steps done at its end. */
  readonly step: number
  readonly rate: number
  readonly validation?: Score
}

export interface TrainOptions {
  readonly data: TrainingData
  /** Scored after each epoch, never trained on. */
  readonly validation?: TrainingData
  readonly epochs: number
  /** Samples of a step; an epoch's last step takes what is left. Default 64. */
  readonly batch?: number
  /** Default: Adam. */
  readonly optimizer?: OptimizerSpec | OptimizerSpec['type']
  /** Default 0.001. */
  readonly rate?: number
  /** Steps of linear warm-up. Default 0. */
  readonly warmup?: number
  readonly schedule?: ScheduleSpec
  /** Decides initial weights, order and dropout. Default `pouw`. */
  readonly seed?: string
  /** Of Xavier's initial weights, where a layer names no initialiser. Default 3. */
  readonly magnitude?: number
  /** Default 1; more need shared memory. They change no bit. */
  readonly threads?: number
  readonly profile?: Profile
  /** Makes products of profile `int8x` or `bf16x`, to the same bits: what `openGpu({ profile })` found, so nothing where it found nothing. */
  readonly gpu?: Gpu | undefined
  /** Takes a line when the graphics processor is lost and WebAssembly goes on. */
  readonly log?: (line: string) => void
  /** Compute segments again on the way back: less memory, the same bits. */
  readonly checkpoint?: boolean
  /** Goes on from here instead of from initial weights; a state of step 0 starts from other weights (fine-tuning). */
  readonly from?: TrainingState
  /** Called after each step; if it answers a promise, the next step waits for it, which lets a page or a terminal live. */
  readonly onProgress?: (progress: Progress) => void | Promise<void>
  readonly onEpoch?: (result: EpochResult) => void | Promise<void>
  /** Stops between two steps; the run then ends with what it has. */
  readonly signal?: AbortSignal
}

export interface Training extends TrainedModel {
  readonly history: readonly EpochResult[]
  readonly state: TrainingState
  /** Whether the signal ended it before its last step. */
  readonly stopped: boolean
}

/**
 * Trains a model on one machine. Equal arguments give equal bits on every machine, for any number of threads.
 *
 * @throws RangeError for data or options that do not fit; "layer ID makes a number that is not finite" if training leaves the finite
 */
export async function train(model: Model, options: TrainOptions): Promise<Training> {
  const { data, validation, epochs, batch = 64, rate = 0.001, warmup = 0, schedule, seed = 'pouw', magnitude = 3, threads = 1 } = options
  const { profile = 'f32', checkpoint = false, from, gpu, log, onProgress, onEpoch, signal } = options
  const optimizer = typeof options.optimizer === 'string' ? { type: options.optimizer } : (options.optimizer ?? { type: 'adam' as const })
  const rows = countRows(model, data)
  if (validation) countRows(model, validation, 'validation')
  if (!Number.isSafeInteger(epochs) || epochs < 1) throw new RangeError(`epochs: expected a positive integer, received ${epochs}`)
  if (!(Math.fround(rate) > 0 && Number.isFinite(Math.fround(rate))))
    throw new RangeError(`rate: expected a positive number, received ${rate}`)

  const settings = { profile, checkpoint, optimizer, alone: true, direct: gpu !== undefined }
  const size = Math.min(batch, rows)
  const net = threads === 1 ? createNet(model, size, settings) : await createThreadedNet(model, size, { ...settings, threads })
  try {
    const perEpoch = Math.ceil(rows / size)
    const steps = epochs * perEpoch
    let step = begin(net, from, seed, magnitude)
    if (step > steps) throw new RangeError(`from: expected a state of at most ${steps} steps, received one of ${step}`)
    const load = createLoader(net, data)
    const { losses } = rowSizes(model)
    const history: EpochResult[] = []
    let stopped = signal?.aborted ?? false

    for (let epoch = Math.floor(step / perEpoch) + 1; epoch <= epochs && !stopped; epoch++) {
      const order = orderOf(seed, epoch, rows)
      let [lossSum, correct, seen, due] = [0, 0, 0, 0]
      for (let at = step - (epoch - 1) * perEpoch; at < perEpoch && !stopped; at++) {
        const first = at * size
        const end = Math.min(rows, first + size)
        due = rateOf({ rate, warmup, schedule }, step + 1)
        load(order, first, end)
        net.setKey(...keyOfStep(seed, step + 1))
        const result = gpu ? await net.backwardOn(gpu, log) : net.backward()
        if (!Number.isFinite(result.lossSum)) throw notFinite(net, step + 1)
        net.propose(due, step + 1)
        net.applyProposal()
        step++
        lossSum += result.lossSum
        correct += result.correct
        seen += (end - first) * losses
        await onProgress?.({ step, steps, epoch, epochs, loss: lossSum / seen, accuracy: correct / seen, rate: due })
        stopped = (signal?.aborted ?? false) && step < steps
      }
      if (step !== epoch * perEpoch || seen === 0) continue
      if (!net.isFinite()) throw notFinite(net, step)
      const trained = { model, weights: net.weights, statistics: net.states, profile }
      const validated = validation && score(trained, validation, { batch: size })
      const result: EpochResult = {
        epoch,
        step,
        loss: lossSum / seen,
        accuracy: correct / seen,
        rate: due,
        ...(validated && { validation: validated }),
      }
      history.push(result)
      await onEpoch?.(result)
    }
    const [weights, statistics] = [Float32Array.from(net.weights), Float32Array.from(net.states)]
    const state = { step, weights, statistics, optimizer: Float32Array.from(net.residualNumbers) }
    return { model, weights, statistics, profile, history, state, stopped }
  } finally {
    net.close()
  }
}

/** Puts a net at the beginning, or where a state says, and answers the steps done. */
function begin(net: Net, from: TrainingState | undefined, seed: string, magnitude: number): number {
  if (!from) {
    net.weights.set(drawWeights(net.model, sha256(utf8(seed)), magnitude))
    return 0
  }
  const parts = [
    ['weights', from.weights, net.weights],
    ['statistics', from.statistics, net.states],
    // A state of step 0 starts the optimiser anew.
    ...(from.step === 0 && from.optimizer.length === 0 ? [] : [['optimizer', from.optimizer, net.residualNumbers] as const]),
  ] as const
  for (const [name, given, home] of parts) {
    if (given.length !== home.length) throw new RangeError(`from.${name}: expected ${home.length} numbers, received ${given.length}`)
    home.set(given)
  }
  return from.step
}

function notFinite(net: Net, step: number): RangeError {
  const layer = net.nonFiniteLayer()
  const where = layer === undefined ? 'an update' : `layer ${layer}`
  return new RangeError(`step ${step}: ${where} makes a number that is not finite; try a smaller rate, a warm-up, or clipping`)
}
