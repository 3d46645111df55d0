/**
 * The task definition document (spec 5.1): everything that replay depends on. YAML when people write it, canonical CBOR when it is hashed.
 * Keys are the authors' where they have them.
 */
import { sha256Hex } from '@pouw/crypto'
import type { Hex } from './codec.ts'
import { LIMITS } from './limits.ts'
import type { ChainRecord } from './records.ts'
import { amount, binary32, type Check, decodeCanonical, encodeCanonical, hash, integer, list, literal, object, text } from './schema.ts'
import { OK, refuse, type Verdict } from './verdict.ts'

export interface TaskDocument {
  version: 1
  /** For people. */
  name: string
  payment: {
    fee: bigint
    /** Basis points of the pot; they add up to 10000. */
    quotas: { miners: number; supervisors: number; evaluators: number }
  }
  /** Arithmetic profile (A7). */
  profile: 'f32'
  ml: {
    dataset: {
      name: string
      /** `idx-u8`: bytes from IDX files; `synthetic`: seeded by the name. */
      format: 'idx-u8' | 'synthetic'
      samples: number
      features: number
      classes: number
      /** Multiplies each stored byte once (A25). */
      scale: number
      files: { name: string; sha256: Hex }[]
      segments: number
      testSegments: number
    }
    model: {
      type: 'dense'
      layers: { id: string; nodes: number; activation: 'identity' | 'relu' }[]
      loss: 'softmax-cross-entropy'
      initializer: { name: 'xavier'; magnitude: number; seed: string }
    }
    optimizer: {
      type: 'sgd'
      rate: number
      /** Iterations of linear warm-up; 0 = none. */
      warmup: number
      tau: number
      /** Factor on peers' maps (A10). */
      peerScale: number
    }
    validation: { method: 'none' }
    'evaluation-metrics': ('accuracy' | 'cross-entropy')[]
    batch: number
    epochs: number
    /** S of A9: iterations that a miner may be ahead of its newest finalised one. */
    staleness: number
  }
  workers: {
    miners: number
    supervisors: number
    evaluators: number
    backups: { miners: number; supervisors: number; evaluators: number }
    minStake: bigint
    family: number
    /** Blocks after the participation block. */
    deadline: number
    /** Balance of the batch ring, basis points (8.2). */
    epsilonBp: number
    slotMs: number
  }
}

const bp = integer(0, 10_000)

/** Quotas are fixed by the document within these bounds, so that no role works for nothing (spec 14). */
const quotas: Check<TaskDocument['payment']['quotas']> = (value, path) => {
  const read = object({ miners: bp, supervisors: bp, evaluators: bp })(value, path)
  const sum = read.miners + read.supervisors + read.evaluators
  if (sum !== 10_000) throw new TypeError(`${path}: expected basis points that add up to 10000, received ${sum}`)
  if (read.miners < 5_000 || read.supervisors < 500 || read.evaluators < 200) {
    throw new TypeError(`${path}: expected at least 5000 for miners, 500 for supervisors, 200 for evaluators`)
  }
  return read
}

const metrics: Check<TaskDocument['ml']['evaluation-metrics']> = (value, path) => {
  const read = list(literal('accuracy', 'cross-entropy'), 2, 2)(value, path)
  if (read[0] !== 'accuracy' || read[1] !== 'cross-entropy')
    throw new TypeError(`${path}: expected [accuracy, cross-entropy], the order of ranking`)
  return read
}

const shape = object<TaskDocument>({
  version: literal(1),
  name: text(1, 64),
  payment: object({ fee: amount, quotas }),
  profile: literal('f32'),
  ml: object<TaskDocument['ml']>({
    dataset: object({
      name: text(1, 64),
      format: literal('idx-u8', 'synthetic'),
      samples: integer(1, 100_000_000),
      features: integer(1, 1_000_000),
      classes: integer(2, 256),
      scale: binary32(1e-30, 1e30),
      files: list(object({ name: text(1, 128), sha256: hash }), 0, 16),
      segments: integer(2, 255),
      testSegments: integer(1, 254),
    }),
    model: object({
      type: literal('dense'),
      layers: list(object({ id: text(1, 32), nodes: integer(1, 1_000_000), activation: literal('identity', 'relu') }), 1, 64),
      loss: literal('softmax-cross-entropy'),
      initializer: object({ name: literal('xavier'), magnitude: binary32(1e-6, 1e6), seed: text(1, 128) }),
    }),
    optimizer: object({
      type: literal('sgd'),
      rate: binary32(1e-12, 1e6),
      warmup: integer(0, 1_000_000),
      tau: binary32(1e-12, 1e12),
      peerScale: binary32(0, 1),
    }),
    validation: object({ method: literal('none') }),
    'evaluation-metrics': metrics,
    batch: integer(1, 1_000_000),
    epochs: integer(1, 65_535),
    staleness: integer(1, 64),
  }),
  workers: object<TaskDocument['workers']>({
    miners: integer(3, 1024),
    supervisors: literal(4, 7, 10, 13) as Check<number>,
    evaluators: integer(1, 16),
    backups: object({ miners: integer(0, 255), supervisors: integer(0, 255), evaluators: integer(0, 255) }),
    minStake: amount,
    family: integer(0, 65_535),
    deadline: integer(4, 1_000_000),
    epsilonBp: bp,
    slotMs: integer(50, 5_000),
  }),
})

