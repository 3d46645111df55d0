import { encodeTx, txId } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import {
  buy,
  charge,
  createLedger,
  history,
  join,
  type Ledger,
  ledgerAt,
  type Name,
  plainPayment,
  spend,
  unsignedCharge,
} from '../test/ledger.ts'
import { createMempool, type Mempool } from './mempool.ts'

const said = (mempool: Mempool, tx: Parameters<Mempool['add']>[0]) => {
  const verdict = mempool.add(tx)
  return verdict.ok ? 'ok' : `${verdict.code} ${verdict.action}`
}
const size = (tx: Parameters<Mempool['add']>[0]) => encodeTx(tx).length

/** m2 spends what m1 paid it in a transaction that waits. */
function dependent(ledger: Ledger, first: ReturnType<typeof plainPayment>) {
  return spend(ledger, 'm2', [], {
    edit: (tx) => ({ ...tx, inputs: [...tx.inputs, { ...tx.inputs[0]!, txid: txId(first), index: 0 }] }),
    signAs: [undefined, first.outputs[0]!],
  })
}

/** Connects all that `from` has and tells the mempool. */
function follow(ledger: Ledger, mempool: Mempool, from: Ledger): void {
  for (const certified of from.chain.blocksAfter([], 1_000)) {
    const { verdict, connected, disconnected } = ledger.chain.connect(certified)
    expect(verdict).toEqual({ ok: true })
    if (connected.length > 0) mempool.onTip(connected, disconnected)
  }
}

describe('what may wait', () => {
  test('a valid transaction once; a second one with the same coin never', () => {
    const ledger = createLedger()
    const mempool = createMempool(ledger.chain)
    const tx = plainPayment(ledger, 'm1', 'm2', 5n)
    expect(said(mempool, tx)).toBe('ok')
    expect(said(mempool, tx)).toBe('ok')
    expect(mempool.size).toBe(1)
    expect(said(mempool, plainPayment(ledger, 'm1', 'm3', 5n))).toBe('input-missing drop')
    expect(said(mempool, plainPayment(ledger, 'm1', 'm3', 5n, 1))).toBe('ok')
    expect(mempool.has(txId(tx))).toBe(true)
    expect(mempool.all().map(txId)).toEqual([txId(tx), txId(plainPayment(ledger, 'm1', 'm3', 5n, 1))])
  })

  test('a refused transaction leaves no trace', () => {
    const ledger = createLedger()
    const mempool = createMempool(ledger.chain)
    const tx = plainPayment(ledger, 'm1', 'm2', 5n)
    // The signature is checked after the inputs were found: they must still be there for the right one.
    expect(said(mempool, { ...tx, inputs: [{ ...tx.inputs[0]!, witness: [new Uint8Array(64)] }] })).toBe('signature reject')
    expect(said(mempool, tx)).toBe('ok')
    expect(mempool.size).toBe(1)
  })

  test('a child waits behind its parent, not before it', () => {
    const ledger = createLedger()
    const mempool = createMempool(ledger.chain)
    const parent = plainPayment(ledger, 'm1', 'm2', 7_000n)
    const child = dependent(ledger, parent)
    expect(said(mempool, child)).toBe('input-missing drop')
    expect(said(mempool, parent)).toBe('ok')
    expect(said(mempool, child)).toBe('ok')
    expect(mempool.select(1_000_000).map(txId)).toEqual([parent, child].map(txId))
    ledger.mine(mempool.select(1_000_000))
  })

  test('the least fee is asked of all but settlements', () => {
    const ledger = ledgerAt('committed')
    const mempool = createMempool(ledger.chain)
    const of = (fee: bigint) => said(mempool, spend(ledger, 'stranger', [], { fee }))
    expect(of(999n)).toBe('fee-too-small drop')
    expect(of(1_000n)).toBe('ok')
    expect(said(mempool, charge(ledger))).toBe('ok')
    // The second one finds the task settled by the first.
    const another = unsignedCharge(ledger)
    expect(said(mempool, charge(ledger, { ...another, version: 1 }))).toBe('transaction-version reject')
  })

  test('no more than the limits, in number and in bytes; a block makes room', () => {
    const ledger = createLedger()
    const payments = [0, 1, 2].map((coin) => plainPayment(ledger, 'm1', 'm2', 5n, coin))
    const byCount = createMempool(ledger.chain, { countMax: 2, bytesMax: 1_000_000 })
    expect(payments.map((tx) => said(byCount, tx))).toEqual(['ok', 'ok', 'mempool-full drop'])
    const bytes = size(payments[0]!) + size(payments[1]!)
    const exact = createMempool(ledger.chain, { countMax: 9, bytesMax: bytes })
    expect(payments.map((tx) => said(exact, tx))).toEqual(['ok', 'ok', 'mempool-full drop'])
    const tight = createMempool(ledger.chain, { countMax: 9, bytesMax: bytes - 1 })
    expect(payments.map((tx) => said(tight, tx))).toEqual(['ok', 'mempool-full drop', 'mempool-full drop'])

    ledger.mine([payments[0]!])
    for (const mempool of [byCount, exact]) {
      mempool.onTip([ledger.chain.tip()], [])
      expect(mempool.all().map(txId)).toEqual([txId(payments[1]!)])
      expect(said(mempool, payments[2]!)).toBe('ok')
    }
  })
})

