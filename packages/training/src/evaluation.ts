import type { TaskDocument } from '@pouw/primitives'
import { arithmeticMismatch, type Backend, modelOf } from './model.ts'
import { createNet } from './net/net.ts'
import type { SegmentData } from './segments.ts'

/** What an evaluator reports about one model (spec 14, A21); all binary32, so honest reports are equal bytes. */
export interface Evaluation {
  /** Mean cross-entropy over the test set. */
  readonly loss: number
  /** Share of right answers. */
  readonly accuracy: number
  /** Share of the commonest label: what a model must beat to be paid. */
  readonly commonestShare: number
}

/**
 * Tests one model on the whole test set.
 *
 * The samples of all segments, in the given order, run in chunks of the batch size (the last may be smaller). loss = fl(S / N), where S is
 * the binary64 sum, in order, of the binary32 loss sums of the chunks; accuracy = fl(right / N); commonestShare likewise.
 * @param model weights, then running statistics
 * @throws RangeError for no samples, for samples or a model that do not fit the document, or if this build is not the document's
 */
export function evaluate(doc: TaskDocument, model: Float32Array, testSegments: readonly SegmentData[], backend?: Backend): Evaluation {
  const { features, classes, scale } = doc.ml.dataset
  const samples = join(testSegments, features)
  const count = samples.labels.length
  if (count === 0) throw new RangeError('evaluate: expected at least one test sample')
  const shares = new Uint32Array(classes)
  for (const label of samples.labels) {
    if (label >= classes) throw new RangeError(`evaluate: expected labels below ${classes}, got ${label}`)
    shares[label]!++
  }
  const chunk = Math.min(doc.ml.batch, count)
  const mismatch = arithmeticMismatch(doc)
  if (mismatch) throw new RangeError(`evaluate: ${mismatch}`)
  const net = createNet(modelOf(doc), chunk, { backend, profile: doc.profile, inference: true })
  const expected = net.modelNumbers.length
  if (model.length !== expected) throw new RangeError(`evaluate: expected ${expected} numbers of a model, received ${model.length}`)
  net.modelNumbers.set(model)
  let lossSum = 0
  let right = 0
  for (let first = 0; first < count; ) {
    const size = Math.min(chunk, count - first)
    net.loadBatch(
      samples.features.subarray(first * features, (first + size) * features),
      samples.labels.subarray(first, first + size),
      Math.fround(scale),
    )
    const result = net.forward()
    lossSum += result.lossSum
    right += result.correct
    first += size
  }
  return {
    loss: Math.fround(lossSum / count),
    accuracy: Math.fround(right / count),
    commonestShare: Math.fround(Math.max(...shares) / count),
  }
}

/** One array each for features and labels: chunks run across the ends of segments. */
function join(segments: readonly SegmentData[], features: number): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  const count = segments.reduce((sum, segment) => sum + segment.count, 0)
  const joined = { features: new Uint8Array(count * features), labels: new Uint8Array(count) }
  let at = 0
  for (const segment of segments) {
    if (segment.features.length !== segment.count * features || segment.labels.length !== segment.count)
      throw new RangeError(`evaluate: expected ${features} features and one label for each of ${segment.count} samples`)
    joined.features.set(segment.features, at * features)
    joined.labels.set(segment.labels, at)
    at += segment.count
  }
  return joined
}
