/**
 * A supervisor of a task: assigns batches, orders messages in slots, signs what the group agrees on
 * (spec 5.3, 7.3, 8, 11; A20, A22).
 *
 * The leader of the term proposes, everybody signs at most one proposal per slot, t signatures make it final. What was signed is durable
 * before the signature leaves, so a restart never signs two.
 */
import { buildMessageHistory, type Entry, groupDigest, type TaskState, withCertificate } from '@pouw/chain'
import { bls, bytesToHex, concatBytes, equalBytes, hexToBytes, sha256Hex, u32le } from '@pouw/crypto'
import {
  type Certificate,
  type ChainRecord,
  coreHash,
  decodeRecord,
  decodeTx,
  encodeRecord,
  encodeTx,
  type Hex,
  type IterationResult,
  type Message,
  messageId,
  parseScript,
  type SlotHeader,
  slotHeaderHash,
  slotSigningHash,
  type Tx,
  txId,
} from '@pouw/primitives'
import type { Context } from '../context.ts'
import { openMessage, signedByTicket } from '../envelope.ts'
import { decodeSlots, encodeSlots } from '../framing.ts'
import { type Group, leaderIndex, type Plan, planOf, SLOTS_PER_TERM } from '../group.ts'
import { admitMessage, admitResult, type Tips, trainingComplete } from '../history/admission.ts'
import { combineShares, groupSigned, type Share } from '../history/certificate.ts'
import { createFollower, type Follower, slotKey } from '../history/follower.ts'
import { compareLogged, type FinalSlot, slotRoot, ZERO_HASH } from '../history/log.ts'
import type { BatchTable, TrainingData } from './training-data.ts'

/** A slot's time may be ahead of a signer's clock by so much (A22). */
const CLOCK_TOLERANCE_MS = 2000
/** Messages held per miner ahead of what can be recorded. */
const POOL_PER_MINER = 64
const SLOT_MESSAGES_MAX = 512
/** A final slot travels as one message; a single map may be as long as this. */
const SLOT_BYTES_MAX = 2 << 20
/** A leader that leaves a message out for longer than this, and again when it was handed it, has to wait for its signatures (spec 11.2). */
const CENSORSHIP_SLOTS = 2
const CENSORSHIP_MIN_MS = 2000
const CENSORSHIP_STALL_MS = 10_000
const REPEAT_MS = 1000
/** Until slot 0 everybody waits for the assignment, and nodes see the group's block a little apart. */
const ANNOUNCE_MS = 250

