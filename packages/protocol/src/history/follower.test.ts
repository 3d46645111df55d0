import { hexToBytes, u32le } from '@pouw/crypto'
import { messageId } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import { group, id, SUPERVISORS, TASK } from '../../test/group.ts'
import { A, certify, copyLog, leaderOf, readyMessage, TRAINING } from '../../test/history.ts'
import { newContext, START_MS } from '../../test/node.ts'
import { decodeSlots, encodeSlots } from '../framing.ts'
import type { Effect } from '../ports.ts'
import { createFollower, serveSlots, slotKey } from './follower.ts'
import { createTaskLog, type FinalSlot, slotRoot } from './log.ts'

const { log } = TRAINING
const SLOTS = Array.from({ length: log.lastSlot + 1 }, (_, s) => log.slot(s)!)
const peerOf = (holder: string) => `peer of ${holder.slice(0, 8)}`
const PEERS = SUPERVISORS.map((supervisor) => peerOf(supervisor.ticketId))

type Request = Effect & { kind: 'request' }

function newFollower(keep = false) {
  const parts = newContext()
  const context = { ...parts.context, peerOf }
  const state = { active: true }
  const appended: number[] = []
  const follower = createFollower(context, group(), { keep, onSlot: (slot) => appended.push(slot), active: () => state.active })
  const effects = () => parts.drain()
  const requests = () => effects().filter((effect): effect is Request => effect.kind === 'request')
  effects()
  return { follower, context, parts, state, appended, effects, requests }
}

/** What a peer is asked for: the slots of this task from `from` on. */
const asks = (from: number) => Uint8Array.of(...hexToBytes(TASK), ...u32le(from))
const blamed = (effects: readonly Effect[]) => effects.flatMap((effect) => (effect.kind === 'penalise' ? [effect.reason] : []))

describe('receive', () => {
  test('slots in order are appended, each once', () => {
    const { follower, appended, effects } = newFollower()
    for (const slot of SLOTS) expect(follower.receive(slot)).toBe(true)
    for (const slot of SLOTS) expect(follower.receive(slot)).toBe(true)
    expect(appended).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(follower.log.rootAt(6)).toBe(log.rootAt(6))
    expect(effects()).toEqual([])
  })

  test('who keeps the history makes each slot durable before anything follows from it', () => {
    const { follower, effects } = newFollower(true)
    follower.receive(SLOTS[0]!)
    const [kept, ...rest] = effects()
    expect(rest).toEqual([])
    expect(kept).toEqual({ kind: 'persist', key: slotKey(TASK, 0), value: encodeSlots([SLOTS[0]!]) })
    expect(slotKey(TASK, 99) < slotKey(TASK, 100)).toBe(true)
  })

  test('a slot from the future waits, and what is missing is asked for', () => {
    const { follower, appended, requests } = newFollower()
    expect(follower.receive(SLOTS[2]!)).toBe(true)
    expect(follower.receive(SLOTS[3]!)).toBe(true)
    expect(appended).toEqual([])
    const [request, ...more] = requests()
    expect(request).toMatchObject({ service: 'slots', payload: asks(0) })
    expect(more).toEqual([])
    expect(follower.receive(SLOTS[0]!)).toBe(true)
    expect(follower.receive(SLOTS[1]!)).toBe(true)
    expect(appended).toEqual([0, 1, 2, 3])
  })

  test('what t supervisors did not sign is a lie, now and in the future', () => {
    const { follower, appended, requests } = newFollower()
    for (const slot of [SLOTS[0]!, SLOTS[3]!]) {
      const few = certify(slot.header, slot.historyRoot, [0, 2])
      expect(follower.receive({ ...slot, certificate: few })).toBe(false)
      expect(follower.receive({ ...slot, historyRoot: id('other') })).toBe(false)
      expect(follower.receive({ ...slot, header: { ...slot.header, timeMs: slot.header.timeMs + 1 } })).toBe(false)
    }
    const foreign = { ...SLOTS[0]!, header: { ...SLOTS[0]!.header, taskId: id('other task') } }
    expect(follower.receive(foreign)).toBe(false)
    expect(appended).toEqual([])
    expect(requests()).toEqual([])
    follower.receive(SLOTS[0]!)
    expect(follower.receive(foreign)).toBe(false)
  })

  test('messages that are not those of the certified root are refused', () => {
    const { follower, appended } = newFollower()
    expect(follower.receive({ ...SLOTS[0]!, messages: SLOTS[0]!.messages.slice(1) })).toBe(false)
    expect(follower.receive(SLOTS[0]!)).toBe(true)
    expect(appended).toEqual([0])
  })

  test('a kept slot that does not fit is dropped, and the right one still fits', () => {
    const { follower, appended } = newFollower()
    // Certified, but with messages exchanged: only appending notices.
    follower.receive({ ...SLOTS[1]!, messages: SLOTS[2]!.messages })
    expect(follower.receive(SLOTS[0]!)).toBe(true)
    expect(appended).toEqual([0])
    expect(follower.receive(SLOTS[1]!)).toBe(true)
    expect(appended).toEqual([0, 1])
  })
})

