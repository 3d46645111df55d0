import { describe, expect, test } from 'vitest'
import {
  buy,
  charge,
  DOCUMENT,
  FEE,
  history,
  join,
  joinAll,
  type Ledger,
  ledgerAt,
  type Name,
  PRICE,
  participation,
  pay,
  person,
  recordOutput,
  spend,
  task,
} from '../test/ledger.ts'
import { buildStakeRefund } from './build.ts'

const MINERS: readonly Name[] = ['m1', 'm2', 'm3', 'm4']
const SUPERVISORS: readonly Name[] = ['s1', 's2', 's3', 's4', 's5']

const stateOf = (ledger: Ledger, name: Name) => ledger.ticketOf(name).state
const refund = (ledger: Ledger, name: Name) => buildStakeRefund(ledger.view(), person(name), ledger.ticketOf(name).id, FEE)
/** By key, lowest first: who should be chosen, told from what the chain shows. */
const ranked = (ledger: Ledger, role: number) =>
  task(ledger)
    .participants.filter((entry) => entry.role === role)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((entry) => entry.ticketId)
const states = (ledger: Ledger, ids: readonly string[]) => ids.map((id) => ledger.view().ticket(id)!.state)
/** The client takes its escrow back. */
const takeBack = (ledger: Ledger) => {
  const { escrow } = task(ledger)
  const amount = ledger.view().coin(escrow.txid, escrow.index)!.amount
  return spend(ledger, 'client', [{ amount, script: ledger.view().coinsOf(person('client').publicKey)[0]!.script }], {
    edit: (tx) => ({ ...tx, inputs: [...tx.inputs, { ...tx.inputs[0]!, ...escrow }], outputs: tx.outputs }),
    fee: FEE - amount,
  })
}

