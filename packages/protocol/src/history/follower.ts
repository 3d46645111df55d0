/**
 * Keeps one node's copy of a task's history: checks each final slot, appends it in order, and asks for what is missing.
 * Supervisors and miners both follow; only supervisors write.
 */
import { hexToBytes, u32le } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'
import type { Context } from '../context.ts'
import { decodeSlots, encodeSlots } from '../framing.ts'
import type { Group } from '../group.ts'
import { certificateIsValid } from './certificate.ts'
import { createTaskLog, type FinalSlot, type TaskLog } from './log.ts'

export interface Follower {
  readonly log: TaskLog
  /** Takes a final slot from anybody; false = it was wrong (the sender lied), true = appended, known or kept for later. */
  receive(slot: FinalSlot): boolean
  /** Asks a supervisor for the slots after the last one. */
  catchUp(): void
}

const AHEAD_MAX = 64
const SLOTS_PER_ANSWER = 256
/** An answer's messages; the asker goes on from its last slot. */
const ANSWER_BYTES_MAX = 16 << 20
const QUIET_MS = 1500

/**
 * @param onSlot called after each append, in slot order
 */
export function createFollower(
  context: Context,
  group: Group,
  options: { readonly keep: boolean; readonly onSlot: (slot: number) => void; readonly active: () => boolean },
): Follower {
  const log = createTaskLog(group.taskId)
  const ahead = new Map<number, FinalSlot>()
  let asking = false
  let turn = 0
  let lastAppendMs = context.nowMs

  const follower: Follower = {
    log,
    receive(slot) {
      const next = log.lastSlot + 1
      if (slot.header.taskId !== group.taskId) return false
      if (slot.header.slot < next) return true
      if (!certificateIsValid(group, slot.header, slot.historyRoot, slot.certificate)) return false
      if (slot.header.slot > next) {
        if (ahead.size < AHEAD_MAX) ahead.set(slot.header.slot, slot)
        follower.catchUp()
        return true
      }
      if (!append(slot)) return false
      for (let following = ahead.get(log.lastSlot + 1); following; following = ahead.get(log.lastSlot + 1)) {
        ahead.delete(following.header.slot)
        if (!append(following)) break
      }
      return true
    },
    catchUp() {
      if (asking) return
      const others = group.supervisors
        .map((member) => context.peerOf(member.ticketId))
        .filter((peer) => peer !== undefined && peer !== context.peer)
      const peer = others[turn++ % Math.max(1, others.length)]
      if (!peer) return
      asking = true
      const from = log.lastSlot + 1
      context.request(peer, 'slots', encodeSlotsRequest(group.taskId, from), (bytes) => {
        asking = false
        const slots = bytes && decodeSlots(bytes)
        if (bytes && !slots) context.effect({ kind: 'penalise', peer, points: 20, reason: 'slots-malformed' })
        for (const slot of slots ?? []) {
          if (follower.receive(slot)) continue
          context.effect({ kind: 'penalise', peer, points: 20, reason: 'slot-invalid' })
          return
        }
        if (slots && slots.length > 0 && log.lastSlot >= from) follower.catchUp()
      })
    },
  }
  watch()
  return follower

  function append(slot: FinalSlot): boolean {
    if (!log.append(slot)) return false
    lastAppendMs = context.nowMs
    if (options.keep) context.effect({ kind: 'persist', key: slotKey(group.taskId, slot.header.slot), value: encodeSlots([slot]) })
    options.onSlot(slot.header.slot)
    return true
  }

  /** A history that is silent although we wait for it has probably lost a message to us. */
  function watch(): void {
    context.at(`history:${group.taskId}`, context.nowMs + QUIET_MS, () => {
      if (!options.active()) return
      if (context.nowMs - lastAppendMs >= QUIET_MS) follower.catchUp()
      watch()
    })
  }
}

/** Persisted slots sort by their key. */
export function slotKey(taskId: Hex, slot: number): string {
  return `slot/${taskId}/${String(slot).padStart(8, '0')}`
}

function encodeSlotsRequest(taskId: Hex, from: number): Uint8Array {
  const bytes = new Uint8Array(36)
  bytes.set(hexToBytes(taskId))
  bytes.set(u32le(from), 32)
  return bytes
}

/** Answers a peer's request for slots out of a log. */
export function serveSlots(log: TaskLog, from: number): Uint8Array {
  const slots: FinalSlot[] = []
  let bytes = 0
  for (let s = from; s <= log.lastSlot && slots.length < SLOTS_PER_ANSWER && bytes < ANSWER_BYTES_MAX; s++) {
    const slot = log.slot(s)!
    slots.push(slot)
    bytes += slot.messages.reduce((sum, message) => sum + message.length, 0)
  }
  return encodeSlots(slots)
}
