import { expect, test } from 'vitest'
import { smallScenario } from '../test/small-scenario.ts'
import { FOLLOWING_SUPERVISOR, LEADING_SUPERVISOR } from './restarts.ts'
import { runScenario } from './scenario.ts'

test('a node of each kind dies in training and starts again from its disk: the task settles and all checkers hold', {
  timeout: 180_000,
}, () => {
  const since = 'KEYED'
  const restarts = [
    { node: 'miner-1', since, atS: 12.345, downS: 3 },
    { node: FOLLOWING_SUPERVISOR, since, atS: 25.5, downS: 5 },
    { node: 'verifier-1', since, atS: 37, downS: 8 },
    { node: LEADING_SUPERVISOR, since, atS: 55.001, downS: 6 },
    { node: 'client', since, atS: 70, downS: 4 },
  ]
  const report = runScenario({ ...smallScenario(8), restarts }, 7)
  expect(report.broken).toBe(null)
  expect(report.settled).toBe(true)
  expect(report.restarts.length).toBe(5)
  expect(new Set(report.restarts.map(({ node }) => node)).size).toBe(5)
  for (const { node, downAtS, upAtS } of report.restarts) {
    expect(upAtS, node).toBeGreaterThan(downAtS)
    // A new brain said that it started, and it got where the others are.
    const { emitted, brain } = report.world.nodes.find(({ name }) => name === node)!
    expect(emitted.filter(({ name }) => name === 'started').length, node).toBe(2)
    expect(brain.chain.tip().height, node).toBeGreaterThanOrEqual(report.height - 1)
  }
  // The miner that died trained to the end.
  const finished = report.world.nodes.find(({ name }) => name === 'miner-1')!.emitted.filter(({ name }) => name === 'training-finished')
  expect(finished.length).toBe(1)
  for (const { name, held } of report.checks) expect(held, name).toBe(true)
})

test('a leader and a miner die in the middle of a step, some effects done, the others not: nobody signs twice and the task settles', {
  timeout: 180_000,
}, () => {
  const since = 'KEYED'
  const restarts = [
    { node: LEADING_SUPERVISOR, since, atS: 15, downS: 2, afterEffects: 1 },
    { node: 'miner-2', since, atS: 30, downS: 2, afterEffects: 2 },
    { node: LEADING_SUPERVISOR, since, atS: 45, downS: 2, afterEffects: 2 },
  ]
  const report = runScenario({ ...smallScenario(4), restarts }, 7)
  expect(report.broken).toBe(null)
  expect(report.settled).toBe(true)
  expect(report.restarts.map(({ node }) => node)).toEqual([report.restarts[0]!.node, 'miner-2', report.restarts[0]!.node])
})

test('a restart of a node that is not there is refused', () => {
  const restarts = [{ node: 'miner-9', atS: 1, downS: 1 }]
  expect(() => runScenario({ ...smallScenario(1), restarts }, 1)).toThrow(/miner-9/)
})