describe('from the purchase of tickets to the settlement', () => {
  test('tickets bought at h are LIVE from h + M', () => {
    const ledger = ledgerAt('tickets')
    expect(ledger.ticketOf('s1')).toMatchObject({ role: 2, boughtAt: 1, liveAt: 2, expiresAt: 1_002, state: 'LIVE' })
    const first = ledger.chain.view(ledger.chain.at(1)!.id)
    expect(first.tickets({ owner: person('s1').publicKey })[0]!.state).toBe('IMMATURE')
    expect(first.tickets({ role: 2, state: 'LIVE' })).toEqual([])
  })

  test('01 opens the task; its block is the randomness and its height starts the window', () => {
    const ledger = ledgerAt('defined')
    expect(task(ledger)).toMatchObject({ state: 'DEFINED', definedAt: 3, participationHeight: 5, client: person('client').publicKey })
    expect(task(ledger).blockId).toBe(ledger.chain.tip().id)
    expect(task(ledger).bond).toBe(50_000_000n)
    expect(ledger.view().coin(task(ledger).escrow.txid, 0)!.amount).toBe(1_050_000_007n)
  })

  test('03 makes candidates; at P the lowest keys are staffed, the next are backups, the rest is free', () => {
    const joined = ledgerAt('joined')
    expect(task(joined).state).toBe('DEFINED')
    expect(states(joined, [...ranked(joined, 1), ...ranked(joined, 2)])).toEqual(Array(9).fill('CANDIDATE'))

    const ledger = ledgerAt('keyed')
    const { state, miners, supervisors, backups } = task(ledger)
    expect(state).toBe('KEYED')
    expect(miners).toEqual(ranked(ledger, 1).slice(0, 3))
    expect(supervisors).toEqual(ranked(ledger, 2).slice(0, 4))
    expect(backups).toEqual({ miners: [], supervisors: ranked(ledger, 2).slice(4) })
    expect(states(ledger, ranked(ledger, 1))).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE', 'LIVE'])
    expect(states(ledger, ranked(ledger, 2))).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'BACKUP'])
  })

  test('05 opens training, flagged 05 evaluation; its block is the randomness of the evaluators', () => {
    const training = ledgerAt('training')
    expect(task(training)).toMatchObject({ state: 'TRAINING', history: { lastSlot: 9 } })
    const ledger = ledgerAt('evaluating')
    expect(task(ledger)).toMatchObject({ state: 'EVALUATING', evaluationHeight: 7, evaluatorsHeight: 9, evaluators: [] })
    expect(task(ledger).evaluationBlock).toBe(ledger.chain.tip().id)
    expect(task(ledger).history.records.map(({ firstSlot, lastSlot, height }) => [firstSlot, lastSlot, height])).toEqual([
      [0, 9, 6],
      [10, 19, 7],
    ])
  })

  test('evaluators join by 03 and are drawn when their window closes; 0A and 0B are kept', () => {
    const ledger = ledgerAt('drawn')
    expect(ledger.chain.tip().height).toBe(9)
    expect(task(ledger).evaluators).toEqual(ranked(ledger, 3).slice(0, 2))
    expect(task(ledger).evaluatorBackups).toEqual(ranked(ledger, 3).slice(2))
    expect(states(ledger, ranked(ledger, 3))).toEqual(['ACTIVE', 'ACTIVE', 'BACKUP'])
    const committed = ledgerAt('committed')
    expect(task(committed).commits.map(({ ticketId }) => ticketId)).toEqual(task(committed).evaluators)
    expect(task(committed).testReveal?.bitSet).toBe(0b111)
  })

  test('07 settles: all are paid from the escrow, tickets are free, stakes locked for the evidence window', () => {
    const before = ledgerAt('committed')
    const ledger = ledgerAt('settled')
    expect(task(ledger)).toMatchObject({ state: 'SETTLED', settledAt: 11 })
    expect(ledger.view().coin(task(ledger).escrow.txid, 0)).toBeUndefined()
    for (const { ticketId } of task(ledger).participants)
      expect(ledger.view().ticket(ticketId)).toMatchObject({ state: 'LIVE', lockedUntil: 14 })
    // Best rank 1 (second miner, 6 recorded, weight 12 of 17), then rank 2; the unranked miner gets nothing.
    const pot = 1_000_000_007n
    const gain = (id: string) => {
      const { owner } = ledger.view().ticket(id)!
      const sum = (at: Ledger) =>
        at
          .view()
          .coinsOf(owner)
          .filter((coin) => !coin.coinbase)
          .reduce((total, coin) => total + coin.amount, 0n)
      return sum(ledger) - sum(before)
    }
    const { miners, supervisors, evaluators } = task(ledger)
    expect(miners.map(gain)).toEqual([(pot * 7000n * 5n) / 170_000n, (pot * 7000n * 12n) / 170_000n, 0n])
    expect(supervisors.map(gain)).toEqual([20n, 19n, 18n, 17n].map((signed) => (pot * 2000n * signed) / 800_000n))
    expect(evaluators.map(gain)).toEqual([(pot * 1000n) / 20_000n, (pot * 1000n) / 20_000n])
  })
})

describe('staffing', () => {
  test('the window opens once more, then the task fails and the client may take the escrow back', () => {
    const ledger = ledgerAt('defined')
    ledger.mineTo(4)
    expect(task(ledger)).toMatchObject({ state: 'DEFINED', participationHeight: 5 })
    ledger.mineTo(5)
    expect(task(ledger)).toMatchObject({ state: 'DEFINED', participationHeight: 7 })
    ledger.mineTo(6)
    expect(ledger.code(takeBack(ledger))).toBe('escrow-locked')
    ledger.mineTo(7)
    expect(task(ledger)).toMatchObject({ state: 'FAILED', reason: 'not-staffed' })
    const purse = () =>
      ledger
        .view()
        .coinsOf(person('client').publicKey)
        .reduce((sum, coin) => sum + coin.amount, 0n)
    const before = purse()
    const refunded = takeBack(ledger)
    ledger.mine([refunded])
    expect(purse()).toBe(before + 1_050_000_007n - FEE)
    expect(ledger.code(refunded)).toBe('input-missing')
  })

  test('after relaxation every ticket with some similarity hits', () => {
    const ledger = ledgerAt('defined')
    expect(ledger.code(join(ledger, 'poor'))).toBe('no-hit')
    ledger.mine(joinAll(ledger, ['m1', 'm2', 's1', 's2', 's3', 's4']))
    expect(ledger.code(join(ledger, 'poor'))).toBe('no-hit')
    ledger.mine()
    expect(task(ledger)).toMatchObject({ state: 'DEFINED', participationHeight: 7 })
    ledger.mine([join(ledger, 'poor')])
    ledger.mine()
    expect(task(ledger).state).toBe('KEYED')
    expect(task(ledger).miners).toContain(ledger.ticketOf('poor').id)
  })

  test('a missing supervisor relaxes as a missing miner does', () => {
    const ledger = ledgerAt('defined')
    ledger.mine(joinAll(ledger, [...MINERS, 's1', 's2', 's3']))
    ledger.mine()
    expect(task(ledger)).toMatchObject({ state: 'DEFINED', participationHeight: 7 })
    expect(stateOf(ledger, 'm1')).toBe('CANDIDATE')
    ledger.mine([join(ledger, 's5')])
    ledger.mine()
    expect(task(ledger).state).toBe('KEYED')
  })

  test('a failed task lets its candidates go; their stakes wait for the evidence window', () => {
    const ledger = ledgerAt('defined')
    ledger.mine(joinAll(ledger, ['m1', 'm2', 's1']))
    ledger.mineTo(7)
    expect(task(ledger).state).toBe('FAILED')
    expect(ledger.ticketOf('m1')).toMatchObject({ state: 'LIVE', lockedUntil: 10 })
  })

  test('three miners are enough where more are wanted', () => {
    const ledger = ledgerAt('tickets')
    ledger.mine([pay(ledger, { ...DOCUMENT, workers: { ...DOCUMENT.workers, miners: 5 } })])
    ledger.mine(joinAll(ledger, ['m1', 'm2', 'm3', 's1', 's2', 's3', 's4']))
    ledger.mine()
    expect(task(ledger)).toMatchObject({ state: 'KEYED' })
    expect(task(ledger).miners.length).toBe(3)
  })
})

