import { coreHash, encodeMap, type IterationResult, type Message, modelParams, type Verdict } from '@pouw/primitives'
import { openMap } from '@pouw/training'
import { describe, expect, test } from 'vitest'
import { DOCUMENT, group, id, MINERS, NETWORK, plan, SUPERVISORS, TASK, type Worker } from '../../test/group.ts'
import { A, assignmentMessage, B, C, CUT, copyLog, leaderOf, MINED, readyMessage, record, seal, TRAINING } from '../../test/history.ts'
import { openMessage, sealMessage } from '../envelope.ts'
import { decodeHashes, encodeHashes } from '../framing.ts'
import { admitMessage, admitResult, lastTrainingSlot, type Tips, tipOf, trainingComplete } from './admission.ts'
import { createTaskLog, peerHash, type TaskLog, ZERO_HASH } from './log.ts'

const { log, result } = TRAINING
const people = group()
const shared = plan()
const OTHER = id('something else')

const admit = (change: Partial<IterationResult>, at: TaskLog = log, tips: Tips = new Map(), members = people): Verdict =>
  admitResult(members, shared, at, tips, { ...result, ...change })
const refused = (code: string, action: string, check?: number) => ({ ok: false, code, action, ...(check !== undefined && { check }) })

describe('results', () => {
  test('the honest next one is admitted', () => {
    expect(admit({})).toEqual({ ok: true })
  })

  test('only from miners of the task', () => {
    expect(admit({ ticketId: SUPERVISORS[0]!.ticketId })).toEqual(refused('not-an-active-miner', 'reject', 6))
    expect(admit({ ticketId: OTHER })).toEqual(refused('not-an-active-miner', 'reject', 6))
  })

  test('one after the other: used up for ever, or too early for now', () => {
    for (const sequence of [0, 1, MINED - 1]) expect(admit({ sequence })).toEqual(refused('sequence-used', 'reject'))
    for (const sequence of [MINED + 1, 1000]) expect(admit({ sequence })).toEqual(refused('sequence-gap', 'drop'))
  })

  test('after the last due iteration comes none', () => {
    const { iterations } = shared.schedule(A.ticketId)!
    const after = (sequence: number): Tips => new Map([[A.ticketId, { sequence, core: ZERO_HASH, message: { ...result, sequence } }]])
    expect(admit({ sequence: iterations + 1 }, log, after(iterations))).toEqual(refused('sequence-not-due', 'reject'))
    // The last one itself only waits for those before it.
    expect(admit({ sequence: iterations }, log, after(iterations - 1))).toEqual(refused('staleness-bound', 'drop'))
  })

  test('the chain of own messages and states goes on', () => {
    expect(admit({ previousHash: OTHER })).toEqual(refused('previous-hash', 'reject'))
    expect(admit({ previousHash: ZERO_HASH })).toEqual(refused('previous-hash', 'reject'))
    expect(admit({ startModelHash: OTHER })).toEqual(refused('start-model', 'reject', 13))
    expect(admit({ startResidualHash: OTHER })).toEqual(refused('start-residual', 'reject', 13))
  })

  test('the first message starts from the initial state', () => {
    const start = copyLog(log, 0)
    const first = log.result(A.ticketId, 1)!.message
    expect(admit(first, start)).toEqual({ ok: true })
    expect(admit({ ...first, previousHash: OTHER }, start)).toEqual(refused('previous-hash', 'reject'))
    expect(admit({ ...first, startModelHash: shared.initialModelHash(B.ticketId) }, start)).toEqual(refused('start-model', 'reject', 13))
    expect(admit({ ...first, startResidualHash: shared.initialResidualHash(B.ticketId) }, start)).toEqual(
      refused('start-residual', 'reject', 13),
    )
    expect(admit({ ...first, sequence: 2 }, start)).toEqual(refused('sequence-gap', 'drop'))
  })

  test('the batch that is due', () => {
    expect(admit({ epoch: 1 })).toEqual(refused('batch-not-due', 'reject', 11))
    expect(admit({ batchIndex: (result.batchIndex + 1) % 42 })).toEqual(refused('batch-not-due', 'reject', 11))
    expect(admit({ batchHash: shared.batchHashes[(result.batchIndex + 1) % 42]! })).toEqual(refused('batch-not-due', 'reject', 11))
    const before = log.result(A.ticketId, MINED - 1)!.message
    const { epoch, batchIndex, batchHash } = before
    expect(admit({ epoch, batchIndex, batchHash })).toEqual(refused('batch-not-due', 'reject', 11))
  })

  test('the rate and the tau of the document', () => {
    expect(admit({ rate: Math.fround(0.2) })).toEqual(refused('schedule', 'reject'))
    expect(admit({ tau: Math.fround(0.2) })).toEqual(refused('schedule', 'reject'))
  })

  test('no coordinate beyond the model: nobody could apply such a map', () => {
    const params = modelParams(DOCUMENT)
    expect(admit({ map: encodeMap(Uint32Array.of(params - 1)) })).toEqual({ ok: true })
    expect(admit({ map: encodeMap(Uint32Array.of(0x80000000 + params)) })).toEqual(refused('map-out-of-range', 'reject'))
    expect(openMap(encodeMap(Uint32Array.of(params)), params)).toBeUndefined()
    expect(admit({ map: new Uint8Array(0) })).toEqual({ ok: true })
  })

  test('a cut that is final, canonical, and names exactly its peers', () => {
    expect(admit({ peerCut: CUT + 1 })).toEqual(refused('cut-not-final', 'drop', 12))
    expect(admit({ peerCut: 3 })).toEqual(refused('cut-not-canonical', 'reject', 12))
    expect(admit({ peerCut: 0 })).toEqual(refused('cut-not-canonical', 'reject', 12))
    const peers = log.peers(A.ticketId, 4, CUT)
    expect(admit({ peerHash: peerHash(peers.slice(1)) })).toEqual(refused('peer-hash', 'reject', 12))
    expect(admit({ peerHash: peerHash([...peers].reverse()) })).toEqual(refused('peer-hash', 'reject', 12))
    expect(admit({ peerHash: peerHash(log.peers(B.ticketId, 4, CUT)) })).toEqual(refused('peer-hash', 'reject', 12))
    // An earlier cut is as good, with the peers up to there; so is none at all.
    expect(admit({ peerCut: 5 })).toEqual(refused('peer-hash', 'reject', 12))
    expect(admit({ peerCut: 5, peerHash: peerHash(log.peers(A.ticketId, 4, 5)) })).toEqual({ ok: true })
    expect(admit({ peerCut: 4, peerHash: peerHash([]) })).toEqual({ ok: true })
  })

  test('a slot whose maps cancel is no cut', () => {
    const words = (word: number) => encodeMap(Uint32Array.of(word))
    const cancelled = copyLog(log)
    record(cancelled, [
      seal({ ...result, ticketId: B.ticketId, sequence: 7, map: words(5) }),
      seal({ ...result, ticketId: C.ticketId, sequence: 7, map: words(0x80000005) }),
    ])
    const peers = peerHash(cancelled.peers(A.ticketId, 4, CUT + 1))
    expect(admit({ peerCut: CUT + 1, peerHash: peers }, cancelled)).toEqual(refused('cut-not-canonical', 'reject', 12))
  })
})

