/**
 * A supervisor of a task: checks the client's data, assigns batches, orders messages in slots, signs what the group agrees on
 * (spec 5.3, 7.3, 8, 11; A20, A22).
 *
 * The leader of the term proposes, everybody signs at most one proposal per slot, t signatures make it final. What was signed is durable
 * before the signature leaves, so a restart never signs two.
 */
import { type Entry, buildMessageHistory, groupDigest, withCertificate } from '@pouw/chain'
import { bls, bytesToHex, equalBytes, sha256 } from '@pouw/crypto'
import {
  decodeRecord,
  decodeTx,
  encodeRecord,
  encodeTx,
  type Hex,
  type IterationResult,
  type Message,
  messageId,
  parseScript,
  type Record as ChainRecord,
  type SlotHeader,
  slotHeaderHash,
  slotSigningHash,
  type Tx,
  trainingBatches,
} from '@pouw/primitives'
import { segmentsRoot, splitSegments } from '@pouw/training'
import type { Context } from '../context.ts'
import { openMessage, signedByTicket } from '../envelope.ts'
import { decodeSlots, encodeHashes, encodeSlots } from '../framing.ts'
import { type Group, leaderIndex, type Plan, planOf, SLOTS_PER_TERM } from '../group.ts'
import { admitMessage, admitResult, lastTrainingSlot, type Tips, trainingComplete } from '../history/admission.ts'
import { combineShares, type Share } from '../history/certificate.ts'
import { createFollower, type Follower } from '../history/follower.ts'
import { compareLogged, type FinalSlot, slotRoot, ZERO_HASH } from '../history/log.ts'

/** A slot's time may differ from a signer's clock by so much (A22). */
const CLOCK_TOLERANCE_MS = 2000
/** Messages held per miner ahead of what can be recorded. */
const POOL_PER_MINER = 64
const SLOT_MESSAGES_MAX = 512
/** A leader that leaves a message out for longer than this gets no signature (spec 11.2). */
const CENSORSHIP_SLOTS = 2
const CENSORSHIP_MIN_MS = 2000
const REPEAT_MS = 1000
const SEGMENT_OVERHEAD = 1 + 1 + 8 + 32 + 4

export interface SupervisorRun {
  readonly taskId: Hex
  readonly follower: Follower
  onResult(result: IterationResult, bytes: Uint8Array): void
  onMessage(message: Message, bytes: Uint8Array): void
  onTip(connected: readonly Entry[]): void
  close(): void
}

interface Held {
  readonly message: Message | IterationResult
  readonly bytes: Uint8Array
  readonly id: Hex
  readonly receivedMs: number
}

interface Round {
  readonly header: SlotHeader
  readonly historyRoot: Hex
  readonly bytes: Uint8Array
  readonly messages: readonly Uint8Array[]
  readonly messageIds: readonly Hex[]
  readonly shares: Map<number, Share>
  readonly collectedAtMs: number
  done: boolean
}