describe('what a block takes', () => {
  test('as many as fit, in order, up to the first that does not', () => {
    const ledger = createLedger()
    const mempool = createMempool(ledger.chain)
    const payments = [0, 1, 2].map((coin) => plainPayment(ledger, 'm1', 'm2', 5n, coin))
    for (const tx of payments) mempool.add(tx)
    const bytes = payments.map(size)
    expect(mempool.select(bytes[0]! + bytes[1]!).map(txId)).toEqual(payments.slice(0, 2).map(txId))
    expect(mempool.select(bytes[0]! + bytes[1]! - 1).map(txId)).toEqual(payments.slice(0, 1).map(txId))
    expect(mempool.select(0)).toEqual([])
  })

  test('no more tickets than a block may sell', () => {
    const ledger = createLedger({ maxNewTicketsPerBlock: 5 })
    const mempool = createMempool(ledger.chain)
    const orders = (['m1', 'm2', 'm3'] as const).map((name) => buy(ledger, name, 1, 2))
    for (const tx of orders) expect(said(mempool, tx)).toBe('ok')
    expect(mempool.select(1_000_000).length).toBe(2)
    ledger.mine(mempool.select(1_000_000))
    mempool.onTip([ledger.chain.tip()], [])
    expect(mempool.select(1_000_000).map(txId)).toEqual([txId(orders[2]!)])
  })

  test('a template of it passes all checks; one of anything else is not made', () => {
    const ledger = ledgerAt('defined')
    const mempool = createMempool(ledger.chain)
    for (const name of ['m1', 'm2', 's1'] as const) expect(said(mempool, join(ledger, name))).toBe('ok')
    const block = ledger.draft(mempool.select(ledger.chain.params.maxBlockBytes))
    expect(block.transactions.length).toBe(4)
    expect(ledger.chain.checkHeader(block, undefined)).toEqual({ ok: true })
    expect(ledger.chain.checkBody(block)).toEqual({ ok: true })
    expect(() => ledger.draft([join(ledger, 'poor')])).toThrow(/no-hit/)
    expect(() => ledger.draft([], { miner: 'client' as Name })).toThrow()
  })
})

describe('when the tip moves', () => {
  test('what the block has, or what its height forbids, goes', () => {
    const ledger = ledgerAt('joined')
    const mempool = createMempool(ledger.chain)
    const latecomer = join(ledger, 'm1').inputs.length === 1 ? plainPayment(ledger, 'poor', 'm1', 5n) : undefined
    const early = createMempool(ledgerAt('defined').chain)
    expect(early.add(join(ledgerAt('defined'), 'm1')).ok).toBe(true)
    expect(said(mempool, latecomer!)).toBe('ok')
    ledger.mine()
    mempool.onTip([ledger.chain.tip()], [])
    expect(mempool.size).toBe(1)
    const slow = ledgerAt('keyed')
    const waiting = createMempool(slow.chain)
    expect(said(waiting, history(slow))).toBe('ok')
    // The deadline passes while it waits.
    while (slow.chain.tip().height < 11) {
      slow.mine()
      waiting.onTip([slow.chain.tip()], [])
    }
    expect(waiting.size).toBe(0)
  })

  test('what a reorganisation takes out of the chain comes back, parents first', () => {
    const ledger = createLedger()
    const mempool = createMempool(ledger.chain)
    const parent = plainPayment(ledger, 'm1', 'm2', 7_000n)
    ledger.mine([parent, plainPayment(ledger, 'm3', 'm4', 5n)])
    const child = dependent(ledger, parent)
    ledger.mine([child])
    mempool.onTip([ledger.chain.at(1)!, ledger.chain.tip()], [])
    const own = plainPayment(ledger, 'stranger', 'm1', 5n)
    expect(said(mempool, own)).toBe('ok')

    const rival = createLedger()
    // One of the three is in the other branch too, one conflicts with it.
    const conflict = plainPayment(rival, 'm3', 'm1', 9n)
    rival.mine([conflict], { timeS: 1_700_000_001 })
    rival.mine([], { timeS: 1_700_000_002 })
    rival.mine([], { timeS: 1_700_000_003 })
    follow(ledger, mempool, rival)
    expect(ledger.chain.tip().id).toBe(rival.chain.tip().id)
    expect(mempool.all().map(txId)).toEqual([parent, child, own].map(txId))
    rival.mine(mempool.select(1_000_000))
    follow(ledger, mempool, rival)
    expect(mempool.size).toBe(0)
  })
})
