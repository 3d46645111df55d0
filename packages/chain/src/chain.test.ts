import { asert, type Block, bitsToTarget, blockId, type CertifiedBlock, hashMeets, targetToWork } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import {
  createLedger,
  dump,
  grind,
  join,
  type Ledger,
  ledgerAt,
  plainPayment,
  task,
  withHeader,
  withTransactions,
  ZERO,
} from '../test/ledger.ts'
import { createChain, workTarget } from './chain.ts'

const START = 1_700_000_000
const said = (ledger: Ledger, block: Block, nowMs?: number) => {
  const verdict = ledger.chain.checkHeader(block, nowMs)
  return verdict.ok ? 'ok' : `${verdict.check} ${verdict.code} ${verdict.action}`
}

/** Connects the blocks of one ledger to another, from a height on. */
function copy(from: Ledger, to: Ledger, after: number) {
  return from.chain.blocksAfter([from.chain.at(after)!.id], 1_000).map((certified) => to.chain.connect(certified))
}

describe('checks 1 and 2', () => {
  const ledger = ledgerAt('tickets')
  const block = ledger.draft()
  const remade = (change: Partial<Block['header']>) => grind(ledger.chain, withHeader(block, change))

  test('a worked block on the tip passes, on a known ancestor as well', () => {
    expect(said(ledger, block)).toBe('ok')
    expect(said(ledger, createLedger().draft())).toBe('ok')
  })

  test('each field of the header has its rule', () => {
    expect(said(ledger, remade({ hashPrevBlock: ZERO }))).toBe('1 parent-unknown drop')
    expect(said(ledger, remade({ version: 2 }))).toBe('1 header-version reject')
    expect(said(ledger, remade({ bits: block.header.bits - 1 }))).toBe('1 bits reject')
    expect(said(ledger, remade({ hashMsgHist: '01'.repeat(32) }))).toBe('1 work-kind reject')
    expect(said(ledger, { ...block, work: { ...block.work, kind: 'task' } as never })).toBe('1 work-kind reject')
  })

  test('time is above the median of the last eleven and not far ahead of the local clock', () => {
    // Times 0, 10 and 20 after genesis: the median is 10.
    expect(ledger.chain.medianTime(ledger.chain.tip().id)).toBe(START + 10)
    expect(said(ledger, remade({ time: START + 10 }))).toBe('1 time-too-old reject')
    expect(said(ledger, remade({ time: START + 11 }))).toBe('ok')
    expect(said(ledger, remade({ time: START + 31 }), (START + 1) * 1_000 + 999)).toBe('ok')
    expect(said(ledger, remade({ time: START + 32 }), (START + 1) * 1_000 + 999)).toBe('1 time-ahead drop')
  })

  test('the median looks eleven blocks back and no further', () => {
    const long = createLedger()
    for (let height = 1; height <= 14; height++) long.mine([], { timeS: START + height * 10 })
    // Heights 4 to 14: the middle one is 9.
    expect(long.chain.medianTime(long.chain.tip().id)).toBe(START + 90)
    // The template does not follow a clock that stands still.
    expect(long.draft([], { timeS: START }).header.time).toBe(START + 91)
  })

  test('the id meets the target: its own for filler, an easier one for work on a task', () => {
    const { chain } = ledger
    const target = bitsToTarget(block.header.bits)!
    expect(workTarget(chain.params, block.header.bits, 'filler')).toBe(target)
    expect(workTarget(chain.params, block.header.bits, 'task')).toBe(2n * target)
    expect(workTarget(chain.params, chain.params.limitBits, 'task')).toBe(bitsToTarget(chain.params.limitBits))
    // Some nonce lies between the two targets.
    let between = withHeader(block, { hashMsgHist: '01'.repeat(32) })
    for (let nonce = 0; !hashMeets(blockId(between), 2n * target) || hashMeets(blockId(between), target); nonce++)
      between = withHeader(between, { nonce: nonce.toString(16).padStart(64, '0') })
    expect(said(ledger, { ...between, work: { kind: 'task' } as never })).toBe('ok')
    let filler = block
    for (let nonce = 0; !hashMeets(blockId(filler), 2n * target) || hashMeets(blockId(filler), target); nonce++)
      filler = withHeader(filler, { nonce: nonce.toString(16).padStart(64, '0') })
    expect(said(ledger, filler)).toBe('2 target reject')
  })

  test('a block that fails them is not connected; a trusted source is spared the header, never the body', () => {
    const certified = { block: remade({ bits: block.header.bits - 1 }), certificate: [] }
    expect(ledgerAt('tickets').chain.connect(certified).verdict).toMatchObject({ code: 'bits' })
    expect(ledgerAt('tickets').chain.connect(certified, { trusted: true }).verdict).toEqual({ ok: true })
    const body = { block: remade({ hashMerkleRoot: ZERO }), certificate: [] }
    expect(ledgerAt('tickets').chain.connect(body, { trusted: true }).verdict).toMatchObject({ code: 'merkle-root' })
    const orphan = { block: remade({ hashPrevBlock: ZERO }), certificate: [] }
    expect(ledgerAt('tickets').chain.connect(orphan, { trusted: true }).verdict).toMatchObject({ code: 'parent-unknown' })
  })
})

