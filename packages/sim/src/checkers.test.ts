import type { Coin, Genesis } from '@pouw/chain'
import { concatBytes, hexToBytes, u32le } from '@pouw/crypto'
import { encodeIterationResult, encodeMessage, type Message, payToKey, type Tx, txId } from '@pouw/primitives'
import type { Effect } from '@pouw/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { smallScenario } from '../test/small-scenario.ts'
import {
  type CheckedChain,
  type CheckedNode,
  equivocationChecker,
  forkChecker,
  moneyChecker,
  paymentChecker,
  penaltyChecker,
  runCheckers,
  settlementChecker,
  settlementFault,
} from './checkers.ts'
import { runScenario } from './scenario.ts'

/** The client's chain of a run that settled, and its genesis; the tests below falsify copies of it. */
let chain: CheckedChain
let genesis: Genesis

beforeAll(() => {
  const report = runScenario(smallScenario(1), 7)
  expect(report.settled).toBe(true)
  const client = report.world.nodes.find((node) => node.name === 'client')!
  chain = client.brain.chain
  genesis = client.config.genesis
}, 60_000)

function node(name: string, checked: CheckedChain, isUp = true): CheckedNode {
  return { name, isUp, brain: { chain: checked } }
}

describe('money', () => {
  /** The chain with other coins at its tip. */
  function withCoins(change: (coins: [string, Coin][]) => [string, Coin][]): CheckedChain {
    return { ...chain, view: () => ({ ...chain.view(), coins: () => change([...chain.view().coins()]) }) }
  }

  test('holds on an honest chain', () => {
    expect(moneyChecker(genesis).onTip!(node('a', chain), [], undefined)).toBe(undefined)
  })

  test('one unit too many, one too few, a coin that vanished', () => {
    const add = (units: bigint) =>
      withCoins((coins) => coins.map(([key, coin], index) => [key, index === 0 ? { ...coin, amount: coin.amount + units } : coin]))
    for (const [label, forged] of [
      ['more', add(1n)],
      ['less', add(-1n)],
      ['gone', withCoins((coins) => coins.slice(1))],
    ] as const) {
      expect(moneyChecker(genesis).onTip!(node('a', forged), [], undefined), label).toMatch(/units, expected/)
    }
  })

  test('a coinbase that makes more than subsidy and fees', () => {
    const first = chain.at(1)!.id
    const forged: CheckedChain = {
      ...chain,
      block(id) {
        const certified = chain.block(id)
        if (id !== first || !certified) return certified
        const [coinbase, ...others] = certified.block.transactions
        const outputs = coinbase!.outputs.map((output, index) => (index === 0 ? { ...output, amount: output.amount + 1n } : output))
        return { ...certified, block: { ...certified.block, transactions: [{ ...coinbase!, outputs }, ...others] } }
      },
    }
    expect(moneyChecker(genesis).onTip!(node('a', forged), [], undefined)).toMatch(/coinbase of block 1 makes 1 units too much/)
  })
})

describe('forks', () => {
  /** A chain of plain names; `known` are blocks of branches that it gave up, with their parents. */
  function named(best: readonly string[], known: Readonly<Record<string, string>> = {}): CheckedChain {
    const parents: Record<string, string> = { ...known }
    for (const [height, id] of best.entries()) if (height > 0) parents[id] = best[height - 1]!
    const entry = (id: string) =>
      id in parents || id === best[0] ? { id, height: best.indexOf(id), parent: parents[id] ?? '' } : undefined
    return {
      tip: () => entry(best.at(-1)!),
      at: (height: number) => (best[height] === undefined ? undefined : entry(best[height]!)),
      entry,
      isOnBestChain: (id: string) => best.includes(id),
    } as unknown as CheckedChain
  }

  test('a node may give up two blocks, not three', () => {
    const look = (ownBranch: readonly string[]) => {
      const parents = Object.fromEntries(ownBranch.map((id, index) => [id, ownBranch[index - 1] ?? 'g']))
      return forkChecker(2).onTip!(node('a', named(['g', 'x1', 'x2', 'x3', 'x4'], parents)), [], ownBranch.at(-1))
    }
    expect(look(['y1', 'y2'])).toBe(undefined)
    expect(look(['y1', 'y2', 'y3'])).toBe('a gave up 3 blocks at height 4')
  })

  test('two nodes may differ in two blocks, not three; being behind or down is no fork', () => {
    const a = node('a', named(['g', 'x1', 'x2', 'x3', 'x4']))
    const look = (other: CheckedNode) => forkChecker(2).onTip!(a, [a, other], undefined)
    expect(look(node('b', named(['g', 'x1', 'y2', 'y3'])))).toBe(undefined)
    expect(look(node('b', named(['g', 'x1'])))).toBe(undefined)
    expect(look(node('b', named(['g', 'y1', 'y2', 'y3'])))).toBe('a and b differ in their last 3 blocks below height 3')
    expect(look(node('b', named(['g', 'y1', 'y2', 'y3']), false))).toBe(undefined)
  })
})