export interface SupervisorRun {
  readonly taskId: Hex
  readonly follower: Follower
  /** False if the signature is wrong: the sender is to blame. */
  onResult(result: IterationResult, bytes: Uint8Array): boolean
  onMessage(message: Message, bytes: Uint8Array): void
  onTip(connected: readonly Entry[]): void
  /** @param over the task is over for good: what we signed need not be remembered any more */
  close(over: boolean): void
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

/** @param stored what this supervisor kept: slots in order, the header it signed last, its own last proposal and its assignment as a leader */
export function createSupervisorRun(
  context: Context,
  group: Group,
  me: Hex,
  data: TrainingData,
  stored: {
    readonly slots: readonly Uint8Array[]
    readonly signed: Uint8Array | undefined
    readonly proposal: Uint8Array | undefined
    readonly assignment: Uint8Array | undefined
  },
): SupervisorRun {
  const { taskId, document } = group
  const { chain, config } = context
  const myIndex = group.supervisors.findIndex((member) => member.ticketId === me)
  const slotMs = document.workers.slotMs
  const pool = new Map<Hex, Map<string, Held>>()
  let closed = false
  let plan: Plan | undefined
  let assignment: Uint8Array | undefined
  let round: Round | undefined
  let signed: { readonly slot: number; readonly headerHash: Hex } | undefined
  let history:
    | {
        readonly tx: Tx
        readonly digest: Uint8Array
        readonly lastSlot: number
        readonly shares: Map<number, Share>
        readonly bytes: Uint8Array
        done: boolean
      }
    | undefined
  let historyAskedMs = 0
  /** A proposal that could not be signed yet: a message it lists may still be on its way to us. */
  let waiting: (Message & { kind: 'SLOT' }) | undefined
  let historyPutAt = -1
  /** Messages that we handed to a leader who had left them out, and the slot that we hold up because he did it again. */
  const handedMs = new Map<Hex, number>()
  let stalled: { readonly slot: number; readonly sinceMs: number } | undefined
  let overSinceMs: number | undefined

  if (stored.signed && stored.signed.length === 36) {
    signed = {
      slot: new DataView(stored.signed.buffer, stored.signed.byteOffset).getUint32(0, true),
      headerHash: bytesToHex(stored.signed.subarray(4)),
    }
  }
  const follower: Follower = createFollower(context, group, { keep: true, active: () => !closed, onSlot: () => settled() })
  for (const bytes of stored.slots) for (const slot of decodeSlots(bytes) ?? []) follower.log.append(slot)
  data.whenReady(assign)
  tick()

  return {
    taskId,
    follower,
    onResult(result, bytes) {
      const member = group.miners.find((miner) => miner.ticketId === result.ticketId)
      if (!member || result.sequence <= (follower.log.latest(result.ticketId)?.message.sequence ?? 0)) return true
      if (pool.get(result.ticketId)?.has(`r${result.sequence}`)) return true
      if (!signedByTicket(context.networkId, bytes, result.signature, member.vrfKey)) {
        context.count('result-signature')
        return false
      }
      hold(result.ticketId, `r${result.sequence}`, { message: result, bytes, id: messageId(bytes), receivedMs: context.nowMs })
      return true
    },
    onMessage(message, bytes) {
      switch (message.kind) {
        case 'ASSIGNMENT':
        case 'READY':
        case 'FINAL_MODEL':
          if (!follower.log.has(messageId(bytes)))
            hold(message.sender, message.kind, { message, bytes, id: messageId(bytes), receivedMs: context.nowMs })
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
    close(over) {
      closed = true
      // After a reorganisation the old group may come back, and must find what we signed in it.
      if (!over) return
      // The log is a blob that the chain's records name; our way to it is not needed any more.
      for (let slot = 0; slot <= follower.log.lastSlot; slot++)
        context.effect({ kind: 'persist', key: slotKey(taskId, slot), value: undefined })
      for (const key of [signedKey(taskId), proposalKey(taskId), assignmentKey(taskId)])
        context.effect({ kind: 'persist', key, value: undefined })
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
    if (waiting) onSlot(waiting)
  }

  function leader(): Hex {
    return group.supervisors[leaderIndex(group, Math.floor((follower.log.lastSlot + 1) / SLOTS_PER_TERM))]!.ticketId
  }

  /** The data are here: everybody's plan follows from them, and the leader says so. */
  function assign({ hashes, tableHash }: BatchTable): void {
    if (closed) return
    plan = planOf(group, hashes)
    if (!plan || leader() !== me || follower.log.lastSlot >= 0) return
    // Durable before it leaves, and the same bytes after a restart (A22): the others hold the first one.
    const kept = stored.assignment && openMessage(stored.assignment)
    const fits = kept && 'kind' in kept && kept.kind === 'ASSIGNMENT' && kept.tableHash === tableHash
    assignment =
      (fits ? stored.assignment : undefined) ??
      context.seal({ kind: 'ASSIGNMENT', taskId, batchRoot: plan.batchRoot, tableHash, batches: hashes.length }, 'ticket')
    context.effect({ kind: 'persist', key: assignmentKey(taskId), value: assignment })
    const message = openMessage(assignment) as Message
    hold(me, 'ASSIGNMENT', { message, bytes: assignment, id: messageId(assignment), receivedMs: context.nowMs })
    announceAssignment()
  }

  function announceAssignment(): void {
    if (closed || follower.log.lastSlot >= 0) return
    toGroup(assignment!)
    context.at(`assignment:${taskId}`, context.nowMs + ANNOUNCE_MS, announceAssignment)
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
      if (context.nowMs - round.collectedAtMs >= REPEAT_MS && (context.nowMs - round.collectedAtMs) % REPEAT_MS < slotMs) repeatRound(round)
      return
    }
    if (leader() === me) proposeSlot()
    publishHistory()
  }

  /** To those who have not signed: the messages too, since a sender that died may have reached only us. */
  function repeatRound({ bytes, messages, shares }: Round): void {
    for (const [index, member] of group.supervisors.entries()) {
      if (shares.has(index)) continue
      for (const message of messages) context.sendTo(member.ticketId, message)
      context.sendTo(member.ticketId, bytes)
    }
  }

  /**
   * What may be recorded now, in slot order; slot 0 waits for the assignment and everybody.
   * @param room what one slot may hold; a follower, who may hold more than the leader did, looks without that bound
   */
  function recordable(room: { readonly messages: number; readonly bytes: number }): Held[] {
    const { log } = follower
    const slot = log.lastSlot + 1
    const chosen: Held[] = []
    const tips: Tips = new Map()
    const over = trainingOver()
    const held = [...pool.values()].flatMap((own) => [...own.values()]).sort((a, b) => compareLogged(a.message, b.message))
    let bytes = 0
    for (const candidate of held) {
      bytes += candidate.bytes.length
      if (chosen.length >= room.messages || (chosen.length > 0 && bytes > room.bytes)) break
      const { message } = candidate
      if ('kind' in message) {
        if (admitMessage(group, plan!, log, slot, message, leader(), over).ok) chosen.push(candidate)
      } else if (slot > 0 && !over) {
        const verdict = admitResult(group, plan!, log, tips, message)
        if (verdict.ok) {
          chosen.push(candidate)
          tips.set(message.ticketId, { sequence: message.sequence, core: coreHash(message), message })
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
    const chosen = recordable({ messages: SLOT_MESSAGES_MAX, bytes: SLOT_BYTES_MAX })
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
    context.effect({
      kind: 'persist',
      key: proposalKey(taskId),
      value: encodeSlots([{ header, historyRoot, certificate: NO_CERTIFICATE, messages: chosen.map((held) => held.bytes) }]),
    })
    openRound(
      header,
      historyRoot,
      messageIds,
      chosen.map((held) => held.bytes),
      bytes,
    )
  }

  function openRound(
    header: SlotHeader,
    historyRoot: Hex,
    messageIds: readonly Hex[],
    messages: readonly Uint8Array[],
    bytes: Uint8Array,
  ): void {
    round = { header, historyRoot, bytes, messages, messageIds, shares: new Map(), collectedAtMs: context.nowMs, done: false }
    const share = signSlot(header, historyRoot)
    if (!share) return
    round.shares.set(myIndex, { index: myIndex, signature: share })
    toSupervisors(bytes)
    finishRound()
  }

  /** A leader that died after signing its own proposal repeats that proposal, never another one. */
  function reproposeAfterRestart(slot: number): void {
    const [proposal] = stored.proposal ? (decodeSlots(stored.proposal) ?? []) : []
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
      context.effect({ kind: 'persist', key: signedKey(taskId), value: concatBytes(u32le(header.slot), hexToBytes(headerHash)) })
    }
    return bls.sign(config.keys.blsSecret, slotSigningHash(headerHash, historyRoot))
  }

  /** A follower's look at the leader's proposal (spec 11.2, A22). */
  function onSlot(message: Message & { kind: 'SLOT' }): void {
    const { log } = follower
    const { header } = message
    if (!plan || header.slot <= log.lastSlot || message.sender !== leader()) return
    if (header.slot > log.lastSlot + 1) return follower.catchUp()
    const refuseIt = (reason: string) => {
      if (reason !== 'message-missing' && reason !== 'message-not-admissible') context.count(`slot-refused:${reason}`)
      waiting = message
    }
    waiting = undefined
    if (header.taskId !== taskId || header.term !== Math.floor(header.slot / SLOTS_PER_TERM)) return refuseIt('term')
    if (header.previous !== log.headerHash(log.lastSlot) || log.rootWith(header) !== message.historyRoot) return refuseIt('chain')
    if (header.timeMs <= (log.slot(log.lastSlot)?.header.timeMs ?? 0)) return refuseIt('time-order')
    // What we signed once we sign again at any time: a leader that restarts repeats its proposal.
    const again = signed?.headerHash === slotHeaderHash(header)
    // Late is no fault: a leader that restarts repeats the header it signed, and a proposal may wait for a message or for a signer that was away.
    if (!again && header.timeMs - context.nowMs > CLOCK_TOLERANCE_MS) return refuseIt('clock')
    if (message.messageIds.length === 0 || slotRoot(message.messageIds) !== header.root) return refuseIt('root')
    if (again) {
      answer(message)
      return
    }
    const held = new Map<Hex, Held>()
    for (const own of pool.values()) for (const candidate of own.values()) held.set(candidate.id, candidate)
    const listed: Held[] = []
    for (const id of message.messageIds) {
      const candidate = held.get(id)
      if (!candidate) return refuseIt('message-missing')
      listed.push(candidate)
    }
    const mine = new Set(recordable({ messages: Infinity, bytes: Infinity }).map((candidate) => candidate.id))
    for (const [index, candidate] of listed.entries()) {
      if (!mine.has(candidate.id)) return refuseIt('message-not-admissible')
      if (index > 0 && compareLogged(listed[index - 1]!.message, candidate.message) >= 0) return refuseIt('order')
    }
    if (leavesOut(message, mine, held)) return refuseIt('censorship')
    if (!answer(message)) refuseIt('signed-another')
  }

  /**
   * Spec 11.2: does the leader leave out what it should have had for long? It may never have got the message (its sender died, or the leader
   * did), and once it has signed a slot it can make no other: so the message is handed to it for the next slot first. Leaving it out again
   * costs the leader `CENSORSHIP_STALL_MS` for every such slot; refusing for ever would end the task while there is no view change.
   */
  function leavesOut(message: Message & { kind: 'SLOT' }, mine: ReadonlySet<Hex>, held: ReadonlyMap<Hex, Held>): boolean {
    const { header, messageIds } = message
    const patienceMs = Math.max(CENSORSHIP_SLOTS * slotMs, CENSORSHIP_MIN_MS)
    const missing = [...mine].filter((id) => !messageIds.includes(id) && header.timeMs - held.get(id)!.receivedMs > patienceMs)
    let again = false
    for (const id of missing) {
      const since = handedMs.get(id)
      if (since !== undefined && header.timeMs - since > patienceMs) again = true
      if (since === undefined) handedMs.set(id, context.nowMs)
      context.sendTo(message.sender, held.get(id)!.bytes)
    }
    if (missing.length > 0) context.count('slot-left-out')
    if (!again) return false
    if (stalled?.slot !== header.slot) stalled = { slot: header.slot, sinceMs: context.nowMs }
    return context.nowMs - stalled.sinceMs < CENSORSHIP_STALL_MS
  }

  /** Signs the proposal, durably, and tells the leader. */
  function answer(message: Message & { kind: 'SLOT' }): boolean {
    const { header, historyRoot } = message
    const share = signSlot(header, historyRoot)
    if (!share) return false
    context.sendTo(
      message.sender,
      context.seal({ kind: 'SLOT_SIG', taskId, slot: header.slot, headerHash: slotHeaderHash(header), share }, 'ticket'),
    )
    return true
  }

  function onShare(message: Message & { kind: 'SLOT_SIG' }): void {
    if (!round || round.done || message.headerHash !== slotHeaderHash(round.header)) return
    const index = group.supervisors.findIndex((member) => member.ticketId === message.sender)
    if (index < 0 || round.shares.has(index)) return
    round.shares.set(index, { index, signature: message.share })
    finishRound()
  }

  /**
   * With t shares the slot can be final; the leader waits one slot length more for the rest, since who signed is who is paid (A22).
   * Combine first, verify once; only if that fails look for the wrong share.
   */
  function finishRound(patient = true): void {
    if (!round || round.done || round.shares.size < group.threshold) return
    if (patient && round.shares.size < group.supervisors.length) {
      const { slot } = round.header
      context.at(`collect:${taskId}`, context.nowMs + slotMs, () => {
        if (round?.header.slot === slot) finishRound(false)
      })
      return
    }
    const signing = slotSigningHash(slotHeaderHash(round.header), round.historyRoot)
    const certificate = certify([...round.shares.values()], signing, (index) => round!.shares.delete(index))
    if (!certificate) return
    round.done = true
    const { header, historyRoot, messages } = round
    toGroup(context.seal({ kind: 'SLOT_FINAL', taskId, header, historyRoot, messages: [...messages], certificate }, 'ticket'))
    follower.receive({ header, historyRoot, certificate, messages })
  }

  function certify(shares: readonly Share[], signing: Uint8Array, discard: (index: number) => void): Certificate | undefined {
    const certificate = combineShares(shares, group.threshold)
    if (certificate && groupSigned(group.supervisors, group.threshold, signing, certificate)) return certificate
    for (const share of shares) if (!bls.verify(group.supervisors[share.index]!.blsKey, signing, share.signature)) discard(share.index)
    return undefined
  }

  /** After each final slot: forget what is recorded, publish what is due. */
  function settled(): void {
    for (const id of handedMs.keys()) if (follower.log.has(id)) handedMs.delete(id)
    for (const [sender, own] of pool) {
      for (const [key, held] of own) {
        const { message } = held
        const stale = !('kind' in message) && message.sequence <= (follower.log.latest(sender)?.message.sequence ?? 0)
        if (stale || follower.log.has(held.id)) own.delete(key)
      }
    }
    if (round && round.header.slot <= follower.log.lastSlot) round = undefined
    if (waiting && waiting.header.slot <= follower.log.lastSlot) waiting = undefined
    publishHistory()
  }

  /** MESSAGE_HISTORY: after slot 0, at the end of each term, and when training is over (spec 11.5, A20). */
  function publishHistory(): void {
    const task = chain.view().task(taskId)
    if (closed || !plan || !task || (task.state !== 'KEYED' && task.state !== 'TRAINING') || leader() !== me) return
    const due = historyDue(task)
    if (!due) return
    if (history && !history.done && history.lastSlot === due.lastSlot) {
      if (context.nowMs - historyAskedMs >= REPEAT_MS) {
        historyAskedMs = context.nowMs
        toSupervisors(history.bytes)
      }
      return
    }
    if (history?.done && history.lastSlot === due.lastSlot && context.mempool.has(txId(history.tx))) return
    const record = historyRecord(task, due.lastSlot, due.complete)
    const tx = buildMessageHistory(chain.view(), wallet(), record, context.params.minTxFee, context.reserved())
    const bytes = context.seal({ kind: 'PROPOSE', taskId, transaction: encodeTx(tx) }, 'ticket')
    history = { tx, digest: groupDigest(tx), lastSlot: due.lastSlot, shares: new Map(), bytes, done: false }
    historyAskedMs = context.nowMs
    history.shares.set(myIndex, { index: myIndex, signature: bls.sign(config.keys.blsSecret, history.digest) })
    toSupervisors(bytes)
    finishHistory()
  }

  function wallet() {
    return { secret: config.keys.walletSecret, publicKey: config.keys.walletPublic }
  }

  function historyDue(task: TaskState): { readonly lastSlot: number; readonly complete: boolean } | undefined {
    const { log } = follower
    if (log.lastSlot < 0) return undefined
    const published = task.history.records.length === 0 ? -1 : task.history.lastSlot
    if (published < 0) return { lastSlot: 0, complete: false }
    if (trainingOver() && finalModelsRecorded()) return published < log.lastSlot ? { lastSlot: log.lastSlot, complete: true } : undefined
    const termEnd = Math.floor((log.lastSlot + 1) / SLOTS_PER_TERM) * SLOTS_PER_TERM - 1
    return termEnd > published ? { lastSlot: termEnd, complete: false } : undefined
  }

  /**
   * Final models of all miners, or some and patience enough with the silent: T_eval for one who may be restarting, T_lead if the deadline
   * ended the training, since then two blocks are left.
   */
  function finalModelsRecorded(): boolean {
    const recorded = follower.log.find('FINAL_MODEL').length
    if (recorded === group.miners.length) return true
    overSinceMs ??= context.nowMs
    const patienceMs = trainingComplete(group, plan!, follower.log) ? context.params.evaluateMs : context.params.leadMs
    return recorded > 0 && context.nowMs - overSinceMs >= patienceMs
  }

  function historyRecord(task: TaskState, lastSlot: number, complete: boolean): ChainRecord<'MESSAGE_HISTORY'> {
    const { log } = follower
    const firstSlot = task.history.records.length === 0 ? 0 : task.history.lastSlot + 1
    const slots: FinalSlot[] = []
    for (let s = firstSlot; s <= lastSlot; s++) slots.push(log.slot(s)!)
    const bytes = encodeSlots(slots)
    const logHash = historyPutAt === lastSlot ? sha256Hex(bytes) : context.putBlob(bytes)
    historyPutAt = lastSlot
    return {
      type: 'MESSAGE_HISTORY',
      flags: complete ? TRAINING_COMPLETE : 0,
      taskId,
      term: Math.floor(lastSlot / SLOTS_PER_TERM),
      firstSlot,
      lastSlot,
      historyRoot: log.rootAt(lastSlot),
      messages: slots.reduce((sum, slot) => sum + slot.messages.length, 0),
      previousRoot: task.history.records.length === 0 ? ZERO_HASH : task.history.root,
      logHash,
      signers: slots.reduce((bits, slot) => bits | slot.certificate.signers, 0),
    }
  }

  /** Signs the leader's record if our own history gives the same one. */
  function onProposal(message: Message & { kind: 'PROPOSE' }): void {
    const task = chain.view().task(taskId)
    const tx = decodeTx(message.transaction)
    const carried = tx?.outputs.map((output) => parseScript(output.script)).find((script) => script.kind === 'record')
    const record = carried && decodeRecord(carried.record)
    if (
      !task ||
      !plan ||
      !tx ||
      record?.type !== 'MESSAGE_HISTORY' ||
      message.sender !== leader() ||
      record.lastSlot > follower.log.lastSlot
    )
      return
    const due = historyDue(task)
    if (!due || due.lastSlot < record.lastSlot) return context.count('history-not-due')
    const complete = (record.flags & TRAINING_COMPLETE) !== 0
    if (complete && !due.complete) return context.count('history-not-complete')
    const own = historyRecord(task, record.lastSlot, complete)
    if (!equalBytes(encodeRecord(own), carried!.record)) return context.count('history-differs')
    const digest = groupDigest(tx)
    context.sendTo(
      message.sender,
      context.seal({ kind: 'SIG_SHARE', taskId, digest: bytesToHex(digest), share: bls.sign(config.keys.blsSecret, digest) }, 'ticket'),
    )
  }

  function onGroupShare(message: Message & { kind: 'SIG_SHARE' }): void {
    if (!history || history.done || message.digest !== bytesToHex(history.digest)) return
    const index = group.supervisors.findIndex((member) => member.ticketId === message.sender)
    if (index < 0 || history.shares.has(index)) return
    history.shares.set(index, { index, signature: message.share })
    finishHistory()
  }

  function finishHistory(): void {
    if (!history || history.done || history.shares.size < group.threshold) return
    const certificate = certify([...history.shares.values()], history.digest, (index) => history!.shares.delete(index))
    if (!certificate) return
    const tx = withCertificate(chain.view(), wallet(), history.tx, certificate)
    const verdict = context.submit(tx)
    context.emit('history-published', { taskId, lastSlot: history.lastSlot, ok: verdict.ok })
    history = verdict.ok ? { ...history, tx, done: true } : undefined
  }
}

/** Bit 1 of the flags of 05: training is complete (A20). */
export const TRAINING_COMPLETE = 2

const NO_CERTIFICATE: Certificate = { signers: 0, signature: new Uint8Array(96) }

export function signedKey(taskId: Hex): string {
  return `signed/${taskId}`
}

export function proposalKey(taskId: Hex): string {
  return `proposal/${taskId}`
}

export function assignmentKey(taskId: Hex): string {
  return `assignment/${taskId}`
}
