import { bytesToHex, ed25519Sign } from '@pouw/crypto'
import {
  type Block,
  blockId,
  coreHash,
  decodeIterationResult,
  type FillerWork,
  type Header,
  type RecordedMessage,
  type SlotPath,
  type TaskWork,
  zeroNonceHash,
} from '@pouw/primitives'
import { fillerMessageHash, fillerSeed } from '@pouw/training'
import { describe, expect, test } from 'vitest'
import { id, ledger, MINERS, NETWORK, PARAMS, TASK, TICKETS, taskState, VIEW, worker } from '../../test/group.ts'
import { A, B, C, CUT, certify, K, MINED, START_MS, seal, TEMPLATE, TRAINING, train } from '../../test/history.ts'
import { BUDGET, FILLER_BUDGET, fillerBlock, signFiller, type TaskBlock, taskBlock, trainedWith } from '../../test/work.ts'
import { ZERO_HASH } from '../history/log.ts'
import { nonceAt, nonceZero } from '../mining/nonce.ts'
import { checkWork, commitmentDistance, fillerSigned, inHistory, inSlot, peersNeeded } from './evidence.ts'

const OTHER = id('something else')
const check = (block: Block, view = VIEW, params = PARAMS) => checkWork(block, view, params, NETWORK)
const refused = (number: number, code: string, action = 'reject') => ({ ok: false, code, action, check: number })

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice()
  changed[at]! ^= 1
  return changed
}

describe('filler work', () => {
  const block = fillerBlock()
  const { work, header } = block
  const HONEST = { ok: true, evidence: { kind: 'filler', work, seed: fillerSeed(zeroNonceHash(TEMPLATE), A.ticketId) } }

  /** Another claim, with the hash, the nonce and the signature that belong to it. */
  function claim(change: Partial<FillerWork>, inHeader: Partial<Header> = {}, miner = A): Block {
    const { signature: _, ...claimed } = { ...work, ...change }
    const { ticketId, iteration, endModelHash, endResidualHash, map } = claimed
    const consistent = {
      ...header,
      nonce: bytesToHex(nonceZero(endModelHash, map)),
      hashMsg: fillerMessageHash(ticketId, iteration, endModelHash, endResidualHash, map),
      ...inHeader,
    }
    return signFiller(consistent, claimed, miner)
  }

  test('passes, and the seed of the replay is that of the template', () => {
    expect(check(block)).toEqual(HONEST)
    expect(block.header.nonce).toBe(bytesToHex(nonceAt(nonceZero(work.endModelHash, work.map), FILLER_BUDGET - 1)))
  })

  test('4: no message history', () => {
    expect(check(claim({}, { hashMsgHist: OTHER }))).toEqual(refused(4, 'filler-history'))
  })

  test('5: an iteration of the run, with a map', () => {
    for (const iteration of [0, PARAMS.filler.iterations + 1, 2 ** 32 - 1])
      expect(check(claim({ iteration }))).toEqual(refused(5, 'filler-iteration'))
    expect(check(claim({ map: new Uint8Array(0) }))).toEqual(refused(5, 'filler-iteration'))
    // The bounds themselves pass the cheap checks; whether the claim is true is the replay's question.
    for (const iteration of [1, PARAMS.filler.iterations]) expect(check(claim({ iteration }))).toMatchObject({ ok: true })
  })

  test('5: HashMsg covers ticket, iteration, both hashes and the map', () => {
    const changes: Partial<FillerWork>[] = [
      { ticketId: B.ticketId },
      { iteration: 3 },
      { endModelHash: OTHER },
      { endResidualHash: OTHER },
      { map: work.map.slice(4) },
    ]
    for (const change of changes) expect(check(claim(change, { hashMsg: header.hashMsg }))).toEqual(refused(5, 'message-hash'))
    expect(check(claim({}, { hashMsg: OTHER }))).toEqual(refused(5, 'message-hash'))
  })

  test('6: a miner ticket that may work', () => {
    const as = (state: 'LIVE' | 'CANDIDATE' | 'BACKUP' | 'ACTIVE' | 'IMMATURE' | 'EXPIRED' | 'SPENT') => ledger([{ ...A.ticket, state }])
    for (const state of ['LIVE', 'CANDIDATE', 'BACKUP', 'ACTIVE'] as const) expect(check(block, as(state))).toEqual(HONEST)
    for (const state of ['IMMATURE', 'EXPIRED', 'SPENT'] as const) expect(check(block, as(state))).toEqual(refused(6, 'ticket-not-allowed'))
    expect(check(block, ledger([]))).toEqual(refused(6, 'ticket-not-allowed'))
    expect(check(block, ledger([{ ...A.ticket, role: 4 }]))).toEqual(refused(6, 'ticket-not-allowed'))
  })

  test('6: signed by that ticket, over this block', () => {
    const wrong = refused(6, 'signature')
    expect(check({ ...block, work: { ...work, signature: flip(work.signature, 40) } })).toEqual(wrong)
    expect(check(claim({}, {}, B))).toEqual(wrong)
    expect(check({ ...block, header: { ...header, time: header.time + 1 } })).toEqual(wrong)
    const bare = ed25519Sign(fillerSigned(blockId(block)).subarray(13), A.ticketSeed)
    expect(check({ ...block, work: { ...work, signature: bare } })).toEqual(wrong)
  })

  test('9: one of the few nonces of the iteration', () => {
    const zero = nonceZero(work.endModelHash, work.map)
    const at = (j: number) => check(claim({}, { nonce: bytesToHex(nonceAt(zero, j)) }))
    expect(at(0)).toMatchObject({ ok: true })
    expect(at(FILLER_BUDGET - 1)).toMatchObject({ ok: true })
    expect(at(FILLER_BUDGET)).toEqual(refused(9, 'nonce-out-of-range', 'slash'))
    expect(check(claim({}, { nonce: ZERO_HASH }))).toEqual(refused(9, 'nonce-out-of-range', 'slash'))
  })

  test('another template is another seed: its work cannot be carried over', () => {
    const elsewhere = check(claim({}, { hashMerkleRoot: id('other transactions') }))
    expect(elsewhere).toMatchObject({ ok: true })
    expect(elsewhere).not.toEqual(HONEST)
  })
})

