/**
 * The cheap checks 4 to 9 of a block's work, made by every node (spec 10.6 with A13-A15, A22).
 *
 *  IT_RES i ----- commitment = hash of this block's first 76 bytes
 *     | k own iterations, at least one slot of peers' work in between
 *  IT_RES n ----- cut c >= slot of i; HashMsgHist = root over slots 0..c; HashMsg = core hash; nonce from its model and map
 *     | recorded in a later slot
 *  proposal
 */

import type { View } from '@pouw/chain'
import { ed25519Verify, hexToBytes, utf8, verifyMerkleProof } from '@pouw/crypto'
import {
  type Block,
  batchBytes,
  blockId,
  coreHash,
  decodeIterationResult,
  type FillerWork,
  type Hex,
  type HistoryPath,
  type IterationResult,
  messageId,
  modelSizes,
  type NetworkParams,
  OK,
  type RecordedMessage,
  refuse,
  type SlotHeader,
  type SlotPath,
  slotHeaderHash,
  slotLeaf,
  type TaskDocument,
  type TaskWork,
  type Verdict,
  zeroNonceHash,
} from '@pouw/primitives'
import { fillerBatchBytes, fillerMessageHash, fillerParams, fillerSeed } from '@pouw/training'
import { signedByTicket } from '../envelope.ts'
import { type Group, groupOf } from '../group.ts'
import { certificateIsValid } from '../history/certificate.ts'
import { ZERO_HASH } from '../history/log.ts'
import { nonceIndex, nonceZero, tryBudget } from '../mining/nonce.ts'

/** k = max(5, 4 S); A14. */
export function commitmentDistance(staleness: number): number {
  return Math.max(5, 4 * staleness)
}

/** Tries of one client-task iteration. */
export function taskBudget(params: NetworkParams, document: TaskDocument): number {
  const sizes = modelSizes(document)
  return tryBudget(params, batchBytes(document), sizes.params, document.ml.batch, sizes.products)
}

/** Tries of one filler iteration. */
export function fillerBudget(params: NetworkParams): number {
  return tryBudget(params, fillerBatchBytes(params.filler), fillerParams(params.filler), params.filler.batch)
}

/** What the checks learnt, for the verifiers that go on with 10 to 16. */
export type Evidence =
  | { readonly kind: 'filler'; readonly work: FillerWork; readonly seed: Hex }
  | {
      readonly kind: 'task'
      readonly work: TaskWork
      readonly group: Group
      readonly result: IterationResult
      readonly previous: IterationResult
      readonly resultTimeMs: number
    }

export type Checked = { readonly ok: true; readonly evidence: Evidence } | (Verdict & { readonly ok: false })

/**
 * @param view the ledger after the parent block
 * @param networkId first four bytes of the genesis id
 */
export function checkWork(block: Block, view: View, params: NetworkParams, networkId: Hex): Checked {
  return block.work.kind === 'filler' ? checkFiller(block, block.work, view, params) : checkTask(block, block.work, view, params, networkId)
}

const FILLER_STATES = new Set(['LIVE', 'CANDIDATE', 'BACKUP', 'ACTIVE'])

function checkFiller(block: Block, work: FillerWork, view: View, params: NetworkParams): Checked {
  const { header } = block
  if (header.hashMsgHist !== ZERO_HASH) return refuse('filler-history', 'reject', { check: 4 })
  if (work.iteration < 1 || work.iteration > params.filler.iterations || work.map.length === 0)
    return refuse('filler-iteration', 'reject', { check: 5 })
  if (header.hashMsg !== fillerMessageHash(work.ticketId, work.iteration, work.endModelHash, work.endResidualHash, work.map)) {
    return refuse('message-hash', 'reject', { check: 5 })
  }
  const ticket = view.ticket(work.ticketId)
  if (!ticket || ticket.role !== 1 || !FILLER_STATES.has(ticket.state)) return refuse('ticket-not-allowed', 'reject', { check: 6 })
  if (!ed25519Verify(work.signature, fillerSigned(blockId(block)), hexToBytes(ticket.vrfKey)))
    return refuse('signature', 'reject', { check: 6 })
  const zero = nonceZero(work.endModelHash, work.map)
  if (nonceIndex(zero, header.nonce, fillerBudget(params)) === undefined) return refuse('nonce-out-of-range', 'slash', { check: 9 })
  return { ok: true, evidence: { kind: 'filler', work, seed: fillerSeed(zeroNonceHash(header), work.ticketId) } }
}

/** What the miner of a filler block signs (A23). */
export function fillerSigned(id: Hex): Uint8Array {
  const domain = utf8('POUW-BLOCK-v1')
  const bytes = new Uint8Array(domain.length + 32)
  bytes.set(domain)
  bytes.set(hexToBytes(id), domain.length)
  return bytes
}

