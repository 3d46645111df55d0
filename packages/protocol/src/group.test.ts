import { bytesToHex, hexToBytes, merkleRoot, sha256Hex, u32le, utf8 } from '@pouw/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DOCUMENT, group, HEIGHT, id, ledger, MINERS, plan, SUPERVISORS, TASK, TICKETS, taskState, VIEW, worker } from '../test/group.ts'
import { groupOf, leaderIndex, type Plan, planOf, rootOf, threshold } from './group.ts'

const hashesFrom = (seed: number, count: number) => Array.from({ length: count }, (_, i) => sha256Hex(utf8('batch'), u32le(seed), u32le(i)))
const BATCHES = 42

describe('group', () => {
  test('is read from the ledger, by selection rank', () => {
    const people = group()
    expect(people.miners.map((member) => member.ticketId)).toEqual(MINERS.map((miner) => miner.ticketId))
    expect(people.supervisors.map((member) => bytesToHex(member.blsKey))).toEqual(SUPERVISORS.map(({ ticket }) => ticket.blsKey))
    expect(people.threshold).toBe(3)
    expect(people.member(MINERS[1]!.ticketId)?.vrfKey).toBe(MINERS[1]!.ticket.vrfKey)
    expect(people.member(SUPERVISORS[2]!.ticketId)?.owner).toBe(SUPERVISORS[2]!.ticket.owner)
    expect(people.member(id('stranger'))).toBeUndefined()
  })

  test('is nobody before the task is staffed', () => {
    expect(groupOf(VIEW, taskState({ miners: [] }))).toBeUndefined()
    expect(groupOf(VIEW, taskState({ supervisors: [] }))).toBeUndefined()
  })

  test('a ledger without its tickets is a bug, not a verdict', () => {
    expect(() => groupOf(ledger(TICKETS.slice(1)), taskState())).toThrow(/not in the ledger/)
    expect(VIEW.height).toBe(HEIGHT)
  })

  test('t = floor(2n/3) + 1 leaves less than a third out', () => {
    for (let n = 1; n <= 13; n++) {
      expect(3 * threshold(n)).toBeGreaterThan(2 * n)
      expect(3 * (threshold(n) - 1)).toBeLessThanOrEqual(2 * n)
    }
  })
})

describe('leader', () => {
  test('every attempt moves on by one, and all lead in turn', () => {
    const people = group()
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), (term) => {
        const first = leaderIndex(people, term)
        expect([0, 1, 2, 3].map((attempt) => leaderIndex(people, term, attempt))).toEqual([0, 1, 2, 3].map((step) => (first + step) % 4))
      }),
    )
  })

  test('terms and tasks have different ones', () => {
    const people = group()
    expect(new Set(Array.from({ length: 40 }, (_, term) => leaderIndex(people, term))).size).toBe(4)
    const leaders = (blockId: string) => Array.from({ length: 20 }, (_, term) => leaderIndex({ ...people, taskBlockId: blockId }, term))
    expect(leaders(id('block a'))).not.toEqual(leaders(id('block b')))
  })
})

describe('plan', () => {
  /** All (epoch, batch) pairs of all miners. */
  function work(of: Plan, tickets: readonly string[]): string[] {
    return tickets.flatMap((ticket) => {
      const schedule = of.schedule(ticket)!
      return Array.from({ length: schedule.iterations }, (_, i) => {
        const { epoch, batchIndex } = schedule.at(i + 1)
        return `${epoch}:${batchIndex}`
      })
    })
  }

  const everything = Array.from({ length: DOCUMENT.ml.epochs }, (_, epoch) =>
    Array.from({ length: BATCHES }, (_, batch) => `${epoch}:${batch}`),
  ).flat()

  test('every batch exactly once per epoch, by one miner, nobody above the bound', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 7 }), (seed, count) => {
        const miners = Array.from({ length: count }, (_, i) => ({ ...group().miners[0]!, ticketId: id(`ticket ${seed} ${i}`) }))
        const people = { ...group(), miners }
        const made = planOf(people, hashesFrom(seed, BATCHES))!
        const tickets = miners.map((miner) => miner.ticketId)
        expect(work(made, tickets).sort()).toEqual([...everything].sort())
        const own = tickets.map((ticket) => made.ownBatches(ticket))
        expect(own.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: BATCHES }, (_, batch) => batch))
        for (const batches of own) expect(batches.length).toBeLessThanOrEqual(made.capacity)
        expect(made.capacity).toBe(Math.ceil((1.05 * BATCHES) / count))
      }),
      { numRuns: 30 },
    )
  })

  test('a miner stays with its batches, in another order each epoch', () => {
    const shared = plan()
    for (const { ticketId } of MINERS) {
      const own = shared.ownBatches(ticketId)
      const schedule = shared.schedule(ticketId)!
      const epoch = (e: number) => own.map((_, i) => schedule.at(e * own.length + i + 1).batchIndex)
      expect(schedule.iterations).toBe(DOCUMENT.ml.epochs * own.length)
      expect([...epoch(0)].sort((a, b) => a - b)).toEqual(own)
      expect([...epoch(1)].sort((a, b) => a - b)).toEqual(own)
      expect(epoch(1)).not.toEqual(epoch(0))
    }
  })

  test('is the same for everybody who makes it', () => {
    const [one, other] = [plan(), plan()]
    for (const { ticketId } of MINERS) {
      expect(work(one, [ticketId])).toEqual(work(other, [ticketId]))
      expect(one.initialModelHash(ticketId)).toBe(other.initialModelHash(ticketId))
      expect(one.initialResidualHash(ticketId)).toBe(other.initialResidualHash(ticketId))
    }
    expect(one.batchRoot).toBe(other.batchRoot)
  })

  test('initial hashes differ from miner to miner, though the weights are the same', () => {
    const shared = plan()
    const all = MINERS.flatMap(({ ticketId }) => [shared.initialModelHash(ticketId), shared.initialResidualHash(ticketId)])
    expect(new Set(all).size).toBe(6)
  })

  test('who is no miner has no schedule and no batches', () => {
    expect(plan().schedule(SUPERVISORS[0]!.ticketId)).toBeUndefined()
    expect(plan().ownBatches(worker('nobody', 1, 'LIVE').ticketId)).toEqual([])
  })

  test('the table lists exactly the batches of the training segments', () => {
    for (const count of [0, 1, BATCHES - 1, BATCHES + 1, 60]) expect(planOf(group(), hashesFrom(1, count))).toBeUndefined()
    expect(planOf(group(), hashesFrom(1, BATCHES))).toBeDefined()
  })

  test('more miners than batches cannot all work', () => {
    const miners = (count: number) => Array.from({ length: count }, (_, i) => ({ ...group().miners[0]!, ticketId: id(`ticket ${i}`) }))
    expect(planOf({ ...group(), miners: miners(BATCHES + 1) }, hashesFrom(1, BATCHES))).toBeUndefined()
    expect(planOf({ ...group(), miners: miners(BATCHES) }, hashesFrom(1, BATCHES))).toBeDefined()
  })

  test('the batch root binds every hash and its place', () => {
    const hashes = hashesFrom(3, BATCHES)
    const root = planOf(group(), hashes)!.batchRoot
    expect(root).toBe(rootOf(hashes))
    expect(root).toBe(bytesToHex(merkleRoot(hashes.map(hexToBytes))))
    expect(rootOf([...hashes].reverse())).not.toBe(root)
    expect(rootOf(hashes.with(5, TASK))).not.toBe(root)
  })
})
