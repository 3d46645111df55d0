/** What holds for the whole ledger whatever happens: money is conserved, and a state does not depend on the way to it. */
import type { CertifiedBlock, Tx } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buy,
  charge,
  commit,
  createLedger,
  DOCUMENT,
  dump,
  FEE,
  GENESIS_COINS,
  history,
  join,
  type Ledger,
  ledgerAt,
  type Name,
  PRICE,
  pay,
  person,
  plainPayment,
  reveal,
  type Stage,
  spend,
  task,
  totalMoney,
} from '../test/ledger.ts'
import { buildStakeRefund } from './build.ts'
import { subsidy, verifierFee } from './economics/rewards.ts'
import { createMempool } from './mempool.ts'
import { LayerTable, layerOver, write } from './state.ts'

const NAMES: readonly Name[] = ['client', 'stranger', 'm1', 'm2', 'poor', 's1', 's2', 'e1', 'e2', 'v1']
const STAGES: readonly Stage[] = ['tickets', 'defined', 'joined', 'keyed', 'training', 'evaluating', 'drawn', 'committed', 'settled']

/** One thing that somebody might try. */
interface Attempt {
  readonly kind: 'pay' | 'buy' | 'refund' | 'open' | 'join' | 'history' | 'close' | 'reveal' | 'commit' | 'charge'
  readonly who: number
  readonly amount: number
}

const attempt: fc.Arbitrary<Attempt> = fc.record({
  // Most records are possible in one state only: what is nearly always possible comes more often.
  kind: fc.constantFrom(
    'pay',
    'pay',
    'pay',
    'buy',
    'refund',
    'open',
    'join',
    'join',
    'history',
    'close',
    'reveal',
    'commit',
    'charge',
    'charge',
  ),
  who: fc.nat(NAMES.length - 1),
  amount: fc.integer({ min: 1, max: 1_000_000 }),
})
const plan = fc.array(fc.array(attempt, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })

function make(ledger: Ledger, { kind, who, amount }: Attempt): Tx {
  const name = NAMES[who]!
  switch (kind) {
    case 'pay':
      return plainPayment(ledger, name, NAMES[amount % NAMES.length]!, BigInt(amount), amount % 3)
    case 'buy':
      return buy(ledger, name, 1 + (amount % 4), 1 + (amount % 3))
    case 'refund':
      return buildStakeRefund(ledger.view(), person(name), ledger.ticketOf(name).id, FEE)
    case 'open':
      return pay(ledger, { ...DOCUMENT, name: `task ${amount}` })
    case 'join':
      return join(ledger, name)
    case 'history':
      return history(ledger)
    case 'close':
      return history(ledger, { flags: 2 })
    case 'reveal':
      return reveal(ledger)
    case 'commit':
      return commit(ledger, task(ledger).evaluators[amount % 2]!)
    case 'charge':
      return charge(ledger)
  }
}

/** Mines the plan's blocks with whatever of it is valid. Returns how many transactions were. */
function follow(ledger: Ledger, blocks: readonly (readonly Attempt[])[], stepS: number, miner: Name, check: () => void): number {
  let done = 0
  for (const attempts of blocks) {
    const mempool = createMempool(ledger.chain)
    for (const one of attempts) {
      let tx: Tx
      try {
        tx = make(ledger, one)
      } catch {
        // Nobody can even write it down in this state: no task, no ticket, no coins.
        continue
      }
      if (mempool.add(tx).ok) done++
    }
    const tip = ledger.chain.tip()
    const timeS = Math.max(tip.header.time + stepS, ledger.chain.medianTime(tip.id) + 1)
    ledger.mine(mempool.select(ledger.chain.params.maxBlockBytes), { timeS, miner })
    check()
  }
  return done
}

/** All money that there can be after the tip: what genesis gave, what blocks made, less what divisions burnt. */
function expectedMoney(ledger: Ledger): bigint {
  const { params } = ledger.chain
  const { height } = ledger.chain.tip()
  const tickets = ledger.genesis.identities.filter(({ ticket }) => ticket).length
  let sum = BigInt(ledger.genesis.identities.length) * GENESIS_COINS + BigInt(tickets) * PRICE
  for (let h = 1; h <= height; h++) {
    sum += subsidy(params, h) - verifierFee(params, h)
    // The verifiers of the tip are paid by the next block; what three cannot share is burnt.
    if (h < height) sum += (verifierFee(params, h) / 3n) * 3n
  }
  return sum
}

