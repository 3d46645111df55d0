import { answersOf, type TaskDocument } from '@pouw/primitives'
import type { Net } from './net/net.ts'

/** Samples in the stored type: features `[rows, features]`, labels `[rows, answers]`. */
export interface Samples {
  readonly features: Uint8Array
  readonly labels: Uint8Array
}

/** What stored bytes are multiplied with, binary32. Tokens and classes are taken as they are. */
export interface SampleScales {
  readonly scale: number
  readonly answerScale: number
}

export function scalesOf({ ml: { dataset } }: TaskDocument): SampleScales {
  return { scale: Math.fround(dataset.scale), answerScale: Math.fround(dataset.answerScale ?? 1) }
}

/** Puts samples into a net: features are fl(byte scale) or tokens, answers classes or targets fl(byte answerScale). @throws RangeError if they do not fit it */
export function loadSamples(net: Net, { features, labels }: Samples, { scale, answerScale }: SampleScales): void {
  const { input, loss } = net.model.spec
  // A byte times a binary32 number is exact in binary64.
  const wanted = loss.type === 'softmax-cross-entropy' ? labels : Float32Array.from(labels, (byte) => byte * answerScale)
  if (input.kind === 'tokens') net.loadTokens(features, wanted)
  else net.loadBatch(features, wanted, scale)
}

/** Whether untrusted samples hold what their document says: answers below its classes, tokens below its vocabulary. */
export function samplesFit(doc: TaskDocument, { features, labels }: Samples): boolean {
  const { dataset, model } = doc.ml
  return below(labels, dataset.classes) && (model.vocabulary === undefined || below(features, model.vocabulary))
}

function below(bytes: Uint8Array, end: number): boolean {
  if (end === 256) return true
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! >= end) return false
  return true
}

export interface StoredSamples extends Samples {
  readonly count: number
}

/** Parts of stored samples in one. */
export function joinSamples(doc: TaskDocument, parts: readonly StoredSamples[]): StoredSamples {
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const joined = { count, features: new Uint8Array(count * doc.ml.dataset.features), labels: new Uint8Array(count * answersOf(doc)) }
  let at = 0
  for (const part of parts) {
    joined.features.set(part.features, at * doc.ml.dataset.features)
    joined.labels.set(part.labels, at * answersOf(doc))
    at += part.count
  }
  return joined
}

/** Views of the samples `from` up to, not including, `to`. */
export function rowsOf({ count, features, labels }: StoredSamples, from: number, to: number): Samples {
  const [inputs, answers] = [features.length / count, labels.length / count]
  return { features: features.subarray(from * inputs, to * inputs), labels: labels.subarray(from * answers, to * answers) }
}