describe('bounded staleness (A22)', () => {
  const S = (staleness: number) => ({ ...people, document: { ...DOCUMENT, ml: { ...DOCUMENT.ml, staleness } } })
  /** The slot under construction holds A's messages `from`.. already; slots up to `last` are final. */
  function pending(last: number): { at: TaskLog; tips: Tips } {
    const before = log.result(A.ticketId, MINED - 1)!
    return {
      at: copyLog(log, last),
      tips: new Map([[A.ticketId, { sequence: MINED - 1, core: before.core, message: before.message }]]),
    }
  }
  const own = { peerCut: 4, peerHash: peerHash([]) }

  test('iteration n needs iteration n - S in an earlier, final slot', () => {
    // IT_RES 5 waits in the slot under construction, 4 is final in slot 4.
    const { at, tips } = pending(4)
    expect(tipOf(at, tips, A.ticketId)?.sequence).toBe(5)
    expect(admit(own, at, tips, S(1))).toEqual(refused('staleness-bound', 'drop'))
    expect(admit(own, at, tips, S(2))).toEqual({ ok: true })
  })

  test('a bound of S lets S messages of one miner into one slot, not S + 1', () => {
    for (const last of [4, 3, 2]) {
      const { at, tips } = pending(last)
      for (const staleness of [1, 2, 3, 4]) {
        const verdict = admit({ ...own, peerCut: 4 }, at, tips, S(staleness))
        if (MINED - staleness > last) expect(verdict).toEqual(refused('staleness-bound', 'drop'))
        else expect(verdict).not.toEqual(refused('staleness-bound', 'drop'))
      }
    }
  })

  test('the first S messages need nothing', () => {
    const first = log.result(A.ticketId, 1)!
    const second = { ...log.result(A.ticketId, 2)!.message, peerCut: 0, peerHash: peerHash([]) }
    const start = copyLog(log, 0)
    const tips: Tips = new Map([[A.ticketId, { sequence: 1, core: first.core, message: first.message }]])
    expect(admit(second, start, tips, S(1))).toEqual(refused('staleness-bound', 'drop'))
    expect(admit(second, start, tips, S(2))).toEqual({ ok: true })
  })

  test('the tip is what the slot under construction holds, else what is final', () => {
    expect(tipOf(log, new Map(), A.ticketId)).toMatchObject({ sequence: 5, core: coreHash(log.latest(A.ticketId)!.message) })
    expect(tipOf(createTaskLog(TASK), new Map(), A.ticketId)).toBeUndefined()
  })
})

