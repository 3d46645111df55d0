/** A task small enough for the plain reference arithmetic, with data, batches and owners. */
import { sha256Hex, utf8 } from '@pouw/crypto'
import { answersOf, type Hex, parseTaskDocument, type TaskDocument } from '@pouw/primitives'
import { assignBatches, bindArithmetic, type CutBatch, cutBatches, type SegmentData, splitSegments, syntheticData } from '../src/index.ts'

export const id = (text: string): Hex => sha256Hex(utf8(text))
export const TASK = id('task')
export const BLOCK = id('block')
export const TICKETS = [id('ticket a'), id('ticket b'), id('ticket c')]

export function smallTask(optimizer: Partial<TaskDocument['ml']['optimizer']> = {}, ml: Partial<TaskDocument['ml']> = {}): TaskDocument {
  return {
    version: 1,
    name: 'small',
    payment: { fee: 1000n, quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
    profile: 'f32',
    ml: {
      dataset: {
        name: 'small set',
        format: 'synthetic',
        samples: 1000,
        features: 40,
        classes: 5,
        scale: Math.fround(1 / 255),
        files: [],
        segments: 10,
        testSegments: 3,
      },
      model: {
        type: 'dense',
        layers: [
          { id: 'hidden', nodes: 13, activation: 'relu' },
          { id: 'output', nodes: 5, activation: 'identity' },
        ],
        loss: 'softmax-cross-entropy',
        initializer: { name: 'xavier', magnitude: Math.fround(2.24), seed: 'small' },
      },
      optimizer: { type: 'sgd', rate: Math.fround(0.3), warmup: 4, tau: Math.fround(0.7), peerScale: 1, ...optimizer },
      validation: { method: 'none' },
      'evaluation-metrics': ['accuracy', 'cross-entropy'],
      batch: 10,
      epochs: 3,
      staleness: 3,
      ...ml,
    },
    workers: {
      miners: 3,
      supervisors: 4,
      evaluators: 3,
      backups: { miners: 0, supervisors: 0, evaluators: 0 },
      minStake: 0n,
      family: 0,
      deadline: 100,
      epsilonBp: 2500,
      slotMs: 50,
    },
  }
}

/** Convolution, running statistics, dropout and an optimiser that keeps two arrays. */
export function generalTask(optimizer: object = { type: 'adamw', weightDecay: Math.fround(0.01) }, profile = 'f32'): TaskDocument {
  const { ml, ...rest } = smallTask()
  const layers = [
    { id: 'image', type: 'reshape', shape: [1, 5, 8] },
    { id: 'conv', type: 'conv2d', filters: 4, kernel: 3, padding: 'same', activation: 'gelu' },
    { id: 'norm', type: 'batch-norm' },
    { id: 'pool', type: 'max-pool', kernel: 2 },
    { id: 'drop', type: 'dropout', rate: 0.25 },
    { id: 'flat', type: 'flatten' },
    { id: 'out', nodes: 5 },
  ]
  return bindArithmetic(
    parseTaskDocument({
      ...rest,
      version: 2,
      profile,
      arithmetic: { kernels: '00'.repeat(32), program: '00'.repeat(32) },
      ml: {
        ...ml,
        model: { ...ml.model, type: 'layers', input: [40], layers },
        optimizer: { rate: 0.01, warmup: 3, schedule: { type: 'cosine', steps: 100 }, tau: 0.005, peerScale: 1, ...optimizer },
      },
    }),
  )
}

export interface Prepared {
  readonly batches: readonly CutBatch[]
  readonly test: readonly SegmentData[]
  readonly owner: readonly number[]
}

export function prepare(doc: TaskDocument): Prepared {
  const { dataset } = doc.ml
  const data = syntheticData(doc)
  const answers = answersOf(doc)
  const count = Math.floor(dataset.samples / dataset.segments)
  const segments = Array.from({ length: dataset.segments }, (_, s) => ({
    count,
    features: data.features.subarray(s * count * dataset.features, (s + 1) * count * dataset.features),
    labels: data.labels.subarray(s * count * answers, (s + 1) * count * answers),
  }))
  const split = splitSegments(BLOCK, TASK, dataset.segments, dataset.testSegments)
  const batches = cutBatches(
    TASK,
    split.training.map((s) => segments[s]!),
    doc,
  )
  const { owner } = assignBatches(
    TASK,
    TICKETS,
    batches.map((batch) => batch.hash),
    doc.workers.epsilonBp,
  )
  return { batches, test: split.test.map((s) => segments[s]!), owner }
}