const check: Check<TaskDocument> = (value, path) => {
  const document = shape(value, path)
  const { dataset, model, batch } = document.ml
  const say = (where: string, message: string) => {
    throw new TypeError(`${where}: ${message}`)
  }
  if (dataset.testSegments >= dataset.segments)
    say('ml.dataset.testSegments', `expected fewer than ${dataset.segments} segments, received ${dataset.testSegments}`)
  if (segmentSamples(document) < batch)
    say('ml.batch', `expected at most ${segmentSamples(document)} samples (one segment), received ${batch}`)
  if (batchBytes(document) >= 2 ** 32) say('ml.batch', 'expected fewer than 2^32 bytes of features and labels')
  if (dataset.format === 'synthetic' && dataset.files.length > 0)
    say('ml.dataset.files', 'expected none: synthetic data are made from the name')
  const last = model.layers.at(-1)!
  if (last.nodes !== dataset.classes || last.activation !== 'identity') {
    say(
      'ml.model.layers',
      `expected the last layer to have ${dataset.classes} nodes (classes) and activation identity, received ${last.nodes} and ${last.activation}`,
    )
  }
  const ids = new Set(model.layers.map((layer) => layer.id))
  if (ids.size !== model.layers.length) say('ml.model.layers', 'expected different ids')
  if (modelParams(document) >= 2 ** 31) say('ml.model.layers', 'expected fewer than 2^31 parameters')
  return document
}

/** @throws RangeError if the document is longer than 16 KiB, TypeError if it does not fit the schema */
export function encodeTaskDocument(document: TaskDocument): Uint8Array {
  const bytes = encodeCanonical(check(document, ''))
  if (bytes.length > LIMITS.taskDocumentBytes)
    throw new RangeError(`expected at most ${LIMITS.taskDocumentBytes} bytes, received ${bytes.length}`)
  return bytes
}

export function decodeTaskDocument(
  bytes: Uint8Array,
): { readonly ok: true; readonly document: TaskDocument } | { readonly ok: false; readonly error: string } {
  if (bytes.length > LIMITS.taskDocumentBytes) return { ok: false, error: `longer than ${LIMITS.taskDocumentBytes} bytes` }
  try {
    return { ok: true, document: decodeCanonical(bytes, check) }
  } catch (error) {
    return { ok: false, error: (error as Error).message }
  }
}

/** A hand-written document (YAML, JSON): amounts may be decimal strings. @throws TypeError that names the path */
export function parseTaskDocument(plain: unknown): TaskDocument {
  return check(plain, '')
}

/** SHA-256 of the canonical bytes; field 40 of 01. */
export function documentHash(bytes: Uint8Array): Hex {
  return sha256Hex(bytes)
}

/** Trainable parameters: weights and biases. */
export function modelParams(document: TaskDocument): number {
  let inputs = document.ml.dataset.features
  let params = 0
  for (const { nodes } of document.ml.model.layers) {
    params += (inputs + 1) * nodes
    inputs = nodes
  }
  return params
}

/** Features and labels of one mini-batch in their stored type (one byte each). */
export function batchBytes(document: TaskDocument): number {
  return (document.ml.dataset.features + 1) * document.ml.batch
}

/** Samples per segment; the rest is dropped (5.3). */
export function segmentSamples(document: TaskDocument): number {
  return Math.floor(document.ml.dataset.samples / document.ml.dataset.segments)
}

export function batchesPerSegment(document: TaskDocument): number {
  return Math.floor(segmentSamples(document) / document.ml.batch)
}

/** Batches of all training segments. */
export function trainingBatches(document: TaskDocument): number {
  return batchesPerSegment(document) * (document.ml.dataset.segments - document.ml.dataset.testSegments)
}

/** FLOPs of one iteration: 6 * params * samples (10.2). */
export function flopsPerIteration(document: TaskDocument): number {
  return 6 * modelParams(document) * document.ml.batch
}

const OPTIMISERS = { sgd: 1 } as const

/** The PAY_FOR_TASK record that belongs to a document. */
export function recordOfDocument(document: TaskDocument, segmentsRoot: Hex): ChainRecord<'PAY_FOR_TASK'> {
  const { ml, workers, payment } = document
  return {
    type: 'PAY_FOR_TASK',
    flags: 0,
    taskId: '00'.repeat(32),
    documentHash: documentHash(encodeTaskDocument(document)),
    segmentsRoot,
    fee: payment.fee,
    modelSize: modelParams(document),
    batchBytes: batchBytes(document),
    epochs: ml.epochs,
    minersWanted: workers.miners,
    supervisorsWanted: workers.supervisors,
    evaluatorsWanted: workers.evaluators,
    segments: ml.dataset.segments,
    testSegments: ml.dataset.testSegments,
    tau: ml.optimizer.tau,
    deadline: workers.deadline,
    family: workers.family,
    optimiser: OPTIMISERS[ml.optimizer.type],
    backupMiners: workers.backups.miners,
    backupSupervisors: workers.backups.supervisors,
    backupEvaluators: workers.backups.evaluators,
    minStake: workers.minStake,
  }
}

/** A record must say what its document says, field by field. */
export function documentMatchesRecord(document: TaskDocument, record: ChainRecord<'PAY_FOR_TASK'>): Verdict {
  const expected = recordOfDocument(document, record.segmentsRoot)
  for (const key of Object.keys(expected) as (keyof typeof expected)[]) {
    if (key !== 'flags' && !Object.is(expected[key], record[key]))
      return refuse('document-mismatch', 'reject', { detail: `${key}: document says ${expected[key]}, record ${record[key]}` })
  }
  return OK
}
