import { bytesToHex, hexToBytes, sha256 } from '@pouw/crypto'
import { encodeMap, type IterationResult, type Message, messageId, type SlotHeader, slotHeaderHash } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { id, MINERS, SUPERVISORS, TASK } from '../../test/group.ts'
import { A, B, C, CUT, copyLog, nextSlot, readyMessage, record, START_MS, seal, TRAINING } from '../../test/history.ts'
import { inHistory, inSlot } from '../verification/evidence.ts'
import { compareLogged, createTaskLog, cutIsCanonical, type FinalSlot, mapsCancel, openSlot, peerHash, slotRoot, ZERO_HASH } from './log.ts'

const { log } = TRAINING
const UP = 0x80000000
const map = (...words: number[]) => encodeMap(Uint32Array.from(words))

describe('append', () => {
  const fresh = () => copyLog(log, 5)
  const six = log.slot(6)!

  /** Slot 6 with a changed header, consistent again in everything else. */
  function changed(change: Partial<SlotHeader>, messages = six.messages): FinalSlot {
    const header = { ...six.header, ...change }
    return { ...six, header, messages, historyRoot: fresh().rootWith(header) }
  }

  function expectRefused(slot: FinalSlot): void {
    const before = fresh()
    expect(before.append(slot)).toBe(false)
    // Nothing changed: the right slot still fits.
    expect(before.lastSlot).toBe(5)
    expect(before.append(six)).toBe(true)
    expect(before.rootAt(6)).toBe(log.rootAt(6))
  }

  test('the slot that follows', () => {
    const target = fresh()
    expect(target.append(changed({}))).toBe(true)
    expect(target.lastSlot).toBe(6)
    expect(target.append(changed({ timeMs: six.header.timeMs }))).toBe(false)
  })

  test('no gaps, no repetition', () => {
    expectRefused(changed({ slot: 7 }))
    expectRefused(changed({ slot: 5 }))
    expectRefused(log.slot(5)!)
    expect(createTaskLog(TASK).append(log.slot(1)!)).toBe(false)
  })

  test('the first slot starts from nothing', () => {
    const { header, messages, certificate } = log.slot(0)!
    expect(header.previous).toBe(ZERO_HASH)
    const wrong = { ...header, previous: id('something') }
    const target = createTaskLog(TASK)
    expect(target.append({ header: wrong, messages, certificate, historyRoot: target.rootWith(wrong) })).toBe(false)
    expect(target.append(log.slot(0)!)).toBe(true)
  })

  test('the header names the one before', () => {
    expectRefused(changed({ previous: log.headerHash(4) }))
    expectRefused(changed({ previous: ZERO_HASH }))
  })

  test('time rises', () => {
    expectRefused(changed({ timeMs: log.slot(5)!.header.timeMs }))
    expectRefused(changed({ timeMs: START_MS }))
    expect(fresh().append(changed({ timeMs: log.slot(5)!.header.timeMs + 1 }))).toBe(true)
  })

  test('another task', () => {
    expectRefused(changed({ taskId: id('other task') }))
    const elsewhere = createTaskLog(id('other task'))
    expect(elsewhere.append(log.slot(0)!)).toBe(false)
  })

  test('the root is that of the messages, the history root that of the headers', () => {
    expectRefused(changed({ root: id('other root') }))
    expectRefused(changed({}, six.messages.slice(1)))
    expectRefused(changed({}, [...six.messages, log.slot(5)!.messages[0]!]))
    expectRefused({ ...six, historyRoot: log.rootAt(5) })
  })

  test('no message twice', () => {
    const again = [...six.messages, log.slot(3)!.messages[0]!]
    const wrong = nextSlot(fresh(), again)
    expectRefused(wrong)
    // The same bytes in a history that does not hold them yet are fine.
    expect(openSlot(wrong, 6)?.length).toBe(3)
  })

  test('one order', () => {
    const [first, second] = six.messages
    const reversed = [second!, first!]
    expectRefused(changed({ root: slotRoot(reversed.map(messageId)) }, reversed))
    const twice = [first!, first!]
    expectRefused(changed({ root: slotRoot(twice.map(messageId)) }, twice))
  })

  test('only messages of this task that can be read', () => {
    for (const bytes of [new Uint8Array(100), new Uint8Array(0), seal({ ...TRAINING.result, taskId: id('other task') })]) {
      const messages = [...six.messages.slice(0, 1), bytes]
      const root = bytes.length < 64 ? six.header.root : slotRoot(messages.map(messageId))
      expectRefused(changed({ root }, messages))
    }
  })
})

