import { sha256, utf8 } from '@pouw/crypto'
import type { TaskDocument } from '@pouw/primitives'
import { type createNet, defineModel, initXavier, type Model } from '@pouw/tensor'

/** Which arithmetic computes a net; all backends give the same bits. */
export type Backend = NonNullable<Parameters<typeof createNet>[2]>

/** The network a task document describes. */
export function modelOf(doc: TaskDocument): Model {
  return defineModel({ inputs: doc.ml.dataset.features, layers: doc.ml.model.layers })
}

/** The weights every miner of a task starts from (A25): seeded by the document, so nobody chooses them and nobody sends them. */
export function initialWeights(doc: TaskDocument): Float32Array {
  const { magnitude, seed } = doc.ml.model.initializer
  return initXavier(modelOf(doc), sha256(utf8(seed)), magnitude)
}