/** @param stored slots that this supervisor kept, in order, and the header hash it signed last */
export function createSupervisorRun(
  context: Context,
  group: Group,
  me: Hex,
  stored: { readonly slots: readonly Uint8Array[]; readonly signed: Uint8Array | undefined },
): SupervisorRun {
  const { taskId, document } = group
  const { params, chain, config } = context
  const myIndex = group.supervisors.findIndex((member) => member.ticketId === me)
  const slotMs = document.workers.slotMs
  const pool = new Map<Hex, Map<string, Held>>()
  let closed = false
  let commitments: readonly Hex[] | undefined
  let fetching = false
  let plan: Plan | undefined
  let assignment: Uint8Array | undefined
  let round: Round | undefined
  let signed: { readonly slot: number; readonly headerHash: Hex } | undefined
  let history: { readonly tx: Tx; readonly digest: Uint8Array; readonly lastSlot: number; readonly shares: Map<number, Share>; readonly bytes: Uint8Array; done: boolean } | undefined
  let historyPutAt = -1

  if (stored.signed && stored.signed.length === 36) {
    signed = { slot: new DataView(stored.signed.buffer, stored.signed.byteOffset).getUint32(0, true), headerHash: bytesToHex(stored.signed.subarray(4)) }
  }
  const follower: Follower = createFollower(context, group, { keep: true, active: () => !closed, onSlot: () => settled() })
  for (const bytes of stored.slots) for (const slot of decodeSlots(bytes) ?? []) follower.log.append(slot)
  tick()

  return {
    taskId,
    follower,
    onResult(result, bytes) {
      const member = group.miners.find((miner) => miner.ticketId === result.ticketId)
      if (!member || result.sequence <= (follower.log.latest(result.ticketId)?.message.sequence ?? 0)) return
      if (!signedByTicket(context.networkId, bytes, result.signature, member.vrfKey)) return context.count('result-signature')
      hold(result.ticketId, `r${result.sequence}`, { message: result, bytes, id: messageId(bytes), receivedMs: context.nowMs })
    },
    onMessage(message, bytes) {
      switch (message.kind) {
        case 'TASK_DOC':
          if (!commitments && bytesToHex(hexRoot(message.commitments)) === chain.view().task(taskId)?.record.segmentsRoot) {
            commitments = message.commitments
            fetchSegments()
          }
          return
        case 'ASSIGNMENT':
        case 'READY':
        case 'FINAL_MODEL':
          if (!follower.log.has(messageId(bytes))) hold(message.sender, message.kind, { message, bytes, id: messageId(bytes), receivedMs: context.nowMs })
          return
        case 'SLOT':
          return onSlot(message)
        case 'SLOT_SIG':
          return onShare(message)
        case 'SLOT_FINAL': {
          const { header, historyRoot, certificate, messages } = message
          follower.receive({ header, historyRoot, certificate, messages })
          return
        }
        case 'PROPOSE':
          return onProposal(message)
        case 'SIG_SHARE':
          return onGroupShare(message)
      }
    },
    onTip() {
      publishHistory()
    },
    close() {
      closed = true
    },
  }

  function hold(sender: Hex, key: string, held: Held): void {
    let own = pool.get(sender)
    if (!own) {
      own = new Map()
      pool.set(sender, own)
    }
    if (own.has(key) || own.size >= POOL_PER_MINER) return
    own.set(key, held)
  }

  function leader(): Hex {
    return group.supervisors[leaderIndex(group, Math.floor((follower.log.lastSlot + 1) / SLOTS_PER_TERM))]!.ticketId
  }

  /** Data: fetch the training segments by their commitments, cut them, serve the batches (spec 5.3, 8.1). */
  function fetchSegments(): void {
    if (fetching || !commitments) return
    fetching = true
    const { training } = splitSegments(group.taskBlockId, taskId, document.ml.dataset.segments, document.ml.dataset.testSegments)
    const { dataset } = document.ml
    const bytesMax = SEGMENT_OVERHEAD + Math.ceil(dataset.samples / dataset.segments) * (dataset.features + 1)
    const segments: Uint8Array[] = []
    let missing = training.length
    const client = () => [context.peerOf(taskId)].filter((peer) => peer !== undefined)
    training.forEach((segment, place) => {
      context.fetch(commitments![segment]!, client, bytesMax, () => !closed, (bytes) => {
        segments[place] = bytes
        if (--missing > 0) return
        context.compute({ kind: 'cut-batches', document, taskId, segments }, (result) => {
          if (closed) return
          if (result.kind !== 'cut-batches' || result.hashes.length !== trainingBatches(document)) return context.emit('data-refused', { taskId })
          plan = planOf(group, result.hashes)
          for (const batch of result.batches) context.putBlob(batch)
          const tableHash = context.putBlob(encodeHashes(result.hashes))
          context.emit('data-ready', { taskId, batches: result.hashes.length })
          if (leader() === me && follower.log.lastSlot < 0) {
            assignment = context.seal({ kind: 'ASSIGNMENT', taskId, batchRoot: plan!.batchRoot, tableHash, batches: result.hashes.length }, 'ticket')
            const message = openMessage(assignment) as Message
            hold(me, 'ASSIGNMENT', { message, bytes: assignment, id: messageId(assignment), receivedMs: context.nowMs })
            announceAssignment()
          }
        })
      })
    })
  }

  function announceAssignment(): void {
    if (closed || follower.log.lastSlot >= 0) return
    toGroup(assignment!)
    context.at(`assignment:${taskId}`, context.nowMs + REPEAT_MS, announceAssignment)
  }

  function toGroup(bytes: Uint8Array): void {
    toSupervisors(bytes)
    for (const member of group.miners) context.sendTo(member.ticketId, bytes)
  }

  function toSupervisors(bytes: Uint8Array): void {
    for (const member of group.supervisors) if (member.ticketId !== me) context.sendTo(member.ticketId, bytes)
  }

  /** The leader's clock: one proposal per slot length, none while nothing waits. */
  function tick(): void {
    if (closed) return
    context.at(`slot:${taskId}`, context.nowMs + slotMs, tick)
    if (!plan) return
    if (round && !round.done) {
      if (context.nowMs - round.collectedAtMs >= REPEAT_MS && (context.nowMs - round.collectedAtMs) % REPEAT_MS < slotMs) toSupervisors(round.bytes)
      return
    }
    if (leader() === me) proposeSlot()
    publishHistory()
  }

  /** What may be recorded now, in slot order; slot 0 waits for the assignment and everybody. */
  function recordable(): Held[] {
    const { log } = follower
    const slot = log.lastSlot + 1
    const chosen: Held[] = []
    const tips: Tips = new Map()
    const over = trainingOver()
    const held = [...pool.values()].flatMap((own) => [...own.values()]).sort((a, b) => compareLogged(a.message, b.message))
    for (const candidate of held) {
      if (chosen.length >= SLOT_MESSAGES_MAX) break
      const { message } = candidate
      if ('kind' in message) {
        if (admitMessage(group, plan!, log, slot, message, leader(), over).ok) chosen.push(candidate)
      } else if (slot > 0 && !over) {
        const verdict = admitResult(group, plan!, log, tips, message)
        if (verdict.ok) {
          chosen.push(candidate)
          tips.set(message.ticketId, { sequence: message.sequence, core: coreOf(candidate), message })
        } else if (verdict.action !== 'drop') {
          pool.get(message.ticketId)?.delete(`r${message.sequence}`)
          context.count(`result-refused:${verdict.code}`)
        }
      }
    }
    if (slot === 0) {
      const ready = chosen.filter((candidate) => 'kind' in candidate.message && candidate.message.kind === 'READY').length
      const assigned = chosen.some((candidate) => 'kind' in candidate.message && candidate.message.kind === 'ASSIGNMENT')
      if (!assigned || ready < group.miners.length) return []
    }
    return chosen
  }

  function trainingOver(): boolean {
    if (trainingComplete(group, plan!, follower.log)) return true
    const task = chain.view().task(taskId)
    return task !== undefined && chain.tip().height >= task.participationHeight + document.workers.deadline - 2
  }

  function proposeSlot(): void {
    const { log } = follower
    const slot = log.lastSlot + 1
    if (signed && signed.slot >= slot) return reproposeAfterRestart(slot)
    const chosen = recordable()
    if (chosen.length === 0) return
    const messageIds = chosen.map((candidate) => candidate.id)
    const before = log.slot(log.lastSlot)?.header.timeMs ?? 0
    const header: SlotHeader = {
      taskId,
      term: Math.floor(slot / SLOTS_PER_TERM),
      slot,
      timeMs: Math.max(context.nowMs, before + 1),
      previous: log.headerHash(log.lastSlot),
      root: slotRoot(messageIds),
    }
    const historyRoot = log.rootWith(header)
    const bytes = context.seal({ kind: 'SLOT', taskId, header, historyRoot, messageIds }, 'ticket')
    context.effect({ kind: 'persist', key: proposalKey(taskId), value: encodeSlots([{ header, historyRoot, certificate: NO_CERTIFICATE, messages: chosen.map((held) => held.bytes) }]) })
    openRound(header, historyRoot, messageIds, chosen.map((held) => held.bytes), bytes)
  }

  function openRound(header: SlotHeader, historyRoot: Hex, messageIds: readonly Hex[], messages: readonly Uint8Array[], bytes: Uint8Array): void {
    round = { header, historyRoot, bytes, messages, messageIds, shares: new Map(), collectedAtMs: context.nowMs, done: false }
    const share = signSlot(header, historyRoot)
    if (!share) return
    round.shares.set(myIndex, { index: myIndex, signature: share })
    toSupervisors(bytes)
    finishRound()
  }

  /** A leader that died after signing its own proposal repeats that proposal, never another one. */
  function reproposeAfterRestart(slot: number): void {
    const kept = stored.slots.length >= 0 ? proposalLeft : undefined
    const [proposal] = kept ? (decodeSlots(kept) ?? []) : []
    if (!proposal || proposal.header.slot !== slot || slotHeaderHash(proposal.header) !== signed?.headerHash) return
    const messageIds = proposal.messages.map(messageId)
    const bytes = context.seal({ kind: 'SLOT', taskId, header: proposal.header, historyRoot: proposal.historyRoot, messageIds }, 'ticket')
    openRound(proposal.header, proposal.historyRoot, messageIds, proposal.messages, bytes)
  }

  /** Signs a slot once; the same slot header again gives the same signature, another one gives none. */
  function signSlot(header: SlotHeader, historyRoot: Hex): Uint8Array | undefined {
    const headerHash = slotHeaderHash(header)
    if (signed && (signed.slot > header.slot || (signed.slot === header.slot && signed.headerHash !== headerHash))) return undefined
    if (signed?.headerHash !== headerHash) {
      signed = { slot: header.slot, headerHash }
      const value = new Uint8Array(36)
      new DataView(value.buffer).setUint32(0, header.slot, true)
      value.set(sha256Placeholder(headerHash), 4)
      context.effect({ kind: 'persist', key: signedKey(taskId), value })
    }
    return bls.sign(config.keys.blsSecret, slotSigningHash(headerHash, historyRoot))
  }
}