describe('order inside a slot', () => {
  const result = (ticketId: string, sequence: number) => ({ ticketId, sequence }) as IterationResult
  const other = (sender: string, sequence: number) => ({ kind: 'READY', sender, sequence }) as Message

  test('by ticket, results before other messages, then by sequence', () => {
    const ordered = [result('aa', 1), result('aa', 2), other('aa', 1), other('aa', 5), result('bb', 1), other('bb', 1)]
    fc.assert(
      fc.property(fc.shuffledSubarray(ordered, { minLength: ordered.length }), (shuffled) => {
        expect([...shuffled].sort(compareLogged)).toEqual(ordered)
      }),
    )
  })
})

describe('questions', () => {
  test('what is recorded, and where', () => {
    expect(log.lastSlot).toBe(6)
    expect(log.headerHash(-1)).toBe(ZERO_HASH)
    expect(log.headerHash(3)).toBe(slotHeaderHash(log.slot(3)!.header))
    expect(log.latest(A.ticketId)?.message.sequence).toBe(5)
    expect(log.latest(B.ticketId)?.message.sequence).toBe(6)
    expect(log.latest(SUPERVISORS[0]!.ticketId)).toBeUndefined()
    expect(log.result(A.ticketId, 4)?.slot).toBe(4)
    for (const missing of [0, 6, -1]) expect(log.result(A.ticketId, missing)).toBeUndefined()
    const { id: messageOfA } = log.result(A.ticketId, 1)!
    expect(log.has(messageOfA)).toBe(true)
    expect(log.has(id('nothing'))).toBe(false)
    expect(log.find('READY').map((logged) => logged.message.sender)).toEqual(MINERS.map((miner) => miner.ticketId).sort())
    expect(log.find('ASSIGNMENT').length).toBe(1)
    expect(log.find('FINAL_MODEL')).toEqual([])
    expect(log.logged(99)).toEqual([])
  })

  test("peers: everybody else's results after one slot up to another, in slot order", () => {
    const places = (self: string, from: number, to: number) =>
      log.peers(self, from, to).map(({ message, slot }) => `${slot}:${MINERS.findIndex((miner) => miner.ticketId === message.ticketId)}`)
    const inSlotOrder = (slot: number, ...miners: number[]) =>
      miners.sort((a, b) => (MINERS[a]!.ticketId < MINERS[b]!.ticketId ? -1 : 1)).map((miner) => `${slot}:${miner}`)
    expect(places(A.ticketId, 4, 6)).toEqual([...inSlotOrder(5, 1, 2), ...inSlotOrder(6, 1, 2)])
    expect(places(B.ticketId, 4, 6)).toEqual([...inSlotOrder(5, 0, 2), '6:2'])
    expect(places(A.ticketId, 0, 0)).toEqual([])
    expect(places(A.ticketId, 6, 6)).toEqual([])
    // Slot 0 holds no results.
    expect(places(A.ticketId, -1, 0)).toEqual([])
  })

  test('the peer hash is over the core hashes in that order', () => {
    const peers = log.peers(A.ticketId, 4, 6)
    expect(peerHash(peers)).toBe(bytesToHex(sha256(...peers.map((peer) => hexToBytes(peer.core)))))
    expect(peerHash([...peers].reverse())).not.toBe(peerHash(peers))
    expect(peerHash([])).toBe(bytesToHex(sha256()))
  })
})

