/** Fourteen nodes and a task small enough for a test, at a pace at which blocks come from it. */
import { parseTaskDocument } from '@pouw/primitives'
import type { Scenario } from '../src/scenario.ts'

/** @param epochs one takes each miner 11 or 12 iterations */
export function smallScenario(epochs: number): Scenario {
  return {
    name: 'small',
    nodes: { miners: 3, supervisors: 4, verifiers: 4, evaluators: 2 },
    task: parseTaskDocument({
      version: 1,
      name: 'small',
      payment: { fee: '1000000000', quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
      profile: 'f32',
      ml: {
        dataset: {
          name: 'small',
          format: 'synthetic',
          samples: 2000,
          features: 64,
          classes: 10,
          scale: 1 / 255,
          files: [],
          segments: 10,
          testSegments: 3,
        },
        model: {
          type: 'dense',
          layers: [
            { id: 'hidden', nodes: 32, activation: 'relu' },
            { id: 'output', nodes: 10, activation: 'identity' },
          ],
          loss: 'softmax-cross-entropy',
          initializer: { name: 'xavier', magnitude: 2.24, seed: 'small' },
        },
        optimizer: { type: 'sgd', rate: 0.1, warmup: 0, tau: 2, peerScale: 1 },
        validation: { method: 'none' },
        'evaluation-metrics': ['accuracy', 'cross-entropy'],
        batch: 40,
        epochs,
        staleness: 2,
      },
      workers: {
        miners: 3,
        supervisors: 4,
        evaluators: 2,
        backups: { miners: 0, supervisors: 0, evaluators: 0 },
        minStake: '100000000',
        family: 0,
        deadline: 300,
        epsilonBp: 500,
        slotMs: 1500,
      },
    }),
    latencyMs: [5, 60],
    limitS: 1800,
    spacingS: 20,
    iterationMs: 1500,
    flopsPerTry: 2500,
    fillerPauseMs: 2000,
  }
}