describe('other messages', () => {
  const leader = leaderOf(people)
  const empty = createTaskLog(TASK)
  const { table } = TRAINING
  const open = (bytes: Uint8Array) => openMessage(bytes) as Message
  const admitOther = (message: Message, slot: number, at: TaskLog = empty, over = false) =>
    admitMessage(people, shared, at, slot, message, leader.ticketId, over)
  const assignment = open(assignmentMessage(table, shared, leader)) as Message & { kind: 'ASSIGNMENT' }
  const ready = (miner: Worker, hash: string) => open(readyMessage(miner, hash))

  test('the ASSIGNMENT is that of the leader, in slot 0, and says what everybody computes', () => {
    expect(admitOther(assignment, 0)).toEqual({ ok: true })
    const wrong = refused('assignment', 'reject')
    expect(admitOther(assignment, 1)).toEqual(wrong)
    const follower = SUPERVISORS.find((supervisor) => supervisor !== leader)!
    expect(admitOther(open(assignmentMessage(table, shared, follower)), 0)).toEqual(wrong)
    expect(admitOther({ ...assignment, batchRoot: OTHER }, 0)).toEqual(wrong)
    expect(admitOther({ ...assignment, batches: assignment.batches - 1 }, 0)).toEqual(wrong)
  })

  // Verifiers take the batch table from this hash alone; a leader who names another table would decide what a due batch is.
  test('an ASSIGNMENT that names another table is refused', () => {
    const forged = encodeHashes([...decodeHashes(table)!].reverse())
    expect(admitOther(open(assignmentMessage(forged, shared, leader)), 0)).toEqual(refused('assignment', 'reject'))
  })

  test('READY is for slot 0 and from the initial model', () => {
    for (const miner of MINERS) expect(admitOther(ready(miner, shared.initialModelHash(miner.ticketId)), 0)).toEqual({ ok: true })
    expect(admitOther(ready(A, shared.initialModelHash(A.ticketId)), 1)).toEqual(refused('ready', 'reject'))
    expect(admitOther(ready(A, shared.initialModelHash(B.ticketId)), 0)).toEqual(refused('ready', 'reject'))
  })

  // Anybody can compute the hash for his own ticket, and slot 0 closes when as many are ready as there are miners.
  test('READY of somebody who is no miner of the task is refused', () => {
    const stranger = SUPERVISORS[0]!
    expect(admitOther(ready(stranger, shared.initialModelHash(stranger.ticketId)), 0)).toEqual(refused('ready', 'reject'))
  })

  const final = (sender: Worker, lastSequence: number) => {
    const message = { kind: 'FINAL_MODEL', taskId: TASK, sender: sender.ticketId, sequence: 1, modelHash: OTHER, lastSequence } as const
    return sealMessage(NETWORK, message, sender)
  }

  test('FINAL_MODEL comes once, from a miner, after its last message, when training is over', () => {
    expect(admitOther(open(final(A, 5)), 7, log, true)).toEqual({ ok: true })
    expect(admitOther(open(final(A, 5)), 7, log, false)).toEqual(refused('training-not-over', 'drop'))
    expect(admitOther(open(final(A, 0)), 0, empty, true)).toEqual(refused('training-not-over', 'drop'))
    expect(admitOther(open(final(A, 4)), 7, log, true)).toEqual(refused('final-model', 'reject'))
    expect(admitOther(open(final(A, 6)), 7, log, true)).toEqual(refused('final-model', 'reject'))
    expect(admitOther(open(final(SUPERVISORS[0]!, 0)), 7, log, true)).toEqual(refused('final-model', 'reject'))
    const after = copyLog(log)
    record(after, [final(A, 5)])
    expect(admitOther(open(final(A, 5)), 8, after, true)).toEqual(refused('final-model-twice', 'reject'))
    expect(admitOther(open(final(B, 6)), 8, after, true)).toEqual({ ok: true })
  })

  test('nothing else belongs in a history', () => {
    const hello = sealMessage(NETWORK, { kind: 'HELLO', taskId: TASK, sender: A.ticketId, sequence: 1, peerId: 'a', addresses: [] }, A)
    expect(admitOther(open(hello), 0)).toEqual(refused('not-a-history-message', 'reject'))
  })
})

test('training is complete when every miner has recorded its last iteration', () => {
  const all = copyLog(log)
  const six = { ...shared, schedule: () => ({ iterations: 6, ownBatches: [], at: shared.schedule(A.ticketId)!.at }) }
  expect(trainingComplete(people, six, all)).toBe(false)
  expect(lastTrainingSlot(people, all)).toBe(6)
  record(all, [seal(result)])
  expect(trainingComplete(people, six, all)).toBe(true)
  expect(trainingComplete(people, shared, all)).toBe(false)
  expect(lastTrainingSlot(people, all)).toBe(7)
  expect(lastTrainingSlot(people, createTaskLog(TASK))).toBe(0)
})
