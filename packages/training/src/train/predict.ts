import type { Profile } from '@pouw/tensor'
import type { Model } from '../layers/model.ts'
import { createNet, type Net } from '../net/net.ts'
import { countRows, createLoader, rowSizes, type TrainingData } from './data.ts'

/** A model with the numbers that training gave it: all that a prediction needs. */
export interface TrainedModel {
  readonly model: Model
  /** Float32 `[params]`, in the order of `model.tensors`. */
  readonly weights: Float32Array
  /** Running statistics, empty where the model has none. */
  readonly statistics: Float32Array
  readonly profile: Profile
}

export interface Score {
  /** Mean over samples, or over tokens where each has a class. */
  readonly loss: number
  /** Share of right classes; 0 where the loss has no classes. */
  readonly accuracy: number
}

/** Rows that go through a net at once where the caller names no number. */
const ROWS = 256

/**
 * What a model answers, float32 `[rows, ...output shape]`: logits, unless its last layer says otherwise. Rows do not touch each other, so `batch`
 * changes no bit; but in profile `int8x` the rows of a batch share their units.
 *
 * @throws RangeError if the inputs are not rows of the model's
 */
export function predict(
  trained: TrainedModel,
  inputs: TrainingData['inputs'],
  options: { scale?: number; batch?: number } = {},
): Float32Array {
  const { model } = trained
  const sizes = rowSizes(model)
  const rows = Math.floor(inputs.length / sizes.input)
  const classes = model.spec.loss.type === 'softmax-cross-entropy'
  const wanted = new (classes ? Int32Array : Float32Array)(rows * sizes.wanted)
  const data: TrainingData = { inputs, wanted, scale: options.scale ?? 1 }
  const answers = new Float32Array(rows * sizes.output)
  forBatches(trained, data, options.batch, (net, from) => {
    net.forward()
    answers.set(net.logits(), from * sizes.output)
  })
  return answers
}

/** Loss and accuracy of a model on some data: binary64 sums of the batches' binary32 sums, in order. @throws RangeError if the data do not fit */
export function score(trained: TrainedModel, data: TrainingData, options: { batch?: number } = {}): Score {
  let [lossSum, correct] = [0, 0]
  const rows = forBatches(trained, data, options.batch, (net) => {
    const result = net.forward()
    lossSum += result.lossSum
    correct += result.correct
  })
  const count = rows * rowSizes(trained.model).losses
  return { loss: lossSum / count, accuracy: correct / count }
}

function forBatches(
  { model, weights, statistics, profile }: TrainedModel,
  data: TrainingData,
  batch = ROWS,
  use: (net: Net, from: number) => void,
): number {
  const rows = countRows(model, data)
  const net = createNet(model, Math.min(batch, rows), { profile, inference: true })
  if (weights.length !== model.params) throw new RangeError(`weights: expected ${model.params} numbers, received ${weights.length}`)
  if (statistics.length !== net.states.length)
    throw new RangeError(`statistics: expected ${net.states.length} numbers, received ${statistics.length}`)
  net.weights.set(weights)
  net.states.set(statistics)
  const load = createLoader(net, data)
  for (let from = 0; from < rows; from += net.batch) {
    load(undefined, from, Math.min(rows, from + net.batch))
    use(net, from)
  }
  return rows
}