describe('money', () => {
  test('coins, escrows and stakes add up to genesis and subsidies less what is burnt, after every stage of a task', () => {
    for (const stage of STAGES) {
      const ledger = ledgerAt(stage)
      expect(totalMoney(ledger.view()), stage).toBe(expectedMoney(ledger))
    }
    const { params } = ledgerAt('tickets').chain
    // The parameters are chosen so that something is burnt: else the test would not see it.
    expect(verifierFee(params, 1) % 3n).not.toBe(0n)
  })

  test('they do after any sequence of blocks, and no coin is negative', () => {
    let transactions = 0
    fc.assert(
      fc.property(fc.constantFrom(...STAGES), plan, (stage, blocks) => {
        const ledger = ledgerAt(stage)
        transactions += follow(ledger, blocks, 10, 'm1', () => {
          expect(totalMoney(ledger.view())).toBe(expectedMoney(ledger))
          for (const [, { amount }] of ledger.view().coins()) expect(amount).toBeGreaterThanOrEqual(0n)
        })
      }),
      { numRuns: 12, seed: 1 },
    )
    expect(transactions).toBeGreaterThan(20)
  })

  test('fees go to the miner, to the unit', () => {
    const ledger = ledgerAt('tickets')
    const purse = (name: Name) =>
      ledger
        .view()
        .coinsOf(person(name).publicKey)
        .reduce((sum, coin) => sum + coin.amount, 0n)
    const before = { miner: purse('m2'), payer: purse('stranger') }
    ledger.mine([spend(ledger, 'stranger', [], { fee: 12_345n })], { miner: 'm2' })
    const { params } = ledger.chain
    expect(purse('m2')).toBe(before.miner + subsidy(params, 3) - verifierFee(params, 3) + 12_345n)
    expect(purse('stranger')).toBe(before.payer - 12_345n)
  })
})

describe('reorganisation', () => {
  test('between any two branches leaves the state of the branch, computed directly', () => {
    let switched = 0
    fc.assert(
      fc.property(fc.constantFrom(...STAGES), plan, plan, (stage, one, two) => {
        const slow = ledgerAt(stage)
        const fork = slow.chain.tip()
        follow(slow, one, 10, 'm1', () => {})
        const fast = ledgerAt(stage)
        follow(fast, two, 1, 'm2', () => {})
        const since = (ledger: Ledger): CertifiedBlock[] => ledger.chain.blocksAfter([fork.id], 1_000)

        const both = ledgerAt(stage)
        const forth = [...since(slow), ...since(fast)].map((certified) => both.chain.connect(certified))
        expect(forth.every(({ verdict }) => verdict.ok)).toBe(true)
        switched += forth.filter(({ disconnected }) => disconnected.length > 0).length
        const [best, other] = both.chain.tip().id === slow.chain.tip().id ? [slow, fast] : [fast, slow]
        expect(dump(both.view())).toEqual(dump(best.view()))
        expect(dump(both.chain.view(other.chain.tip().id))).toEqual(dump(other.view()))

        // The other one grows until it wins.
        while (other.chain.tip().chainWork <= best.chain.tip().chainWork) other.mine()
        for (const certified of since(other)) both.chain.connect(certified)
        expect(both.chain.tip().id).toBe(other.chain.tip().id)
        expect(dump(both.view())).toEqual(dump(other.view()))
        expect(dump(both.chain.view(best.chain.tip().id))).toEqual(dump(best.view()))
        expect(dump(both.chain.view(fork.id))).toEqual(dump(ledgerAt(stage).view()))
        expect(totalMoney(both.view())).toBe(expectedMoney(both))
      }),
      { numRuns: 8, seed: 2 },
    )
    expect(switched).toBeGreaterThan(0)
  })
})

describe('layers', () => {
  test('hide their parent, delete, and leave it alone', () => {
    const parent = new Map([
      ['a', 1],
      ['b', 2],
    ])
    const layer = new LayerTable<number>(parent)
    layer.set('b', 3)
    layer.set('a', undefined)
    layer.set('c', 4)
    const above = new LayerTable<number>(layer)
    above.set('a', 5)
    expect([...layer.entries()]).toEqual([
      ['b', 3],
      ['c', 4],
    ])
    expect([...above.entries()].sort()).toEqual([
      ['a', 5],
      ['b', 3],
      ['c', 4],
    ])
    expect([layer.get('a'), layer.get('b'), above.get('c')]).toEqual([undefined, 3, 4])
    expect([...parent]).toEqual([
      ['a', 1],
      ['b', 2],
    ])
  })

  test('written changes are undone exactly', () => {
    const ledger = createLedger()
    const base = { coins: new Map(ledger.view().coins()), tickets: new Map(), tasks: new Map() }
    const before = new Map(base.coins)
    const [[first, coin]] = [...base.coins] as [[string, typeof base.coins extends Map<string, infer C> ? C : never]]
    const layer = layerOver(base)
    layer.coins.set(first, undefined)
    layer.coins.set('new', { ...coin, amount: 1n })
    const undo = write(base, { coins: layer.coins.changes, tickets: layer.tickets.changes, tasks: layer.tasks.changes })
    expect(base.coins.has(first)).toBe(false)
    expect(base.coins.size).toBe(before.size)
    write(base, undo)
    expect(new Map([...base.coins].sort())).toEqual(new Map([...before].sort()))
  })
})
