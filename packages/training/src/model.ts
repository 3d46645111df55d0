import { sha256, utf8 } from '@pouw/crypto'
import type { TaskDocument } from '@pouw/primitives'
import { type BackendName, initXavier } from '@pouw/tensor'
import { defineModel, type Model } from './layers/model.ts'

/** Which arithmetic computes a net; all backends give the same bits. */
export type Backend = BackendName

/** The network a task document describes. */
export function modelOf(doc: TaskDocument): Model {
  const { dataset, model } = doc.ml
  return defineModel({
    input: { kind: 'features', shape: [dataset.features] },
    layers: model.layers,
    loss: { type: model.loss },
  })
}

/** The weights every miner of a task starts from (A25): seeded by the document, so nobody chooses them and nobody sends them. */
export function initialWeights(doc: TaskDocument): Float32Array {
  const { magnitude, seed } = doc.ml.model.initializer
  return initXavier(modelOf(doc), sha256(utf8(seed)), magnitude)
}
