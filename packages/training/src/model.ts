import { sha256, utf8 } from '@pouw/crypto'
import type { TaskDocument } from '@pouw/primitives'
import { defineModel, initXavier, type Model } from '@pouw/tensor'

/** The network a task document describes. */
export function modelOf(doc: TaskDocument): Model {
  return defineModel({ features: doc.ml.dataset.features, layers: doc.ml.model.layers })
}

/** The weights every miner of a task starts from (A25): seeded by the document, so nobody chooses them and nobody sends them. */
export function initialWeights(doc: TaskDocument): Float32Array {
  const { magnitude, seed } = doc.ml.model.initializer
  return initXavier(modelOf(doc), sha256(utf8(seed)), magnitude)
}
