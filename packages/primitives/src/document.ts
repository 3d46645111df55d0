/**
 * The task definition document (spec 5.1): everything that replay depends on. YAML when people write it, canonical CBOR when it is hashed.
 * Keys are the authors' where they have them.
 */
import { sha256Hex } from '@pouw/crypto'
import type { Hex } from './codec.ts'
import { LIMITS } from './limits.ts'
import { type DeclaredModel, declareModel } from './model/declare.ts'
import { layerSchema, optimizerKeys, scheduleSchema } from './model/model-schema.ts'
import { type OptimizerSpec, REGISTERS, type ScheduleSpec } from './model/optimizer.ts'
import type { LayerSpec, LossSpec, ModelSpec } from './model/spec.ts'
import type { ChainRecord } from './records.ts'
import {
  amount,
  binary32,
  type Check,
  decodeCanonical,
  encodeCanonical,
  hash,
  integer,
  list,
  literal,
  object,
  optional,
  text,
  truth,
  variant,
} from './schema.ts'
import { OK, refuse, type Verdict } from './verdict.ts'

export interface TaskDocument {
  /** 1: a stack of dense layers, plain SGD, profile `f32`. 2: any layers, optimisers and profiles, bound to the kernels and to the program. */
  version: 1 | 2
  /** For people. */
  name: string
  payment: {
    fee: bigint
    /** Basis points of the pot; they add up to 10000. */
    quotas: { miners: number; supervisors: number; evaluators: number }
  }
  /** Arithmetic profile (A7). */
  profile: 'f32' | 'bf16x' | 'int8x'
  /** What must compute it, in version 2: SHA-256 of the kernels' binary, and the hash of the program (`programHash` of the training package). */
  arithmetic?: { kernels: Hex; program: Hex }
  ml: {
    dataset: {
      name: string
      /** `idx-u8`: bytes from IDX files; `synthetic`: seeded by the name. */
      format: 'idx-u8' | 'synthetic'
      samples: number
      features: number
      classes: number
      /** Multiplies each stored byte once (A25); 1 where the bytes are tokens. */
      scale: number
      /** Bytes that are wanted of one sample, each below `classes`. Default 1. */
      answers?: number
      /** Multiplies each of them once, for losses other than cross entropy. Default 1. */
      answerScale?: number
      files: { name: string; sha256: Hex }[]
      segments: number
      testSegments: number
    }
    model: {
      /** `dense`: version 1. `layers`: the layer language, from samples of shape `input`. */
      type: 'dense' | 'layers'
      /** Extents of one sample; their product is the dataset's features. */
      input?: number[]
      /** The features are tokens below this, a sequence of `input`. */
      vocabulary?: number
      layers: LayerSpec[]
      loss: LossSpec['type']
      /** Of loss `huber`; default 1. */
      delta?: number
      initializer: { name: 'xavier'; magnitude: number; seed: string }
      /** Segments forget what they computed and compute it again on the way back. */
      checkpoint?: boolean
    }
    optimizer: OptimizerSpec & {
      rate: number
      /** Iterations of linear warm-up; 0 = none. */
      warmup: number
      /** Default: constant. */
      schedule?: ScheduleSpec
      /** Quantum of the residual: in units of the summed gradient for plain SGD, of weights for the others (A5). */
      tau: number
      /** Factor on peers' maps (A10). */
      peerScale: number
    }
    validation: { method: 'none' }
    /** In the order of ranking: accuracy and cross entropy, or the loss where there are no classes. */
    'evaluation-metrics': ('accuracy' | 'cross-entropy' | LossSpec['type'])[]
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
const LOSSES = ['softmax-cross-entropy', 'binary-cross-entropy', 'mean-squared-error', 'huber'] as const
/** A key of a later version. */
const absent = (value: unknown, path: string): undefined => {
  if (value !== undefined) throw new TypeError(`${path}: expected only in version 2`)
}

type DenseLayer = { id: string; nodes: number; activation: 'identity' | 'relu' }

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

type Metrics = TaskDocument['ml']['evaluation-metrics']

/** What ranks the models of a task. */
const metricsOf = (loss: LossSpec['type']): Metrics => (loss === 'softmax-cross-entropy' ? ['accuracy', 'cross-entropy'] : [loss])

const initializer = object({ name: literal('xavier'), magnitude: binary32(1e-6, 1e6), seed: text(1, 128) })
const steps = { rate: binary32(1e-12, 1e6), warmup: integer(0, 1_000_000), tau: binary32(1e-12, 1e12), peerScale: binary32(0, 1) }
type Model = TaskDocument['ml']['model']
type Optimizer = TaskDocument['ml']['optimizer']

const denseLayer = object<DenseLayer>({
  id: text(1, 32),
  nodes: integer(1, 1_000_000),
  activation: literal('identity', 'relu'),
}) as Check<LayerSpec>

const models: { readonly [version in TaskDocument['version']]: Check<Model> } = {
  1: object<Model>({
    type: literal('dense'),
    input: absent,
    layers: list(denseLayer, 1, 64),
    vocabulary: absent,
    loss: literal('softmax-cross-entropy'),
    delta: absent,
    initializer,
    checkpoint: absent,
  }),
  2: object<Model>({
    type: literal('layers'),
    input: list(integer(1, 1_000_000), 1, 4),
    layers: list(layerSchema, 1, 1024),
    vocabulary: optional(integer(2, 256)),
    loss: literal(...LOSSES),
    delta: optional(binary32(1e-6, 1e6)),
    initializer,
    checkpoint: optional(truth),
  }),
}

const optimizers: { readonly [version in TaskDocument['version']]: Check<Optimizer> } = {
  1: object<Record<string, unknown>>({ type: literal('sgd'), ...steps }) as unknown as Check<Optimizer>,
  2: variant<Optimizer>(
    Object.fromEntries(
      Object.entries(optimizerKeys).map(([type, keys]) => [
        type,
        object<Record<string, unknown>>({
          type: literal(type),
          ...steps,
          schedule: optional(scheduleSchema),
          ...keys,
        }) as unknown as Check<Optimizer>,
      ]),
    ),
  ),
}

const shapeOf = (version: TaskDocument['version']) =>
  object<TaskDocument>({
    version: literal(version),
    name: text(1, 64),
    payment: object({ fee: amount, quotas }),
    profile: version === 1 ? literal('f32') : literal('f32', 'bf16x', 'int8x'),
    arithmetic: version === 1 ? absent : object({ kernels: hash, program: hash }),
    ml: object<TaskDocument['ml']>({
      dataset: object({
        name: text(1, 64),
        format: literal('idx-u8', 'synthetic'),
        samples: integer(1, 100_000_000),
        features: integer(1, 1_000_000),
        classes: integer(2, 256),
        scale: binary32(1e-30, 1e30),
        answers: version === 1 ? absent : optional(integer(1, 1_000_000)),
        answerScale: version === 1 ? absent : optional(binary32(1e-30, 1e30)),
        files: list(object({ name: text(1, 128), sha256: hash }), 0, 16),
        segments: integer(2, 255),
        testSegments: integer(1, 254),
      }),
      model: models[version],
      optimizer: optimizers[version],
      validation: object({ method: literal('none') }),
      'evaluation-metrics': list(literal('accuracy', 'cross-entropy', ...LOSSES), 1, 2),
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

const shapes = { 1: shapeOf(1), 2: shapeOf(2) }

const check: Check<TaskDocument> = (value, path) => {
  const version = (value as { version?: unknown } | null | undefined)?.version
  const document = (version === 2 ? shapes[2] : shapes[1])(value, path)
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
  const ranking = metricsOf(model.loss)
  if (document.ml['evaluation-metrics'].join() !== ranking.join())
    say('ml.evaluation-metrics', `expected [${ranking.join(', ')}], the order of ranking`)
  if (document.version === 2) {
    checkLayers(document, say)
    return document
  }
  const last = model.layers.at(-1) as DenseLayer
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

/**
 * Layers that fit each other, end in what is wanted of a sample, and all count: an unread layer would earn tries for work that nobody does. Keys that
 * would change nothing are refused.
 */
function checkLayers(document: TaskDocument, say: (where: string, message: string) => never): void {
  const { dataset, model } = document.ml
  const answers = answersOf(document)
  const features = sizeOf(model.input!)
  if (features !== dataset.features) say('ml.model.input', `expected ${dataset.features} features, received [${model.input}]`)
  if (model.vocabulary !== undefined) {
    if (model.input!.length !== 1) say('ml.model.input', `expected [${features}], a sequence of tokens, received [${model.input}]`)
    if (dataset.scale !== 1) say('ml.dataset.scale', `expected 1, since tokens are not scaled, received ${dataset.scale}`)
  }
  if (model.delta !== undefined && model.loss !== 'huber') say('ml.model.delta', 'expected only beside loss huber')
  if (dataset.answerScale !== undefined && model.loss === 'softmax-cross-entropy')
    say('ml.dataset.answerScale', 'expected none, since classes are not scaled')
  if (dataset.format === 'synthetic') {
    if (answers > features) say('ml.dataset.answers', `expected at most ${features} of synthetic data, one a feature, received ${answers}`)
    if (model.vocabulary !== undefined && model.vocabulary !== dataset.classes)
      say(
        'ml.model.vocabulary',
        `expected ${dataset.classes} (classes), since synthetic answers are the next tokens, received ${model.vocabulary}`,
      )
  }
  let declared: DeclaredModel
  try {
    declared = declareModel(modelSpec(document))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return say('ml.model.layers', error.message)
  }
  const output = declared.outputShape
  if (model.loss === 'softmax-cross-entropy') {
    if (output.at(-1) !== dataset.classes || sizeOf(output) !== answers * dataset.classes)
      say(
        'ml.model.layers',
        `expected an output of [${answers > 1 ? `${answers}, ` : ''}${dataset.classes}] (${answers > 1 ? 'answers, ' : ''}classes), received [${output}]`,
      )
  } else if (sizeOf(output) !== answers) say('ml.model.layers', `expected an output of ${answers} numbers (answers), received [${output}]`)
  if (declared.parameterCount >= 2 ** 31 || declared.parameterCount < 1) say('ml.model.layers', 'expected 1 to 2^31 - 1 parameters')
  const read = new Set(declared.layers.flatMap((layer) => layer.inputs))
  for (const { layer } of declared.layers.slice(0, -1))
    if (!read.has(layer.id)) say('ml.model.layers', `layer ${layer.id}: expected a later layer that reads it`)
}

/** The model in the layer language. */
export function modelSpec(document: TaskDocument): ModelSpec {
  const { dataset, model } = document.ml
  return {
    input:
      model.vocabulary === undefined
        ? { kind: 'features', shape: model.input ?? [dataset.features] }
        : { kind: 'tokens', length: dataset.features, vocabulary: model.vocabulary },
    layers: model.layers,
    loss: model.loss === 'huber' && model.delta !== undefined ? { type: 'huber', delta: model.delta } : { type: model.loss },
  }
}

/** Bytes that are wanted of one sample. */
export function answersOf(document: TaskDocument): number {
  return document.ml.dataset.answers ?? 1
}

/** Rows of a mini-batch that the loss is a mean of: its samples, or all their answers where each is a class (a token's next token). */
export function lossRows(document: TaskDocument): number {
  const { loss } = document.ml.model
  return document.ml.batch * (loss === 'softmax-cross-entropy' ? answersOf(document) : 1)
}

/** Bytes of one sample as it is stored: features and answers. */
export function sampleBytes(document: TaskDocument): number {
  return document.ml.dataset.features + answersOf(document)
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1)

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

interface Sizes {
  readonly params: number
  /** Running statistics that follow the weights in the model's bytes. */
  readonly states: number
  /** Arrays of one number a parameter that follow the residual in its bytes. */
  readonly registers: number
  /** Multiply-adds of one sample in one forward pass; a dense stack's biases count as one each. */
  readonly products: number
}

const known = new WeakMap<TaskDocument, Sizes>()

/** Numbers of a miner's state, and the work of one sample. */
export function modelSizes(document: TaskDocument): Sizes {
  let sizes = known.get(document)
  if (!sizes) {
    const { parameterCount: params, stateCount: states, products } = declareModel(modelSpec(document))
    const registers = REGISTERS[document.ml.optimizer.type]
    sizes = { params, states, registers, products: document.version === 1 ? params : products }
    known.set(document, sizes)
  }
  return sizes
}

/** Trainable parameters: weights and biases. */
export function modelParams(document: TaskDocument): number {
  return modelSizes(document).params
}

/** Numbers of a model as it travels: parameters, then running statistics. */
export function modelNumbers(document: TaskDocument): number {
  const { params, states } = modelSizes(document)
  return params + states
}

/** Numbers of a residual as it travels: one a parameter, then what the optimiser keeps. */
export function residualNumbers(document: TaskDocument): number {
  const { params, registers } = modelSizes(document)
  return params * (1 + registers)
}

/** How many of the first numbers of model and residual travel as bf16 (decision 0022): all weights in profile `bf16x`. */
export function bf16Numbers(document: TaskDocument): number {
  return document.profile === 'bf16x' ? modelParams(document) : 0
}

/** Bytes of the numbers of a model as it travels, ids apart. */
export function modelBytesOf(document: TaskDocument): number {
  return 4 * modelNumbers(document) - 2 * bf16Numbers(document)
}

/** The same of a residual. */
export function residualBytesOf(document: TaskDocument): number {
  return 4 * residualNumbers(document) - 2 * bf16Numbers(document)
}

/** Features and answers of one mini-batch in their stored type (one byte each). */
export function batchBytes(document: TaskDocument): number {
  return sampleBytes(document) * document.ml.batch
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

/** FLOPs of one iteration: 6 * products * samples (10.2); of a dense stack the products of a sample are its parameters. */
export function flopsPerIteration(document: TaskDocument): number {
  return 6 * modelSizes(document).products * document.ml.batch
}

const OPTIMISERS: Readonly<Record<OptimizerSpec['type'], number>> = { sgd: 1, momentum: 2, nesterov: 3, rmsprop: 4, adam: 5, adamw: 6 }

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