describe('difficulty', () => {
  test('follows ASERT from genesis: on time it stays, early blocks are harder, late ones easier, never below the limit', () => {
    const on = (timeS: number) => {
      const ledger = createLedger()
      const first = ledger.chain.nextBits(ledger.chain.genesisId)
      ledger.mine([], { timeS: START + timeS })
      const bits = ledger.chain.nextBits(ledger.chain.tip().id)
      expect(bits).toBe(asert({ height: 0, time: START, bits: 0x2003ffff }, 1, START + timeS, 10, 40, bitsToTarget(0x200fffff)!))
      return { first: bitsToTarget(first)!, next: bitsToTarget(bits)! }
    }
    expect(on(10).next).toBe(on(10).first)
    expect(on(1).next).toBeLessThan(on(1).first)
    expect(on(40).next).toBeGreaterThan(on(40).first)
    expect(on(10_000).next).toBe(bitsToTarget(0x200fffff))
    // Half a life late: twice as easy, to the unit.
    expect(on(10 + 40).next / 1_000_000n).toBe((on(10).first * 2n) / 1_000_000n)
  })

  test('parameters that are no targets are refused', () => {
    const { genesis } = createLedger()
    expect(() => createChain({ ...genesis, params: { ...genesis.params, limitBits: 0 } })).toThrow(RangeError)
    expect(() => createChain({ ...genesis, params: { ...genesis.params, genesisBits: 0x01800000 } })).toThrow(RangeError)
  })
})

describe('the best chain', () => {
  test('is the one with most work, not with most blocks', () => {
    const long = createLedger()
    for (let height = 1; height <= 3; height++) long.mine([], { timeS: START + height * 400 })
    const short = createLedger()
    for (let height = 1; height <= 2; height++) short.mine([], { timeS: START + height })
    const work = (ledger: Ledger) =>
      ledger.chain.blocksAfter([], 10).reduce((sum, { block }) => sum + targetToWork(bitsToTarget(block.header.bits)!), 0n)
    expect(long.chain.tip().chainWork).toBe(work(long))
    expect(short.chain.tip().chainWork).toBeGreaterThan(long.chain.tip().chainWork)
    const ledger = createLedger()
    copy(long, ledger, 0)
    expect(ledger.chain.tip().id).toBe(long.chain.tip().id)
    const [first, second] = copy(short, ledger, 0)
    expect(first).toEqual({ verdict: { ok: true }, connected: [], disconnected: [] })
    expect(second!.connected.map(({ height }) => height)).toEqual([1, 2])
    expect(second!.disconnected.map(({ height }) => height)).toEqual([3, 2, 1])
    expect(ledger.chain.tip().id).toBe(short.chain.tip().id)
    // Work on a task counts its nBits like filler, though its target is easier (A15).
    expect(ledger.chain.entry(second!.connected[0]!.id)!.chainWork).toBe(targetToWork(bitsToTarget(short.chain.at(1)!.header.bits)!))
  })

  test('stays where it is on equal work: first seen', () => {
    const one = createLedger()
    one.mine([], { extra: 1 })
    const two = createLedger()
    const other = two.mine([], { extra: 2 })
    expect(one.chain.tip().chainWork).toBe(two.chain.tip().chainWork)
    expect(one.chain.connect(other)).toMatchObject({ verdict: { ok: true }, connected: [], disconnected: [] })
    expect(one.chain.tip().id).not.toBe(two.chain.tip().id)
    expect(one.chain.entry(two.chain.tip().id)).toBeDefined()
    expect(one.chain.isOnBestChain(two.chain.tip().id)).toBe(false)
    two.mine()
    expect(copy(two, one, 1)[0]!.disconnected.length).toBe(1)
    expect(one.chain.isOnBestChain(two.chain.at(1)!.id)).toBe(true)
  })

  test('a block known already changes nothing', () => {
    const ledger = ledgerAt('tickets')
    const certified = ledger.chain.block(ledger.chain.tip().id)!
    expect(ledger.chain.connect(certified)).toEqual({ verdict: { ok: true }, connected: [], disconnected: [] })
  })

  test('is found by height, told by a locator, and served after it', () => {
    const ledger = createLedger()
    for (let height = 1; height <= 30; height++) ledger.mine()
    const { chain } = ledger
    expect(chain.at(31)).toBeUndefined()
    expect(chain.at(-1)).toBeUndefined()
    expect(chain.at(0)!.id).toBe(chain.genesisId)
    const heights = chain.locator().map((id) => chain.entry(id)!.height)
    expect(heights).toEqual([30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 19, 15, 7, 0])
    expect(chain.blocksAfter([ZERO, chain.at(27)!.id, chain.genesisId], 2).map(({ block }) => blockId(block))).toEqual([
      chain.at(28)!.id,
      chain.at(29)!.id,
    ])
    expect(chain.blocksAfter([], 3).map(({ block }) => blockId(block))).toEqual([1, 2, 3].map((height) => chain.at(height)!.id))
    expect(chain.blocksAfter([chain.tip().id], 3)).toEqual([])
    expect(() => chain.view(ZERO)).toThrow(RangeError)
    expect(chain.block(chain.genesisId)).toBeUndefined()
  })
})

