/** Crashes that once stopped a task for good or cost money; each keeps the seed that showed it. */
import { expect, test } from 'vitest'
import { smallScenario } from '../test/small-scenario.ts'
import type { Restart } from './restarts.ts'
import { runScenario } from './scenario.ts'

function settles(restarts: readonly Restart[], seed: number, epochs = 2): void {
  const report = runScenario({ ...smallScenario(epochs), restarts }, seed)
  expect(report.broken).toBe(null)
  expect(report.settled).toBe(true)
}

test('two of four supervisors are away at once, for longer than the clock tolerance', { timeout: 180_000 }, () => {
  const since = 'KEYED'
  settles(
    [
      { node: 'supervisor-1', since, atS: 15, downS: 10 },
      { node: 'supervisor-2', since, atS: 15, downS: 5 },
    ],
    7,
  )
})

test('each supervisor, so the leader too, dies between its assignment and slot 0', { timeout: 180_000 }, () => {
  for (const node of ['supervisor-1', 'supervisor-2', 'supervisor-3', 'supervisor-4'])
    settles([{ node, since: 'KEYED', atS: 0.3, downS: 1 }], 7, 1)
})

test('a leader dies after its signature is durable and before its proposal leaves', { timeout: 180_000 }, () => {
  settles([{ node: 'leading-supervisor', since: 'KEYED', atS: 15, downS: 3, afterEffects: 3 }], 7)
})

test('a miner dies when its result has reached one supervisor only, and stays away', { timeout: 180_000 }, () => {
  settles([{ node: 'miner-3', since: 'KEYED', atS: 15, downS: 30, afterEffects: 3 }], 7)
})

test('a client dies while its payment waits for a block: it pays once', { timeout: 180_000 }, () => {
  const first = runScenario({ ...smallScenario(1), limitS: 400 }, 2)
  const client = first.world.nodes.find(({ name }) => name === 'client')!
  const submitted = client.emitted.find(({ name }) => name === 'task-submitted')!
  const atS = (submitted.atMs - first.world.startMs) / 1000
  settles([{ node: 'client', atS: atS + 0.2, downS: 0.5 }], 2)
})