describe('catching up', () => {
  test('one question at a time, to one supervisor after the other', () => {
    const { follower, parts, requests } = newFollower()
    const asked: string[] = []
    for (let turn = 0; turn < 5; turn++) {
      follower.catchUp()
      follower.catchUp()
      const [request, ...more] = requests()
      expect(more).toEqual([])
      asked.push(request!.peer)
      parts.answered(request!.id, undefined)
    }
    expect(asked).toEqual([...PEERS, PEERS[0]])
  })

  test('nobody is asked if nobody is known, and nobody asks himself', () => {
    const { follower, context, requests } = newFollower()
    context.peer = PEERS[0]!
    follower.catchUp()
    expect(requests()[0]?.peer).toBe(PEERS[1])
    const lonely = newFollower()
    lonely.context.peerOf = () => undefined as never
    lonely.follower.catchUp()
    expect(lonely.requests()).toEqual([])
  })

  test('an answer is appended and followed by the next question until nothing new comes', () => {
    const { follower, parts, appended, requests } = newFollower()
    follower.catchUp()
    parts.answered(requests()[0]!.id, encodeSlots(SLOTS.slice(0, 4)))
    expect(appended).toEqual([0, 1, 2, 3])
    const [next] = requests()
    expect(next!.payload).toEqual(asks(4))
    parts.answered(next!.id, encodeSlots(SLOTS.slice(4)))
    expect(appended.length).toBe(7)
    parts.answered(requests()[0]!.id, encodeSlots([]))
    expect(requests()).toEqual([])
  })

  test('a single new slot is reason enough to ask again, old ones are not', () => {
    const { follower, parts, appended, requests } = newFollower()
    follower.catchUp()
    parts.answered(requests()[0]!.id, encodeSlots(SLOTS.slice(0, 1)))
    const [next] = requests()
    expect(next!.payload).toEqual(asks(1))
    parts.answered(next!.id, encodeSlots(SLOTS.slice(0, 1)))
    expect(requests()).toEqual([])
    expect(appended).toEqual([0])
  })

  test('who has no answer is not to blame', () => {
    const { follower, parts, effects, requests } = newFollower()
    follower.catchUp()
    parts.answered(requests()[0]!.id, undefined)
    expect(effects()).toEqual([])
  })

  test('who answers nonsense or a lie is to blame', () => {
    const { follower, parts, appended, effects, requests } = newFollower()
    follower.catchUp()
    parts.answered(requests()[0]!.id, new Uint8Array(9))
    expect(blamed(effects())).toEqual(['slots-malformed'])
    follower.catchUp()
    const lie: FinalSlot = { ...SLOTS[1]!, historyRoot: id('other') }
    parts.answered(requests()[0]!.id, encodeSlots([SLOTS[0]!, lie, SLOTS[2]!]))
    expect(blamed(effects())).toEqual(['slot-invalid'])
    expect(appended).toEqual([0])
  })

  test('a silent history is asked for, as long as somebody waits for it', () => {
    const { context, parts, state, effects } = newFollower()
    const wake = (atMs: number) => {
      context.nowMs = atMs
      parts.timer(`history:${TASK}`)
      return effects().map((effect) => effect.kind)
    }
    expect(wake(START_MS + 1500)).toEqual(['request', 'timer'])
    state.active = false
    expect(wake(START_MS + 3000)).toEqual([])
  })
})

describe('serving', () => {
  test('gives the slots from the one that was asked for', () => {
    for (const from of [0, 3, 6]) expect(decodeSlots(serveSlots(log, from))).toEqual(SLOTS.slice(from))
    for (const from of [7, 2 ** 32 - 1]) expect(decodeSlots(serveSlots(log, from))).toEqual([])
  })

  test('a page at a time', () => {
    const long = createTaskLog(TASK)
    const { certificate } = SLOTS[0]!
    for (let slot = 0; slot < 260; slot++) {
      const messages = [readyMessage(A, id(`model ${slot}`))]
      const root = slotRoot(messages.map(messageId))
      const header = { taskId: TASK, term: 0, slot, timeMs: 1 + slot, previous: long.headerHash(slot - 1), root }
      expect(long.append({ header, historyRoot: long.rootWith(header), certificate, messages })).toBe(true)
    }
    const first = decodeSlots(serveSlots(long, 0))!
    expect(first.length).toBe(256)
    expect(decodeSlots(serveSlots(long, first.length))!.map((slot) => slot.header.slot)).toEqual([256, 257, 258, 259])
  })

  test('what one serves another can follow', () => {
    const { follower } = newFollower()
    for (const slot of decodeSlots(serveSlots(copyLog(log), 0))!) expect(follower.receive(slot)).toBe(true)
    expect(follower.log.find('ASSIGNMENT')[0]?.message.sender).toBe(leaderOf(group()).ticketId)
  })
})
