import { type OptimizerSpec, REGISTERS } from '@pouw/primitives'
import { createArena, type Profile, sizeOf } from '@pouw/tensor'
import type { Model } from '../layers/model.ts'
import {
  buildPass,
  exchangeProgram,
  type Homes,
  linkPass,
  type Pass,
  type Program,
  planFewer,
  planPass,
  proposalPrograms,
} from './program.ts'

export interface NetOptions {
  readonly profile?: Profile
  /** Makes `propose` possible; its arrays come to the memory. */
  readonly optimizer?: OptimizerSpec | undefined
  /** For somebody who trains alone: no residual, no exchange, no peers; the proposal takes the place of the gradient. */
  readonly alone?: boolean
  /** For somebody who only asks the model: a net alone without gradients and what is kept for them. */
  readonly inference?: boolean
  /** For `backwardOn`: a graph whose products a graphics processor can make, see `createGraph`. The same bits. */
  readonly direct?: boolean
  /** Forget what segments computed and compute it again on the way back: less memory, the same bits. */
  readonly checkpoint?: boolean
}

/** Words of peers' maps that are copied in at once. */
export const PIECE_WORDS = 2 ** 18
/** Models up to this size count peers' words in a place of their own, which is zero between calls; larger ones where activations lie, cleared each time. */
const OWN_COUNTS = 2 ** 24

/** Every place of a net and the programs that run there. */
export function layNet(
  model: Model,
  batch: number,
  { profile = 'f32', checkpoint = false, direct = false, optimizer, inference = false, alone = inference }: NetOptions,
  threads: number,
) {
  if (!Number.isSafeInteger(batch) || batch < 1) throw new RangeError(`batch: expected a positive integer, received ${batch}`)
  const { params } = model
  if (params === 0 && !inference) throw new RangeError('model: expected a layer with weights to train, received none')
  const build = (training: boolean, rows: number) => buildPass(model.spec, rows, { training, profile, checkpoint, direct })
  const predict = build(false, batch)
  const passes = { train: inference ? predict : build(true, batch), predict }
  const predictPlan = planPass(predict, threads)
  const plans = { train: inference ? predictPlan : planPass(passes.train, threads), predict: predictPlan }
  const { output, inputs } = predict.forward
  const classes = output.shape.at(-1)!
  const sampleSize = sizeOf(inputs.data.shape) / batch
  const { wanted } = predict
  const wantedPerRow = sizeOf(wanted.shape) / batch
  const stateSize = model.declared.stateCount
  /** What a mean is over: samples, or tokens where each has a class. */
  const lossRows = (rows: number) => (wanted.dtype === 'i32' ? rows * wantedPerRow : rows)

  const arena = createArena()
  const registers = optimizer ? REGISTERS[optimizer.type] : 0
  const w = arena.take(4 * (params + stateSize))
  const s = w + 4 * params
  const residualSize = alone ? 0 : params
  const r = arena.take(4 * (residualSize + params * registers))
  const gradientSize = inference ? 0 : params
  const g = arena.take(4 * gradientSize)
  const change = optimizer && !alone ? arena.take(4 * params) : g
  const x = arena.take(4 * batch * sampleSize)
  const bytesAt = arena.take(batch * sampleSize)
  const wantedAt = arena.take(4 * batch * wantedPerRow)
  const keyAt = arena.take(8)
  const zerosAt = arena.take(4 * batch)
  const piece = arena.take(alone ? 0 : 4 * Math.min(params, PIECE_WORDS))
  const ownCounts = params <= OWN_COUNTS && !alone ? arena.take(4 * params) : 0
  // The words of an own map, and a large model's counts, lie where activations lie at other times.
  const regionBytes = Math.max(plans.train.bytes, plans.predict.bytes, alone ? 0 : 4 * params)
  const region = arena.take(regionBytes)
  const homes: Homes = { input: x, wanted: wantedAt, key: keyAt, zeros: zerosAt, weights: w, gradient: g, states: s, region }
  const link = (kind: 'train' | 'predict', pass: Pass): Program => {
    const full = passes[kind]
    if (pass === full) return linkPass(pass, plans[kind], homes)
    // In profile `int8x` a large batch has more parts of sums than a small one.
    if (pass.graph.nodes.length === full.graph.nodes.length) return linkPass(pass, planFewer(plans[kind], full, pass), homes)
    const plan = planPass(pass, threads)
    if (plan.bytes > regionBytes)
      throw new RangeError(`batch: expected ${regionBytes} bytes to hold fewer rows as well, they need ${plan.bytes}`)
    return linkPass(pass, plan, homes)
  }
  const full = { train: link('train', passes.train), predict: link('predict', passes.predict) }
  // A pass of fewer rows has as many words as the full one, so the last such pass of each kind can lie beside it.
  const programsAt = { train: arena.take(8 * full.train.words.length), predict: arena.take(8 * full.predict.words.length) }

  const exchange = alone ? undefined : exchangeProgram(params, threads, arena, { residual: r, step: change, weights: w, words: region })
  const kept = Array.from({ length: registers }, (_, i) => r + 4 * (residualSize + params * i))
  const propose =
    optimizer && proposalPrograms(optimizer, params, lossRows(batch), threads, arena, { gradient: g, weights: w, kept, change })
  const bytes = arena.bytes
  return {
    model,
    batch,
    params,
    bytes,
    build,
    link,
    full,
    exchange,
    programsAt,
    wanted,
    wantedPerRow,
    classes,
    sampleSize,
    stateSize,
    profile,
    residualSize,
    gradientSize,
    inference,
    registers,
    propose,
    optimizer,
    lossRows,
    ...{ w, r, g, s, x, bytesAt, wantedAt, keyAt, piece, ownCounts, region, change },
  }
}
