import { answersOf, lossRows, modelSpec, type TaskDocument } from '@pouw/primitives'
import { defineModel } from './layers/model.ts'
import { logarithms } from './metrics/elementary.ts'
import { arithmeticMismatch, type Backend, modelOf } from './model.ts'
import { createNet, type Net } from './net/net.ts'
import { joinSamples, loadSamples, rowsOf, type StoredSamples, samplesFit, scalesOf } from './samples.ts'
import { holds, type SegmentData } from './segments.ts'

/** What an evaluator reports about one model (spec 14, A21); all binary32, so honest reports are equal bytes. */
export interface Evaluation {
  /** Mean over the test set: over samples, or over their answers where each is a class. */
  readonly loss: number
  /** Share of right classes; 0 where the loss has none. */
  readonly accuracy: number
  /** Whether the model knows more than a trivial one, as it must to be paid. */
  readonly beatsTrivial: boolean
}

/**
 * Tests one model on the whole test set.
 *
 * The samples of all segments, in the given order, run in chunks of the batch size (the last may be smaller). loss = fl(S / N), where S is
 * the binary64 sum, in order, of the binary32 loss sums of the chunks; accuracy = fl(right / N).
 *
 * The trivial model says the same of every sample. With classes it names the commonest answer, and accuracy must exceed its share, as binary32. Without, it
 * answers in each place the mean of what is wanted there, fl(sum of bytes / samples * answerScale) with the sum exact (for binary cross entropy that mean is a
 * probability p, and its logit log(p / (1 - p)) by `logit`), and the loss must be below its loss.
 * @param model weights, then running statistics
 * @throws RangeError for no samples, for samples or a model that do not fit the document, or if this build is not the document's
 */
export function evaluate(doc: TaskDocument, model: Float32Array, testSegments: readonly SegmentData[], backend?: Backend): Evaluation {
  const { features, classes } = doc.ml.dataset
  const answers = answersOf(doc)
  const bad = testSegments.find((segment) => !holds(segment, doc))
  if (bad) throw new RangeError(`evaluate: expected ${features} features and ${answers} answers for each of ${bad.count} samples`)
  const samples = joinSamples(doc, testSegments)
  if (samples.count === 0) throw new RangeError('evaluate: expected at least one test sample')
  if (!samplesFit(doc, samples)) throw new RangeError(`evaluate: expected answers below ${classes} and tokens below the vocabulary`)
  const mismatch = arithmeticMismatch(doc)
  if (mismatch) throw new RangeError(`evaluate: ${mismatch}`)
  const batch = Math.min(doc.ml.batch, samples.count)
  const net = createNet(modelOf(doc), batch, { backend, profile: doc.profile, inference: true })
  const expected = net.modelNumbers.length
  if (model.length !== expected) throw new RangeError(`evaluate: expected ${expected} numbers of a model, received ${model.length}`)
  net.modelNumbers.set(model)
  const scales = scalesOf(doc)
  const [loss, accuracy] = meansOf(doc, net, samples.count, (from, to) => loadSamples(net, rowsOf(samples, from, to), scales))
  const ranksClasses = doc.ml.model.loss === 'softmax-cross-entropy'
  return {
    loss,
    accuracy,
    beatsTrivial: ranksClasses ? accuracy > commonestShare(samples.labels) : loss < trivialLoss(doc, samples, backend),
  }
}

/** Mean loss and share of right classes over `count` samples, each rounded once. */
function meansOf(doc: TaskDocument, net: Net, count: number, load: (from: number, to: number) => void): readonly [number, number] {
  let [lossSum, right] = [0, 0]
  for (let from = 0; from < count; from += net.batch) {
    load(from, Math.min(from + net.batch, count))
    const result = net.forward()
    lossSum += result.lossSum
    right += result.correct
  }
  const rows = (lossRows(doc) / doc.ml.batch) * count
  return [Math.fround(lossSum / rows), Math.fround(right / rows)]
}

function commonestShare(labels: Uint8Array): number {
  const shares = new Uint32Array(256)
  for (const label of labels) shares[label]!++
  return Math.fround(Math.max(...shares) / labels.length)
}

/** The loss of a model that says the mean of what is wanted, whatever the sample. */
function trivialLoss(doc: TaskDocument, samples: StoredSamples, backend?: Backend): number {
  const { loss } = modelSpec(doc)
  const answers = answersOf(doc)
  const { answerScale } = scalesOf(doc)
  const sums = new Float64Array(answers)
  for (const [i, byte] of samples.labels.entries()) sums[i % answers]! += byte
  const means = Float32Array.from(sums, (sum) => (sum / samples.count) * answerScale)
  const said = loss.type === 'binary-cross-entropy' ? logits(means, backend) : means
  const model = defineModel({ input: { kind: 'features', shape: [answers] }, layers: [{ id: 'said', type: 'flatten' }], loss })
  const net = createNet(model, Math.min(doc.ml.batch, samples.count), { backend, inference: true })
  const all = Float32Array.from({ length: net.batch * answers }, (_, i) => said[i % answers]!)
  const [mean] = meansOf(doc, net, samples.count, (from, to) => {
    const wanted = Float32Array.from(rowsOf(samples, from, to).labels, (byte) => byte * answerScale)
    net.loadBatch(all.subarray(0, wanted.length), wanted, 1)
  })
  return mean
}

/** fl(log p - log fl(1 - p)), p kept within 2^-24 and 1 - 2^-24. */
function logits(probabilities: Float32Array, backend?: Backend): Float32Array {
  const edge = 2 ** -24
  const likely = probabilities.map((p) => Math.min(Math.max(p, edge), 1 - edge))
  const [yes, no] = [
    logarithms(likely, backend),
    logarithms(
      likely.map((p) => 1 - p),
      backend,
    ),
  ]
  return yes.map((value, i) => value - no[i]!)
}