test('a penalty is told with its reason', () => {
  const effects: Effect[] = [
    { kind: 'emit', name: 'block', fields: {} },
    { kind: 'penalise', peer: 'b', points: 20, reason: 'signature' },
  ]
  expect(penaltyChecker().onEffects!(node('a', chain), effects)).toBe('a gives b 20 points: signature')
  expect(penaltyChecker().onEffects!(node('a', chain), effects.slice(0, 1))).toBe(undefined)
})

test('a document that was paid for twice', () => {
  const twice: CheckedChain = {
    ...chain,
    view: () => ({ ...chain.view(), tasks: () => [...chain.view().tasks(), ...chain.view().tasks()] }),
  }
  expect(paymentChecker().onTip!(node('a', chain), [], undefined)).toBe(undefined)
  expect(paymentChecker().onTip!(node('a', twice), [], undefined)).toMatch(/^a: client .* paid twice/)
})

describe('settlement', () => {
  function settled() {
    const view = chain.view()
    const task = view.tasks()[0]!
    const charge = chain.block(chain.at(task.settledAt!)!.id)!.block.transactions.find((tx) => txId(tx) === task.settlement)!
    const owners = new Set([...task.miners, ...task.supervisors, ...task.evaluators].map((ticket) => view.ticket(ticket)!.owner))
    return { task, charge, owners, escrowed: task.record.fee + task.bond }
  }
  const replace = (tx: Tx, at: number, change: Partial<Tx['outputs'][number]>): Tx => ({
    ...tx,
    outputs: tx.outputs.map((output, index) => (index === at ? { ...output, ...change } : output)),
  })

  test('holds for the settled task', () => {
    const { task, charge, owners, escrowed } = settled()
    expect(settlementFault(task, escrowed, charge, owners)).toBe(undefined)
    expect(settlementChecker().onTip!(node('a', chain), [], undefined)).toBe(undefined)
  })

  test('each way to get it wrong has its sentence', () => {
    const { task, charge, owners, escrowed } = settled()
    const last = charge.outputs.length - 1
    const stranger = payToKey('11'.repeat(32))
    const fault = (tx: Tx, amount = escrowed) => settlementFault(task, amount, tx, owners)
    expect(fault(replace(charge, 1, { amount: charge.outputs[1]!.amount + 1n }))).toMatch(/payees get/)
    expect(fault(replace(charge, last, { amount: charge.outputs[last]!.amount - 1n }))).toMatch(/are not the escrow/)
    expect(fault(charge, escrowed + 1n)).toMatch(/are not the escrow/)
    expect(fault(replace(charge, 1, { script: stranger }))).toMatch(/did not work/)
    expect(fault(replace(charge, last, { script: stranger }))).toMatch(/client/)
    expect(fault({ ...charge, inputs: [{ ...charge.inputs[0]!, index: 1 }] })).toMatch(/something else/)
    expect(fault({ ...charge, outputs: charge.outputs.slice(1) })).toMatch(/no record/)
  })

  test('an escrow that is still there', () => {
    const { task } = settled()
    const coin = { amount: 1n, script: new Uint8Array(), height: 1, coinbase: false }
    const forged: CheckedChain = {
      ...chain,
      view: () => ({ ...chain.view(), coin: (txid) => (txid === task.escrow.txid ? coin : undefined) }),
    }
    expect(settlementChecker().onTip!(node('a', forged), [], undefined)).toMatch(/still there/)
  })
})