describe('deadlines', () => {
  test.each(['keyed', 'training'] as const)('a task that is %s fails when the block at P + deadline brings no flagged 05', (stage) => {
    const ledger = ledgerAt(stage)
    ledger.mineTo(10)
    expect(task(ledger).state).toBe(stage.toUpperCase())
    ledger.mine(stage === 'keyed' ? [history(ledger)] : [])
    expect(task(ledger)).toMatchObject({ state: 'FAILED', reason: 'deadline' })
    expect(ledger.code(takeBack(ledger))).toBe('ok')
    for (const { ticketId } of task(ledger).participants)
      expect(ledger.view().ticket(ticketId)).toMatchObject({ state: 'LIVE', lockedUntil: 14 })
  })

  test('the block at P + deadline is still in time', () => {
    const ledger = ledgerAt('training')
    ledger.mineTo(10)
    ledger.mine([history(ledger, { flags: 2 })])
    expect(task(ledger)).toMatchObject({ state: 'EVALUATING', evaluationHeight: 11 })
  })

  test('07 is in time up to the last block of grace, and not after it', () => {
    const late = ledgerAt('committed')
    late.mineTo(11)
    expect(task(late).state).toBe('EVALUATING')
    const settlement = charge(late)
    const inTime = ledgerAt('committed')
    inTime.mineTo(11)
    inTime.mine([settlement])
    expect(task(inTime)).toMatchObject({ state: 'SETTLED', settledAt: 12 })
    late.mine()
    expect(task(late)).toMatchObject({ state: 'FAILED', reason: 'not-settled' })
    expect(late.code(settlement)).toBe('task-state')
    expect(stateOf(late, 's1')).toBe('LIVE')
  })
})

describe('evaluators', () => {
  test('none in two windows: the task fails', () => {
    const ledger = ledgerAt('evaluating')
    ledger.mineTo(9)
    expect(task(ledger)).toMatchObject({ state: 'EVALUATING', evaluatorsHeight: 11 })
    ledger.mineTo(11)
    expect(task(ledger)).toMatchObject({ state: 'FAILED', reason: 'no-evaluators' })
  })

  test('fewer than wanted after the second window: it goes on with those', () => {
    const ledger = ledgerAt('evaluating')
    ledger.mine([join(ledger, 'e2')])
    ledger.mineTo(9)
    expect(task(ledger)).toMatchObject({ evaluators: [], evaluatorsHeight: 11 })
    ledger.mineTo(11)
    expect(task(ledger)).toMatchObject({ state: 'EVALUATING', evaluators: [ledger.ticketOf('e2').id] })
  })

  test('a ticket that was not LIVE in the block of the draw may not join, relaxed or not', () => {
    const ledger = ledgerAt('training')
    ledger.mine([history(ledger, { flags: 2 }), buy(ledger, 'stranger', 3)])
    ledger.mineTo(9)
    expect(stateOf(ledger, 'stranger')).toBe('LIVE')
    expect(ledger.code(join(ledger, 'stranger'))).toBe('ticket-younger-than-task')
    expect(ledger.code(join(ledger, 'e1'))).toBe('ok')
  })
})

