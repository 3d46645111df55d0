import { sha256, sha256Hex, utf8 } from '@pouw/crypto'
import { type Hex, lossRows, modelNumbers, modelParams, modelSpec, type TaskDocument } from '@pouw/primitives'
import { type BackendName, graphBytes, kernelVersion, roundBf16 } from '@pouw/tensor'
import { initialStates } from './layers/initial-states.ts'
import { drawWeights } from './layers/initializers.ts'
import { defineModel, type Model } from './layers/model.ts'
import { buildPass } from './net/program.ts'
import { buildProposal, isPlain } from './optimizers/proposal.ts'

/** Which arithmetic computes a net; all backends give the same bits. */
export type Backend = BackendName

/** The network a task document describes. */
export function modelOf(doc: TaskDocument): Model {
  return defineModel(modelSpec(doc))
}

/** The weights every miner of a task starts from (A25): seeded by the document, so nobody chooses them and nobody sends them. */
export function initialWeights(doc: TaskDocument): Float32Array {
  const { magnitude, seed } = doc.ml.model.initializer
  return drawWeights(modelOf(doc), sha256(utf8(seed)), magnitude)
}

/** The same with the running statistics that every miner starts from, as they travel (decision 0020). */
export function initialModel(doc: TaskDocument): Float32Array {
  const numbers = new Float32Array(modelNumbers(doc))
  numbers.set(initialWeights(doc))
  if (doc.profile === 'bf16x') for (const [i, weight] of numbers.entries()) numbers[i] = roundBf16(weight)
  numbers.set(initialStates(modelOf(doc).declared), modelParams(doc))
  return numbers
}

/**
 * SHA-256 of what an iteration of a task computes: "POUW-PROGRAM" and `graphBytes` of the training pass, of the pass without gradients and, for other
 * optimisers than plain SGD, of the proposal.
 */
export function programHash(doc: Omit<TaskDocument, 'arithmetic'>): Hex {
  const { model, optimizer, batch } = doc.ml
  const spec = modelSpec(doc)
  const options = { profile: doc.profile, checkpoint: model.checkpoint ?? false }
  const graphs = [true, false].map((training) => buildPass(spec, batch, { ...options, training }).graph)
  if (!isPlain(optimizer)) graphs.push(buildProposal(optimizer, modelParams(doc), lossRows(doc)).graph)
  return sha256Hex(utf8('POUW-PROGRAM'), ...graphs.map(graphBytes))
}

/** Fills in what version 2 binds a task to: the kernels and the program of this build. */
export function bindArithmetic(doc: Omit<TaskDocument, 'arithmetic'>): TaskDocument {
  return doc.version === 1 ? doc : { ...doc, arithmetic: { kernels: kernelVersion, program: programHash(doc) } }
}

/** What this build computes for a document; graphs of large models are not built again for every question. */
const here = new WeakMap<object, { readonly kernels: Hex; readonly program: Hex }>()

/** Why this build cannot compute the task as its document says (spec 5.2: then it must not join), or `undefined`. */
export function arithmeticMismatch(doc: TaskDocument): string | undefined {
  if (doc.version === 1) return undefined
  let own = here.get(doc)
  if (!own) {
    own = { kernels: kernelVersion, program: programHash(doc) }
    here.set(doc, own)
  }
  for (const key of ['kernels', 'program'] as const)
    if (doc.arithmetic?.[key] !== own[key])
      return `arithmetic.${key}: expected ${own[key]} of this build, received ${doc.arithmetic?.[key]}`
  return undefined
}
