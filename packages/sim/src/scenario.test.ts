import { expect, test } from 'vitest'
import { smallScenario } from '../test/small-scenario.ts'
import { runScenario, SEED_MAX } from './scenario.ts'

test('fourteen nodes mine blocks from a task and settle it; all agree, and a seed replays effect by effect', { timeout: 180_000 }, () => {
  const scenario = smallScenario(8)
  const first = runScenario(scenario, 7)
  expect(first.broken).toBe(null)
  expect(first.taskState).toBe('SETTLED')
  expect(first.settled).toBe(true)
  expect(first.accuracy.length).toBe(3)
  for (const { ticket, accuracy } of first.accuracy) expect(accuracy, ticket).toBeGreaterThan(0.7)

  // Useful work won blocks, and drawn verifiers replayed them.
  expect(first.taskBlocks).toBeGreaterThanOrEqual(1)
  const mined = first.blocks.filter((block) => block.kind === 'task')
  expect(mined.length).toBe(first.taskBlocks)
  for (const { height, verifiers } of mined) expect(verifiers, `block ${height}`).toBe(3)

  for (const check of first.checks) {
    expect(check.held, check.name).toBe(true)
    expect(check.looks, check.name).toBeGreaterThan(100)
  }

  // Everybody stands on the client's chain but for blocks on their way.
  const client = first.world.nodes.find((node) => node.name === 'client')!
  const settledAt = client.brain.chain.view().tasks()[0]!.settledAt!
  for (const { name, brain } of first.world.nodes) {
    expect(brain.chain.at(settledAt - 1)?.id, name).toBe(client.brain.chain.at(settledAt - 1)?.id)
  }

  expect(runScenario(scenario, 7).digest).toBe(first.digest)
  const short = { ...scenario, limitS: 5 }
  expect(runScenario(short, 8).digest).not.toBe(runScenario(short, 7).digest)
})

test('a seed is a whole number of 32 bits', () => {
  for (const seed of [-1, 0.5, SEED_MAX + 1, Number.NaN])
    expect(() => runScenario(smallScenario(1), seed), String(seed)).toThrow(RangeError)
})