describe('reorganisation', () => {
  /** A branch from a height of the story: faster blocks, so more work, and no task moves but by its windows. */
  function sideOf(ledger: Ledger, height: number, length: number): { readonly side: Ledger; readonly blocks: readonly CertifiedBlock[] } {
    const side = createLedger({}, ledger.chain.blocksAfter([], height))
    const blocks = Array.from({ length }, (_, index) =>
      side.mine([plainPayment(side, 'stranger', 'm1', BigInt(index + 1))], {
        timeS: Math.max(side.chain.medianTime(side.chain.tip().id), side.chain.tip().header.time) + 1,
        miner: 'm2',
      }),
    )
    return { side, blocks }
  }

  test('to a heavier branch and back gives the states that were computed directly', () => {
    const ledger = ledgerAt('settled')
    const before = dump(ledger.view())
    const { side, blocks } = sideOf(ledger, 4, 6)
    expect(side.chain.tip().chainWork).toBeGreaterThan(ledger.chain.tip().chainWork)
    const steps = blocks.map((certified) => ledger.chain.connect(certified))
    expect(steps.every(({ verdict }) => verdict.ok)).toBe(true)
    expect(steps.flatMap(({ disconnected }) => disconnected).length).toBe(7)
    expect(dump(ledger.view())).toEqual(dump(side.view()))
    expect(task(ledger).state).toBe('KEYED')

    // Meanwhile somebody goes on with the first branch, until it is the heavier one again.
    const first = ledgerAt('settled')
    while (first.chain.tip().chainWork <= side.chain.tip().chainWork) {
      first.mine([], { timeS: first.chain.tip().header.time + 1 })
      ledger.chain.connect(first.chain.block(first.chain.tip().id)!)
    }
    expect(ledger.chain.tip().id).toBe(first.chain.tip().id)
    expect(dump(ledger.view())).toEqual(dump(first.view()))
    expect(dump(ledger.chain.view(ledger.chain.at(11)!.id))).toEqual(before)
    expect(dump(ledger.chain.view(side.chain.tip().id))).toEqual(dump(side.view()))
  })

  test('the view of any block, behind the tip or beside it, is the state after that block', () => {
    const ledger = ledgerAt('committed')
    const { side, blocks } = sideOf(ledger, 7, 2)
    for (const certified of blocks) ledger.chain.connect(certified)
    for (const from of [ledger, side]) {
      const direct = createLedger()
      for (const certified of from.chain.blocksAfter([], 100)) {
        direct.chain.connect(certified)
        const { height } = direct.chain.tip()
        expect(dump(ledger.chain.view(from.chain.at(height)!.id)), `${height}`).toEqual(dump(direct.view()))
      }
    }
  })

  test('a side block that is not valid on its own parent is refused, though it would be on the tip', () => {
    const ledger = ledgerAt('joined')
    const fork = ledgerAt('tickets')
    const draft = fork.draft()
    const joining = join(ledgerAt('defined'), 's1')
    const block = grind(fork.chain, withTransactions(draft, [draft.transactions[0]!, joining]))
    expect(ledger.chain.connect({ block, certificate: [] }).verdict).toMatchObject({ code: 'task-or-ticket-unknown', check: 3 })
    expect(ledger.chain.entry(blockId(block))).toBeUndefined()
  })

  test('a block that was refused once may come again on the branch where it is valid', () => {
    const ledger = ledgerAt('tickets')
    const ahead = ledgerAt('keyed')
    const [third, fourth] = ahead.chain.blocksAfter([ledger.chain.tip().id], 2)
    expect(ledger.chain.connect(fourth!).verdict).toMatchObject({ code: 'parent-unknown', action: 'drop' })
    expect(ledger.chain.connect(third!).verdict.ok).toBe(true)
    expect(ledger.chain.connect(fourth!).verdict.ok).toBe(true)
  })
})
