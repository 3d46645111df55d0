import { expect, test } from 'vitest'
import { BAN_SCORE } from './limits.ts'
import { createReputation } from './reputation.ts'

function reputation() {
  const clock = { ms: 0 }
  return { clock, table: createReputation({ peersMax: 3, bannedMax: 2, banMs: 1_000, now: () => clock.ms }) }
}

test('points add up to a ban that ends', () => {
  const { clock, table } = reputation()
  expect(table.penalise('a', 60)).toEqual({ score: -60, bannedUntilMs: undefined })
  expect(table.isBanned('a')).toBe(false)
  expect(table.penalise('a', 40)).toEqual({ score: BAN_SCORE, bannedUntilMs: 1_000 })
  expect(table.isBanned('a')).toBe(true)
  expect(table.penalise('a', 40).bannedUntilMs).toBeUndefined()
  clock.ms = 1_000
  expect(table.isBanned('a')).toBe(false)
  expect(table.score('a')).toBe(0)
})

test('a score recovers by a tenth of a point per second, never above 0', () => {
  const { clock, table } = reputation()
  table.penalise('a', 20)
  clock.ms = 50_000
  expect(table.score('a')).toBeCloseTo(-15)
  clock.ms = 10_000_000
  expect(table.score('a')).toBe(0)
})

test('both tables are bounded', () => {
  const { table } = reputation()
  for (const peer of ['a', 'b', 'c', 'd']) table.penalise(peer, 10)
  expect(table.score('a')).toBe(0)
  expect(table.score('d')).toBe(-10)
  for (const peer of ['e', 'f', 'g']) table.penalise(peer, 200)
  expect(table.isBanned('e')).toBe(false)
  expect(table.isBanned('g')).toBe(true)
})

test('points must be positive numbers', () => {
  const { table } = reputation()
  for (const points of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => table.penalise('a', points)).toThrow(RangeError)
})