describe('stakes', () => {
  test('are locked while the ticket can work, and free after the evidence window', () => {
    for (const stage of ['joined', 'keyed', 'settled'] as const) {
      const ledger = ledgerAt(stage)
      for (const name of [...MINERS, ...SUPERVISORS]) expect(ledger.code(refund(ledger, name)), `${stage} ${name}`).toBe('stake-locked')
    }
    const ledger = ledgerAt('settled')
    ledger.mineTo(12)
    expect(ledger.code(refund(ledger, 's1'))).toBe('stake-locked')
    ledger.mineTo(13)
    const back = refund(ledger, 's1')
    expect(back.outputs[0]!.amount).toBe(PRICE - FEE)
    ledger.mine([back])
    expect(stateOf(ledger, 's1')).toBe('SPENT')
    expect(ledger.code(back)).toBe('input-missing')
    expect(ledger.view().coin(ledger.ticketOf('s1').outpoint.txid, 0)).toBeUndefined()
  })

  test('are free when a ticket expires, and nobody but the owner takes them', () => {
    const ledger = ledgerAt('tickets')
    expect(stateOf(ledger, 'brief')).toBe('LIVE')
    expect(stateOf(ledgerAt('defined'), 'brief')).toBe('EXPIRED')
    // Block 3 is the first in which it has expired.
    expect(ledger.code(refund(ledger, 'brief'))).toBe('ok')
    expect(ledger.code(buildStakeRefund(ledger.view(), person('stranger'), ledger.ticketOf('brief').id, FEE))).toBe('signature')
    ledger.mine([refund(ledger, 'brief')])
    expect(stateOf(ledger, 'brief')).toBe('SPENT')
    const young = ledgerAt('tickets')
    expect(young.code(refund(young, 'm1'))).toBe('stake-locked')
  })

  test('a ticket that works again is locked again, and the end of its old task does not free it', () => {
    const ledger = ledgerAt('keyed')
    const free = ranked(ledger, 1)[3]!
    const name = MINERS.find((miner) => ledger.ticketOf(miner).id === free)!
    ledger.mine([pay(ledger, { ...DOCUMENT, name: 'second' })])
    const second = ledger.view().tasks()[1]!
    ledger.mine([spend(ledger, name, [recordOutput(participation(ledger, name, second))])])
    expect(ledger.ticketOf(name)).toMatchObject({ state: 'CANDIDATE', task: second.id })
    // The first task misses its deadline at 11; the second, not staffed either, fails at 10.
    ledger.mineTo(9)
    expect(ledger.view().tasks()[1]!.state).toBe('DEFINED')
    expect(ledger.code(refund(ledger, name))).toBe('stake-locked')
    ledger.mineTo(10)
    expect(ledger.ticketOf(name)).toMatchObject({ state: 'LIVE', lockedUntil: 13, task: second.id })
    ledger.mineTo(11)
    expect(task(ledger).state).toBe('FAILED')
    expect(ledger.ticketOf(name)).toMatchObject({ lockedUntil: 13 })
    expect(ledger.ticketOf('s1')).toMatchObject({ lockedUntil: 14 })
  })

  test('a free ticket may work on the next task while its stake is still locked', () => {
    const ledger = ledgerAt('settled')
    ledger.mine([pay(ledger, { ...DOCUMENT, name: 'second' })])
    const second = ledger.view().tasks()[1]!
    ledger.mine([spend(ledger, 'm1', [recordOutput(participation(ledger, 'm1', second))])])
    expect(stateOf(ledger, 'm1')).toBe('CANDIDATE')
    // Block 14 would be the first after the evidence window of the first task.
    ledger.mineTo(13)
    expect(ledger.code(refund(ledger, 'm1'))).toBe('stake-locked')
    expect(ledger.code(refund(ledger, 'm2'))).toBe('ok')
  })
})