describe('proofs', () => {
  test('every message has its path in its slot, and only it', () => {
    for (let slot = 0; slot <= log.lastSlot; slot++) {
      for (const logged of log.logged(slot)) {
        const path = log.slotPath(logged)
        expect(inSlot(logged.bytes, path)).toBe(true)
        for (const other of log.logged(slot)) expect(inSlot(other.bytes, path)).toBe(other === logged)
        expect(inSlot(logged.bytes, { ...path, index: (path.index + 1) % path.size })).toBe(false)
        expect(inSlot(logged.bytes, { ...path, path: path.path.slice(1) })).toBe(false)
      }
    }
  })

  test('every slot has its path under every later root, and under no other', () => {
    for (let cut = 0; cut <= log.lastSlot; cut++) {
      for (let slot = 0; slot <= cut; slot++) {
        const { header } = log.slot(slot)!
        const path = log.historyPath(slot, cut)
        for (let at = 0; at <= log.lastSlot; at++) expect(inHistory(header, path, log.rootAt(at))).toBe(at === cut)
        expect(inHistory({ ...header, timeMs: header.timeMs + 1 }, path, log.rootAt(cut))).toBe(false)
        if (cut > 0) expect(inHistory(log.slot((slot + 1) % (cut + 1))!.header, path, log.rootAt(cut))).toBe(false)
      }
    }
  })

  test('the root with a header that comes next is the root after it came', () => {
    const growing = createTaskLog(TASK)
    for (let slot = 0; slot <= log.lastSlot; slot++) {
      const expected = growing.rootWith(log.slot(slot)!.header)
      growing.append(log.slot(slot)!)
      expect(growing.rootAt(slot)).toBe(expected)
      expect(log.rootAt(slot)).toBe(expected)
    }
  })
})

describe('cancelling maps', () => {
  test('nothing cancels, one map does not, a map and its opposite do', () => {
    expect(mapsCancel([])).toBe(true)
    expect(mapsCancel([map(), map()])).toBe(true)
    expect(mapsCancel([map(3)])).toBe(false)
    expect(mapsCancel([map(3), map(UP + 3)])).toBe(true)
    expect(mapsCancel([map(3), map(UP + 4)])).toBe(false)
    expect(mapsCancel([map(3), map(UP + 3), map(UP + 3)])).toBe(false)
    expect(mapsCancel([map(3, 9), map(), map(UP + 3), map(UP + 9)])).toBe(true)
  })

  test('as a plain sum over coordinates says', () => {
    const steps = fc.dictionary(fc.constantFrom('0', '1', '2'), fc.constantFrom(1, -1), { maxKeys: 3 })
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 4 }), (workers) => {
        const maps = workers.map((moves) =>
          map(
            ...Object.keys(moves)
              .sort()
              .map((at) => (moves[at] === 1 ? UP : 0) + Number(at)),
          ),
        )
        const total = ['0', '1', '2'].map((at) => workers.reduce((sum, moves) => sum + (moves[at] ?? 0), 0))
        expect(mapsCancel(maps)).toBe(total.every((sum) => sum === 0))
      }),
    )
  })
})

describe('canonical cuts', () => {
  test('the previous cut again, or a later slot in which peers moved something', () => {
    expect(cutIsCanonical(log, A.ticketId, 4, 4)).toBe(true)
    expect(cutIsCanonical(log, A.ticketId, 4, 5)).toBe(true)
    expect(cutIsCanonical(log, A.ticketId, 4, CUT)).toBe(true)
  })

  test('never backwards, never beyond what is final', () => {
    expect(cutIsCanonical(log, A.ticketId, 4, 3)).toBe(false)
    expect(cutIsCanonical(log, A.ticketId, 4, 7)).toBe(false)
  })

  test('a slot without results of peers, or whose maps cancel, cannot be a cut', () => {
    const at = (name: typeof A, sequence: number, words: number[]) =>
      seal({ ...TRAINING.result, ticketId: name.ticketId, sequence, map: map(...words) })
    const cuts = copyLog(log)
    record(cuts, [at(A, 6, [1])])
    record(cuts, [at(B, 7, [5]), at(C, 7, [UP + 5])])
    record(cuts, [at(B, 8, [5]), at(C, 8, [6])])
    record(cuts, [at(B, 9, []), at(C, 9, [])])
    record(cuts, [readyMessage(B, id('model'))])
    expect(cutIsCanonical(cuts, A.ticketId, CUT, 7)).toBe(false)
    // For somebody else it is.
    expect(cutIsCanonical(cuts, B.ticketId, CUT, 7)).toBe(true)
    expect(cutIsCanonical(cuts, A.ticketId, CUT, 8)).toBe(false)
    // Only one's own slot decides, so the cancelled ones are passed over, not lost.
    expect(cutIsCanonical(cuts, A.ticketId, CUT, 9)).toBe(true)
    expect(cutIsCanonical(cuts, A.ticketId, CUT, 10)).toBe(false)
    expect(cutIsCanonical(cuts, A.ticketId, CUT, 11)).toBe(false)
  })
})