describe('task work', () => {
  const honest = taskBlock()
  const { block } = honest
  const { log } = TRAINING

  const withWork = (change: Partial<TaskWork>, from: TaskBlock = honest): Block => ({
    ...from.block,
    work: { ...from.block.work, ...change },
  })
  const withHeader = (change: Partial<Header>): Block => ({ ...block, header: { ...block.header, ...change } })
  const inSlotOf = (change: Partial<SlotPath>): TaskWork['resultSlot'] => ({
    ...block.work.resultSlot,
    inSlot: { ...block.work.resultSlot.inSlot, ...change },
  })
  const recorded = (who: typeof A, sequence: number, cut = CUT): RecordedMessage => log.recorded(log.result(who.ticketId, sequence)!, cut)

  test('passes, and hands on what the replay needs', () => {
    const checked = check(block)
    expect(checked).toMatchObject({
      ok: true,
      evidence: {
        kind: 'task',
        result: { sequence: MINED, peerCut: CUT },
        previous: { sequence: MINED - 1, peerCut: 4 },
        resultTimeMs: START_MS + 7000,
      },
    })
    expect(checked.ok && checked.evidence.kind === 'task' && checked.evidence.group.taskId).toBe(TASK)
    expect(TRAINING.result.map.length).toBeGreaterThan(0)
  })

  test('k and the number of peers follow from the task', () => {
    expect([1, 2, 3, 4].map(commitmentDistance)).toEqual([5, 8, 12, 16])
    const of = (miners: number) => peersNeeded({ miners: Array(miners) } as never)
    expect([1, 3, 5, 6, 9, 80].map(of)).toEqual([1, 1, 1, 2, 3, 26])
  })

  describe('4: the history root is that of the declared cut', () => {
    test('in a task that trains', () => {
      const wrong = refused(4, 'task-not-training', 'drop')
      expect(check(block, ledger(TICKETS, []))).toEqual(wrong)
      for (const state of ['DEFINED', 'STAFFED', 'KEYED', 'EVALUATING', 'SETTLED', 'FAILED'] as const)
        expect(check(block, ledger(TICKETS, [taskState({ state })]))).toEqual(wrong)
      expect(check(block, ledger(TICKETS, [taskState({ miners: [] })]))).toEqual(wrong)
    })

    test('the slot that the message names', () => {
      const { header, certificate } = log.slot(5)!
      expect(check(withWork({ cut: { header, certificate } }))).toEqual(refused(4, 'cut-slot'))
      const foreign = { ...block.work.cut.header, taskId: OTHER }
      expect(check(withWork({ cut: { ...block.work.cut, header: foreign } }))).toEqual(refused(4, 'cut-slot'))
      expect(check(taskBlock({ result: { peerCut: 5 } }).block)).toEqual(refused(4, 'cut-slot'))
    })

    test('under a certificate of t supervisors', () => {
      const wrong = refused(4, 'history-root', 'drop')
      const { header } = block.work.cut
      expect(check(withHeader({ hashMsgHist: log.rootAt(5) }))).toEqual(wrong)
      const few = certify(header, log.rootAt(CUT), [0, 1])
      expect(check(withWork({ cut: { header, certificate: few } }))).toEqual(wrong)
      const { certificate } = log.slot(5)!
      expect(check(withWork({ cut: { header, certificate } }))).toEqual(wrong)
      expect(check(withWork({ cut: { ...block.work.cut, header: { ...header, timeMs: header.timeMs + 1 } } }))).toEqual(wrong)
    })
  })

  describe('5: the message is recorded and is what the header hashes', () => {
    test('messages that can be read', () => {
      const wrong = refused(5, 'message-malformed')
      for (const bytes of [new Uint8Array(0), block.work.result.subarray(1), block.work.result.subarray(0, -1)]) {
        expect(check(withWork({ result: bytes }))).toEqual(wrong)
        expect(check(withWork({ previous: bytes }))).toEqual(wrong)
      }
    })

    test('a path in a slot of this task', () => {
      const wrong = refused(5, 'message-path')
      expect(check(withWork({ resultSlot: inSlotOf({ index: 1, size: 2, path: [OTHER] }) }))).toEqual(wrong)
      expect(check(withWork({ resultSlot: inSlotOf({ header: log.slot(6)!.header }) }))).toEqual(wrong)
      expect(check(taskBlock({ resultSlot: { taskId: OTHER } }).block)).toEqual(wrong)
      expect(check(taskBlock({ resultSlot: { root: OTHER } }).block)).toEqual(wrong)
      // Another message of the same miner, and the same one with other free fields: neither is that leaf.
      expect(check(withWork({ result: seal({ ...TRAINING.result, finishedMs: TRAINING.result.finishedMs + 1 }) }))).toEqual(wrong)
    })

    test('that t supervisors signed', () => {
      const wrong = refused(5, 'slot-certificate')
      const { resultSlot } = block.work
      const few = certify(resultSlot.inSlot.header, resultSlot.historyRoot, [1, 3])
      expect(check(withWork({ resultSlot: { ...resultSlot, certificate: few } }))).toEqual(wrong)
      expect(check(withWork({ resultSlot: { ...resultSlot, historyRoot: OTHER } }))).toEqual(wrong)
      const header = { ...resultSlot.inSlot.header, timeMs: START_MS }
      expect(check(withWork({ resultSlot: inSlotOf({ header }) }))).toEqual(wrong)
    })

    test('HashMsg is its core hash', () => {
      expect(check(withHeader({ hashMsg: OTHER }))).toEqual(refused(5, 'message-hash'))
      const previous = decodeIterationResult(block.work.previous)!
      expect(check(withHeader({ hashMsg: coreHash(previous) }))).toEqual(refused(5, 'message-hash'))
    })
  })

  describe('6: the sender', () => {
    test('is an ACTIVE miner of the task', () => {
      const wrong = refused(6, 'ticket-not-active')
      const others = TICKETS.filter((ticket) => ticket !== A.ticket)
      for (const state of ['LIVE', 'CANDIDATE', 'BACKUP', 'SPENT'] as const)
        expect(check(block, ledger([...others, { ...A.ticket, state }], [taskState()]))).toEqual(wrong)
      const replaced = worker('miner d', 1, 'ACTIVE')
      const task = taskState({ miners: [replaced.ticketId, B.ticketId, C.ticketId] })
      expect(check(block, ledger([...TICKETS, replaced.ticket], [task]))).toEqual(wrong)
    })

    test('signed it', () => {
      // The signature is outside the message id, so the path still fits.
      const { result } = block.work
      expect(check(withWork({ result: flip(result, result.length - 1) }))).toEqual(refused(6, 'signature'))
      const byB = result.slice()
      byB.set(ed25519Sign(result.subarray(0, result.length - 64), B.ticketSeed), result.length - 64)
      expect(check(withWork({ result: byB }))).toEqual(refused(6, 'signature'))
      expect(checkWork(block, VIEW, PARAMS, '00000000')).toEqual(refused(6, 'signature'))
    })
  })

  describe('7: the template was committed k iterations before, and before the work it depends on', () => {
    test('by this miner, in a readable message', () => {
      const wrong = refused(7, 'commitment-malformed')
      const { commitment } = block.work
      expect(check(withWork({ commitment: { ...commitment, message: new Uint8Array(10) } }))).toEqual(wrong)
      expect(check(withWork({ commitment: recorded(B, 1) }))).toEqual(wrong)
      const elsewhere = seal({ ...log.result(A.ticketId, 1)!.message, taskId: OTHER })
      expect(check(withWork({ commitment: { ...commitment, message: elsewhere } }))).toEqual(wrong)
    })

    test('exactly k iterations before', () => {
      const wrong = refused(7, 'commitment-distance', 'slash')
      for (const distance of [K - 1, K - 2, 1]) expect(check(withWork({ commitment: recorded(A, MINED - distance) }))).toEqual(wrong)
    })

    test('to this very template', () => {
      const wrong = refused(7, 'commitment-hash', 'slash')
      const changes: Partial<Header>[] = [
        { version: 2 },
        { hashPrevBlock: OTHER },
        { hashMerkleRoot: OTHER },
        { time: TEMPLATE.time + 1 },
        { bits: 0x1f07fffe },
      ]
      for (const change of changes) expect(check(withHeader(change))).toEqual(wrong)
      // What the header hashes beyond the first 76 bytes is not committed, but found.
      expect(check(withHeader({ nonce: ZERO_HASH }))).toEqual(refused(9, 'nonce-out-of-range', 'slash'))
    })

    test('recorded under the cut', () => {
      const wrong = refused(7, 'commitment-not-in-cut')
      const { commitment } = block.work
      expect(check(withWork({ commitment: recorded(A, 1, 5) }))).toEqual(wrong)
      expect(check(withWork({ commitment: { ...commitment, inHistory: { ...commitment.inHistory, size: CUT } } }))).toEqual(wrong)
      expect(check(withWork({ commitment: { ...commitment, inSlot: recorded(A, 2).inSlot } }))).toEqual(wrong)
      const later = { ...commitment.inSlot.header, timeMs: START_MS + 900_000 }
      expect(check(withWork({ commitment: { ...commitment, inSlot: { ...commitment.inSlot, header: later } } }))).toEqual(wrong)
      // A commitment that was never recorded, however well it is made.
      const promise = seal({ ...log.result(A.ticketId, 1)!.message, startedMs: START_MS })
      expect(check(withWork({ commitment: { ...commitment, message: promise } }))).toEqual(wrong)
    })

    test('the message before is shown, and is the one before', () => {
      const wrong = refused(7, 'previous-message')
      for (const previous of [log.result(A.ticketId, 4)!.bytes, log.result(B.ticketId, 5)!.bytes, block.work.result])
        expect(check(withWork({ previous }))).toEqual(wrong)
      const rewritten = seal({ ...log.result(A.ticketId, 5)!.message, endModelHash: OTHER })
      expect(check(withWork({ previous: rewritten }))).toEqual(wrong)
      expect(check(taskBlock({ result: { previousHash: OTHER } }).block)).toEqual(wrong)
    })

    test('peers worked in between: others, of this task, in slots that this iteration applied', () => {
      const wrong = refused(7, 'peer-evidence')
      const peers = (...list: RecordedMessage[]) => check(withWork({ peers: list }))
      expect(peers({ ...recorded(B, 5), message: new Uint8Array(3) })).toEqual(wrong)
      expect(peers(recorded(A, 5))).toEqual(wrong)
      // Applied by an earlier iteration already.
      expect(peers(recorded(B, 4))).toEqual(wrong)
      // Not under this root.
      expect(peers(recorded(B, 5, 5))).toEqual(wrong)
      expect(peers({ ...recorded(B, 5), inSlot: recorded(B, 6).inSlot })).toEqual(wrong)
      // C had not seen the slot of the commitment; in its next message it has.
      expect(peers(recorded(C, 5))).toEqual(wrong)
      expect(peers(recorded(B, 5), recorded(C, 5))).toEqual(wrong)
      expect(peers(recorded(C, 6))).toMatchObject({ ok: true })
      expect(peers(recorded(B, 6))).toMatchObject({ ok: true })
      expect(peers(recorded(B, 5), recorded(B, 6))).toMatchObject({ ok: true })
    })

    test('peers are miners of the task', () => {
      const without = ledger(
        [...TICKETS, worker('miner d', 1, 'ACTIVE').ticket],
        [taskState({ miners: [A.ticketId, worker('miner d', 1, 'ACTIVE').ticketId, C.ticketId] })],
      )
      expect(check(block, without)).toEqual(refused(7, 'peer-evidence'))
    })

    test('enough of them, each counted once', () => {
      const young = refused(7, 'commitment-too-young', 'slash')
      expect(check(withWork({ peers: [] }))).toEqual(young)
      // Six miners: two different peers are needed.
      const more = ['d', 'e', 'f'].map((name) => worker(`miner ${name}`, 1, 'ACTIVE'))
      const six = ledger(
        [...TICKETS, ...more.map((miner) => miner.ticket)],
        [taskState({ miners: [...MINERS, ...more].map((miner) => miner.ticketId) })],
      )
      expect(check(block, six)).toEqual(young)
      expect(check(withWork({ peers: [recorded(B, 5), recorded(B, 6)] }), six)).toEqual(young)
    })

    test('an empty map has no tries', () => {
      expect(check(taskBlock({ result: { map: new Uint8Array(0) } }).block)).toEqual(refused(7, 'empty-map'))
    })

    test('recorded within L slots of its cut', () => {
      const last = CUT + PARAMS.maxLateSlots
      expect(check(taskBlock({ resultSlot: { slot: last } }).block)).toMatchObject({ ok: true })
      expect(check(taskBlock({ resultSlot: { slot: last + 1 } }).block)).toEqual(refused(7, 'recorded-too-late'))
    })

    test("the block's time is at most 30 s after the commitment's slot", () => {
      const slotSecond = START_MS / 1000 + 1
      for (const [time, expected] of [
        [slotSecond + PARAMS.maxAheadS, { ok: true }],
        [slotSecond + PARAMS.maxAheadS + 1, refused(7, 'time-after-commitment')],
      ] as const) {
        const template = { ...TEMPLATE, time }
        const training = trainedWith(train(template), template)
        expect(check(taskBlock({ training }).block)).toMatchObject(expected)
      }
    })
  })

  test('9: one of the few nonces of the iteration', () => {
    const zero = nonceZero(TRAINING.result.endModelHash, TRAINING.result.map)
    const at = (j: number) => check(withHeader({ nonce: bytesToHex(nonceAt(zero, j)) }))
    expect(BUDGET).toBe(3)
    for (let j = 0; j < BUDGET; j++) expect(at(j)).toMatchObject({ ok: true })
    expect(at(BUDGET)).toEqual(refused(9, 'nonce-out-of-range', 'slash'))
    // A map or model that was made up gives other nonces: the honest ones do not fit it.
    const forged = taskBlock({ result: { endModelHash: OTHER } })
    expect(check(forged.block)).toMatchObject({ ok: true })
    expect(check({ ...forged.block, header: { ...forged.block.header, nonce: block.header.nonce } })).toEqual(
      refused(9, 'nonce-out-of-range', 'slash'),
    )
  })
})

describe('every byte of the evidence counts', () => {
  const { block } = taskBlock()
  const { work } = block
  const evidence = [work.commitment, ...work.peers]

  test('in a recorded message, but for its signature', () => {
    for (const { message, inSlot: path } of evidence) {
      for (let at = 0; at < message.length - 64; at++) expect(inSlot(flip(message, at), path)).toBe(false)
    }
  })

  test('in the paths', () => {
    for (const { message, inSlot: path, inHistory: above } of evidence) {
      for (const [index, hash] of path.path.entries()) {
        const wrong = path.path.map((one, i) => (i === index ? OTHER : one))
        expect(hash).not.toBe(OTHER)
        expect(inSlot(message, { ...path, path: wrong })).toBe(false)
      }
      for (const index of above.path.keys()) {
        const wrong = above.path.map((one, i) => (i === index ? OTHER : one))
        expect(inHistory(path.header, { ...above, path: wrong }, block.header.hashMsgHist)).toBe(false)
      }
      expect(inHistory(path.header, above, block.header.hashMsgHist)).toBe(true)
    }
  })
})
