/** The task the benches run: the document's dense 784-128-64-10 on MNIST, ten segments, three of them for the test. */
import type { TaskDocument } from '@pouw/primitives'

export interface TaskOptions {
  readonly rate: number
  readonly tau: number
  readonly batch: number
  readonly epochs: number
  readonly warmup: number
  readonly peerScale: number
  /** Feature scale in units of 1/255. */
  readonly contrast: number
  readonly magnitude: number
  readonly miners: number
}

export function mnistTask(options: TaskOptions): TaskDocument {
  const f = Math.fround
  return {
    version: 1,
    name: 'mnist bench',
    payment: { fee: 0n, quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
    profile: 'f32',
    ml: {
      dataset: {
        name: 'mnist',
        format: 'idx-u8',
        samples: 70_000,
        features: 784,
        classes: 10,
        scale: f(options.contrast / 255),
        files: [],
        segments: 10,
        testSegments: 3,
      },
      model: {
        type: 'dense',
        layers: [
          { id: 'dense1', nodes: 128, activation: 'relu' },
          { id: 'dense2', nodes: 64, activation: 'relu' },
          { id: 'output', nodes: 10, activation: 'identity' },
        ],
        loss: 'softmax-cross-entropy',
        initializer: { name: 'xavier', magnitude: f(options.magnitude), seed: 'mnist' },
      },
      optimizer: { type: 'sgd', rate: f(options.rate), warmup: options.warmup, tau: f(options.tau), peerScale: f(options.peerScale) },
      validation: { method: 'none' },
      'evaluation-metrics': ['accuracy', 'cross-entropy'],
      batch: options.batch,
      epochs: options.epochs,
      staleness: 3,
    },
    workers: {
      miners: options.miners,
      supervisors: 4,
      evaluators: 3,
      backups: { miners: 0, supervisors: 0, evaluators: 0 },
      minStake: 0n,
      family: 0,
      deadline: 1000,
      epsilonBp: 2500,
      slotMs: 250,
    },
  }
}