function checkTask(block: Block, work: TaskWork, view: View, params: NetworkParams, networkId: Hex): Checked {
  const { header } = block
  const result = decodeIterationResult(work.result)
  const previous = decodeIterationResult(work.previous)
  if (!result || !previous) return refuse('message-malformed', 'reject', { check: 5 })
  const task = view.task(result.taskId)
  const group = task && task.state === 'TRAINING' ? groupOf(view, task) : undefined
  if (!task || !group) return refuse('task-not-training', 'drop', { check: 4 })

  // 4: HashMsgHist is the root at the cut that the message declares, known on chain or by the supervisors' certificate.
  if (work.cut.header.taskId !== task.id || work.cut.header.slot !== result.peerCut) return refuse('cut-slot', 'reject', { check: 4 })
  if (!certificateIsValid(group, work.cut.header, header.hashMsgHist, work.cut.certificate))
    return refuse('history-root', 'drop', { check: 4 })

  // 5: the message is in a finalised slot and is what the header hashes.
  const slotHeader = work.resultSlot.inSlot.header
  if (!inSlot(work.result, work.resultSlot.inSlot) || slotHeader.taskId !== task.id) return refuse('message-path', 'reject', { check: 5 })
  if (!certificateIsValid(group, slotHeader, work.resultSlot.historyRoot, work.resultSlot.certificate))
    return refuse('slot-certificate', 'reject', { check: 5 })
  if (header.hashMsg !== coreHash(result)) return refuse('message-hash', 'reject', { check: 5 })

  // 6: the sender is one of the task's miners and signed it.
  const member = group.miners.find((miner) => miner.ticketId === result.ticketId)
  if (!member || view.ticket(result.ticketId)?.state !== 'ACTIVE') return refuse('ticket-not-active', 'reject', { check: 6 })
  if (!signedByTicket(networkId, work.result, result.signature, member.vrfKey)) return refuse('signature', 'reject', { check: 6 })

  // 7: the template was committed k own iterations earlier, before peers' work that the nonce depends on.
  const commitment = checkCommitment(block, work, group, params, result, previous)
  if (!commitment.ok) return commitment

  // 9: the nonce is one of the iteration's few.
  if (nonceIndex(nonceZero(result.endModelHash, result.map), header.nonce, taskBudget(params, group.document)) === undefined) {
    return refuse('nonce-out-of-range', 'slash', { check: 9 })
  }
  return { ok: true, evidence: { kind: 'task', work, group, result, previous, resultTimeMs: slotHeader.timeMs } }
}

function checkCommitment(
  block: Block,
  work: TaskWork,
  group: Group,
  params: NetworkParams,
  result: IterationResult,
  previous: IterationResult,
): Verdict {
  const fail = (code: string, action: 'reject' | 'slash' = 'reject') => refuse(code, action, { check: 7 })
  const cutHeader = work.cut.header
  const committed = decodeIterationResult(work.commitment.message)
  if (!committed || committed.taskId !== result.taskId || committed.ticketId !== result.ticketId) return fail('commitment-malformed')
  if (committed.sequence !== result.sequence - commitmentDistance(group.document.ml.staleness)) return fail('commitment-distance', 'slash')
  if (committed.commitment !== zeroNonceHash(block.header)) return fail('commitment-hash', 'slash')
  if (!underCut(work.commitment, cutHeader, block.header.hashMsgHist)) return fail('commitment-not-in-cut')
  const commitmentSlot = work.commitment.inSlot.header.slot

  if (previous.taskId !== result.taskId || previous.ticketId !== result.ticketId || previous.sequence !== result.sequence - 1)
    return fail('previous-message')
  if (coreHash(previous) !== result.previousHash) return fail('previous-message')
  const distinct = new Set<Hex>()
  for (const recorded of work.peers) {
    const peer = decodeIterationResult(recorded.message)
    if (!peer || peer.taskId !== result.taskId || peer.ticketId === result.ticketId) return fail('peer-evidence')
    if (!group.miners.some((miner) => miner.ticketId === peer.ticketId) || !underCut(recorded, cutHeader, block.header.hashMsgHist))
      return fail('peer-evidence')
    if (recorded.inSlot.header.slot <= previous.peerCut || peer.peerCut < commitmentSlot) return fail('peer-evidence')
    distinct.add(peer.ticketId)
  }
  if (distinct.size < peersNeeded(group)) return fail('commitment-too-young', 'slash')
  if (result.map.length === 0) return fail('empty-map')
  if (work.resultSlot.inSlot.header.slot - result.peerCut > params.maxLateSlots) return fail('recorded-too-late')
  if (block.header.time > Math.floor(work.commitment.inSlot.header.timeMs / 1000) + params.maxAheadS) return fail('time-after-commitment')
  return OK
}

/** A14 (b): different peers whose work must lie between the commitment and the iteration that uses it. */
export function peersNeeded(group: Group): number {
  return Math.max(1, Math.floor(group.miners.length / 3))
}

/** The message is the leaf it claims to be in its slot. */
export function inSlot(message: Uint8Array, path: SlotPath): boolean {
  return verifyMerkleProof(slotLeaf(messageId(message)), path.index, path.size, path.path.map(hexToBytes), hexToBytes(path.header.root))
}

/** The slot header is a leaf of the history whose root is given. */
export function inHistory(header: SlotHeader, path: HistoryPath, root: Hex): boolean {
  return verifyMerkleProof(hexToBytes(slotHeaderHash(header)), header.slot, path.size, path.path.map(hexToBytes), hexToBytes(root))
}

function underCut(recorded: RecordedMessage, cut: SlotHeader, root: Hex): boolean {
  const { header } = recorded.inSlot
  return (
    header.taskId === cut.taskId &&
    header.slot <= cut.slot &&
    recorded.inHistory.size === cut.slot + 1 &&
    inSlot(recorded.message, recorded.inSlot) &&
    inHistory(header, recorded.inHistory, root)
  )
}