describe('signatures', () => {
  const taskId = 'ab'.repeat(32)
  const look = (...effects: Effect[]) => equivocationChecker().onEffects!(node('a', chain), effects)
  const send = (bytes: Uint8Array): Effect => ({ kind: 'send', peer: 'b', bytes })

  function slot(number: number, header: string): { kept: Effect; sent: Effect } {
    const message: Message = {
      kind: 'SLOT_SIG',
      taskId,
      sender: '01'.repeat(32),
      sequence: 1,
      slot: number,
      headerHash: header.repeat(32),
      share: new Uint8Array(96),
      signature: new Uint8Array(64),
    }
    return {
      kept: { kind: 'persist', key: `signed/${taskId}`, value: concatBytes(u32le(number), hexToBytes(message.headerHash)) },
      sent: send(encodeMessage('00000000', message)),
    }
  }

  function result(sequence: number, loss: number): { kept: Effect; sent: Effect } {
    const hash = '00'.repeat(32)
    const bytes = encodeIterationResult({
      taskId,
      ticketId: hash,
      sequence,
      epoch: 1,
      batchIndex: 0,
      batchHash: hash,
      startModelHash: hash,
      endModelHash: hash,
      startResidualHash: hash,
      endResidualHash: hash,
      peerCut: 0,
      peerHash: hash,
      map: new Uint8Array(0),
      loss,
      accuracy: 0.5,
      rate: 0.5,
      tau: 2,
      overdrive: 0,
      startedMs: 1,
      finishedMs: 2,
      commitment: hash,
      previousHash: hash,
      signature: new Uint8Array(64),
    })
    return { kept: { kind: 'persist', key: `result/${taskId}/${String(sequence).padStart(8, '0')}`, value: bytes }, sent: send(bytes) }
  }

  test('a slot is signed once, whatever happens in between', () => {
    const [one, other, next] = [slot(1, 'aa'), slot(1, 'bb'), slot(2, 'cc')]
    expect(look(one.kept, one.sent, next.kept, next.sent)).toBe(undefined)
    expect(look(one.kept, one.sent, slot(1, 'aa').sent)).toBe(undefined)
    expect(look(one.kept, one.sent, other.kept, other.sent)).toMatch(/^a signed slot 1 as (aa)+ and as (bb)+$/)
    expect(look(one.kept, one.sent, next.kept, next.sent, other.sent)).toMatch(/and as (bb)+$/)
  })

  test('an iteration has one result', () => {
    const [one, other, next] = [result(1, 0.5), result(1, 0.25), result(2, 0.5)]
    expect(look(one.kept, one.sent, next.kept, next.sent, result(1, 0.5).sent)).toBe(undefined)
    expect(look(one.kept, one.sent, other.kept, other.sent)).toBe('a sends a second result of iteration 1 by one miner')
  })

  test('what is signed is durable before it leaves', () => {
    expect(look(slot(1, 'aa').sent, slot(1, 'aa').kept)).toBe('a signed slot 1, which is not durable')
    expect(look(slot(1, 'bb').kept, slot(1, 'aa').sent)).toBe('a signed slot 1, which is not durable')
    expect(look(result(1, 0.5).sent)).toBe('a sends a result of iteration 1 that is not durable')
    expect(look(result(1, 0.25).kept, result(1, 0.5).sent)).toBe('a sends a result of iteration 1 that is not durable')
  })
})

test('outcomes count looks and keep what broke', () => {
  const checkers = runCheckers([penaltyChecker(), moneyChecker(genesis)])
  const a = node('a', chain)
  expect(checkers.look(a, [a], [])).toBe(undefined)
  expect(checkers.look(a, [a], [{ kind: 'penalise', peer: 'b', points: 1, reason: 'x' }])).toEqual({
    check: 'no honest node is penalised',
    what: 'a gives b 1 points: x',
  })
  expect(checkers.outcomes()).toEqual([
    { name: 'no honest node is penalised', looks: 1, held: false, broke: 'a gives b 1 points: x' },
    { name: 'money is conserved', looks: 1, held: true, broke: null },
  ])
})

test('a failed checker ends the run with seed and step', () => {
  // No chain satisfies a fork depth below zero.
  const report = runScenario({ ...smallScenario(1), forkDepthMax: -1 }, 3)
  expect(report.settled).toBe(false)
  expect(report.broken).toMatchObject({ check: 'no fork deeper than -1', seed: 3, step: 1, node: report.world.nodes[0]!.name })
  expect(report.events).toBe(1)
})
