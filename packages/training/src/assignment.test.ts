import { sha256Hex, utf8 } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignBatches } from './assignment.ts'

const TASK = '01'.repeat(32)
const id = (text: string) => sha256Hex(utf8(text))
const list = (prefix: string, n: number) => Array.from({ length: n }, (_, i) => id(prefix + i))

test('every batch has one owner and nobody is over capacity', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 120 }),
      fc.integer({ min: 0, max: 4000 }),
      (miners, batches, epsilonBp) => {
        const { owner, capacity } = assignBatches(TASK, list('t', miners), list('b', batches), epsilonBp)
        expect(owner).toHaveLength(batches)
        expect(capacity).toBe(Math.ceil(((10_000 + epsilonBp) * batches) / (10_000 * miners)))
        const load = new Array<number>(miners).fill(0)
        for (const miner of owner) load[miner]!++
        expect(Math.max(...load)).toBeLessThanOrEqual(capacity)
      },
    ),
    { numRuns: 30 },
  )
})

test('the owner of a batch does not depend on the order in which tickets are listed', () => {
  const tickets = list('t', 5)
  const batches = list('b', 200)
  const forward = assignBatches(TASK, tickets, batches, 2500).owner.map((i) => tickets[i])
  const turned = [...tickets].reverse()
  expect(assignBatches(TASK, turned, batches, 2500).owner.map((i) => turned[i])).toEqual(forward)
})

test('a miner that joins takes from others and moves little else', () => {
  const batches = list('b', 1000)
  const tickets = list('t', 11)
  const before = assignBatches(TASK, tickets.slice(0, 10), batches, 2500).owner
  const after = assignBatches(TASK, tickets, batches, 2500).owner
  const moved = after.filter((owner, i) => owner !== before[i]).length
  const taken = after.filter((owner) => owner === 10).length
  expect(taken).toBeGreaterThan(50)
  expect(moved).toBeLessThan(2 * taken)
})

test('with room for all, exactly the batches of a miner that leaves move', () => {
  const batches = list('b', 300)
  const tickets = list('t', 6)
  const all = assignBatches(TASK, tickets, batches, 60_000).owner
  const rest = assignBatches(TASK, tickets.slice(0, 5), batches, 60_000).owner
  all.forEach((owner, i) => {
    if (owner !== 5) expect(rest[i]).toBe(owner)
  })
})

test('hand-made ring: a batch goes to the first point at or after it', () => {
  // The smallest point of the ring takes the batch above every point, and a batch equal to a point goes to that point.
  const tickets = list('t', 2)
  const points = tickets.flatMap((ticket, owner) =>
    Array.from({ length: 128 }, (_, v) => ({
      owner,
      key: sha256Hex(Buffer.from(TASK, 'hex'), Buffer.from(ticket, 'hex'), new Uint8Array([v, 0, 0, 0])),
    })),
  )
  points.sort((a, b) => (a.key < b.key ? -1 : 1))
  const exact = points[100]!.key.slice(0, 16).padEnd(64, '0')
  const { owner } = assignBatches(TASK, tickets, ['ff'.repeat(32), exact], 10_000)
  expect(owner).toEqual([points[0]!.owner, points[100]!.owner])
})

test('misuse is refused', () => {
  expect(() => assignBatches(TASK, [], [id('b')], 2500)).toThrow(RangeError)
  expect(() => assignBatches(TASK, [id('t')], [id('b')], -1)).toThrow(RangeError)
})
