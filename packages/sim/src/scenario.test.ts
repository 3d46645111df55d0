import { parseTaskDocument } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { runScenario, type Scenario } from './scenario.ts'

const task = parseTaskDocument({
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
    epochs: 4,
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
    slotMs: 500,
  },
})

const scenario: Scenario = {
  name: 'small happy path',
  nodes: { miners: 3, supervisors: 4, verifiers: 4, evaluators: 2 },
  task,
  latencyMs: [5, 60],
  limitS: 600,
  spacingS: 4,
  iterationMs: 100,
}

test('fourteen nodes take a task to settlement, all agree, and a seed replays effect by effect', { timeout: 180_000 }, () => {
  const first = runScenario(scenario, 7)
  expect(first.taskState).toBe('SETTLED')
  expect(first.accuracy.every(({ accuracy }) => accuracy > 0.7)).toBe(true)
  const client = first.world.nodes.find((node) => node.name === 'client')!
  const view = client.brain.chain.view()
  const settled = view.tasks()[0]!
  // Escrow in = payouts + refund out, from the raw settlement transaction.
  const { chain } = client.brain
  let paid = -1n
  for (let height = 1; height <= chain.tip().height; height++) {
    for (const tx of chain.block(chain.at(height)!.id)!.block.transactions) {
      if (tx.inputs[0]!.txid === settled.escrow.txid && tx.inputs[0]!.index === settled.escrow.index) {
        paid = tx.outputs.reduce((sum, output) => sum + output.amount, 0n)
      }
    }
  }
  expect(paid).toBe(settled.record.fee + settled.bond)
  // Everybody's history of the task is the chain's, and every node stands on the same chain but for blocks on their way.
  for (const node of first.world.nodes) {
    const other = node.brain.chain
    expect(other.at(settled.settledAt! - 1)?.id, node.name).toBe(chain.at(settled.settledAt! - 1)?.id)
  }
  const again = runScenario(scenario, 7)
  expect(again.digest).toBe(first.digest)
  expect(runScenario({ ...scenario, limitS: 5 }, 8).digest).not.toBe(runScenario({ ...scenario, limitS: 5 }, 7).digest)
})
