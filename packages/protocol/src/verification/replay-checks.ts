/**
 * Checks 10 to 16: what a drawn verifier does with a proposal's bundle before and after the replay (spec 10.6, 9.4).
 * The replay itself is a compute job; these functions decide what it needs and whether its outcome is the block's.
 */
import { bytesToHex, hexToBytes, sha256 } from '@pouw/crypto'
import {
  type Block,
  type Bundle,
  type Hex,
  type IterationResult,
  type NetworkParams,
  refuse,
  slotHeaderHash,
  type Verdict,
} from '@pouw/primitives'
import { openMessage } from '../envelope.ts'
import { decodeHashes } from '../framing.ts'
import { type Plan, planOf } from '../group.ts'
import { isResult, mapsCancel, openSlot } from '../history/log.ts'
import { nonceIndex, nonceZero } from '../mining/nonce.ts'
import type { ReplayResult } from '../ports.ts'
import { type Evidence, fillerBudget, inHistory, inSlot, taskBudget } from './evidence.ts'

type TaskEvidence = Evidence & { readonly kind: 'task' }
type Refusal = Verdict & { readonly ok: false }

/** The ASSIGNMENT inside the bundle, if it is recorded in slot 0 under the block's history root. */
export function assignmentOf(
  evidence: TaskEvidence,
  block: Block,
  bundle: Bundle,
): { readonly ok: true; readonly tableHash: Hex } | Refusal {
  const message = openMessage(bundle.assignment.message)
  const { header } = bundle.assignment.inSlot
  if (!message || !('kind' in message) || message.kind !== 'ASSIGNMENT' || message.taskId !== evidence.group.taskId)
    return unavailable('assignment')
  const placed =
    header.slot === 0 &&
    header.taskId === evidence.group.taskId &&
    bundle.assignment.inHistory.size === evidence.result.peerCut + 1 &&
    inSlot(bundle.assignment.message, bundle.assignment.inSlot) &&
    inHistory(header, bundle.assignment.inHistory, block.header.hashMsgHist)
  return placed ? { ok: true, tableHash: message.tableHash } : unavailable('assignment-path')
}

/** Check 10 failed: the sender is asked again, nobody is slashed. */
function unavailable(code: string): Refusal {
  return refuse(code, 'drop', { check: 10 })
}

/** Checks 11 to 13. On success: the peers' maps in slot order, and the rate that the schedule fixes. */
export function checkInputs(
  evidence: TaskEvidence,
  table: Uint8Array,
  bundle: Bundle,
  planFor: (hashes: readonly Hex[]) => Plan | undefined = (hashes) => planOf(evidence.group, hashes),
): { readonly ok: true; readonly maps: Uint8Array[]; readonly rate: number } | Refusal {
  const { result, previous, group } = evidence
  // 11: the batch is this miner's next; each sequence has exactly one batch, so none is mined on twice in an epoch.
  const hashes = decodeHashes(table)
  const plan = hashes && planFor(hashes)
  if (!plan) return unavailable('batch-table')
  const schedule = plan.schedule(result.ticketId)!
  if (result.sequence > schedule.iterations) return refuse('sequence-not-due', 'slash', { check: 11 })
  const due = schedule.at(result.sequence)
  if (result.epoch !== due.epoch || result.batchIndex !== due.batchIndex || result.batchHash !== plan.batchHashes[due.batchIndex]) {
    return refuse('batch-not-due', 'slash', { check: 11 })
  }
  if (!Object.is(result.rate, due.rate) || !Object.is(result.tau, group.document.ml.optimizer.tau))
    return refuse('schedule', 'slash', { check: 11 })

  // 12: all slots after the previous cut up to the declared one, nothing left out, nothing else.
  const maps: Uint8Array[] = []
  const cores: Uint8Array[] = []
  const own: Uint8Array[] = []
  let expected = previous.peerCut + 1
  let link: Hex | undefined
  for (const slot of bundle.slots) {
    const logged = slot.header.taskId === group.taskId ? openSlot(slot, expected) : undefined
    if (!logged || (link !== undefined && slot.header.previous !== link)) return unavailable('slot-malformed')
    own.length = 0
    for (const entry of logged) {
      if (!isResult(entry) || entry.message.ticketId === result.ticketId) continue
      maps.push(entry.message.map)
      own.push(entry.message.map)
      cores.push(hexToBytes(entry.core))
    }
    link = slotHeaderHash(slot.header)
    expected++
  }
  if (expected !== result.peerCut + 1) return unavailable('slots-missing')
  if (bundle.slots.length > 0 && link !== slotHeaderHash(evidence.work.cut.header)) return unavailable('slots-elsewhere')
  if (bundle.slots.length > 0 && mapsCancel(own)) return refuse('cut-not-canonical', 'slash', { check: 12 })
  if (bytesToHex(sha256(...cores)) !== result.peerHash) return refuse('peer-hash', 'slash', { check: 12 })

  // 13: the iteration starts where the miner's previous one ended.
  if (result.startModelHash !== previous.endModelHash) return refuse('start-model', 'slash', { check: 13 })
  if (result.startResidualHash !== previous.endResidualHash) return refuse('start-residual', 'slash', { check: 13 })
  return { ok: true, maps, rate: due.rate }
}

/** Checks 14 to 16 against what the replay computed. */
export function checkReplay(evidence: Evidence, block: Block, params: NetworkParams, replayed: ReplayResult): Verdict {
  const claimed = evidence.kind === 'task' ? evidence.result : evidence.work
  if (bytesToHex(replayed.map) !== bytesToHex(claimed.map)) return refuse('update-map', 'slash', { check: 14 })
  if (replayed.endModelHash !== claimed.endModelHash) return refuse('end-model', 'slash', { check: 14 })
  if (replayed.endResidualHash !== claimed.endResidualHash) return refuse('end-residual', 'slash', { check: 14 })
  if (evidence.kind === 'task') {
    const verdict = checkMetrics(evidence.result, replayed)
    if (!verdict.ok) return verdict
  }
  const budget = evidence.kind === 'task' ? taskBudget(params, evidence.group.document) : fillerBudget(params)
  if (nonceIndex(nonceZero(replayed.endModelHash, replayed.map), block.header.nonce, budget) === undefined)
    return refuse('nonce', 'slash', { check: 16 })
  return { ok: true }
}

function checkMetrics(claimed: IterationResult, replayed: ReplayResult): Verdict {
  if (!Object.is(claimed.loss, replayed.loss)) return refuse('loss', 'slash', { check: 15 })
  if (!Object.is(claimed.accuracy, replayed.accuracy)) return refuse('accuracy', 'slash', { check: 15 })
  if (claimed.overdrive !== replayed.overdrive) return refuse('overdrive', 'slash', { check: 15 })
  return { ok: true }
}

/** The blobs of check 10 by content address: what the messages and the proposal name is what must arrive. */
export function blobsOf(evidence: TaskEvidence): {
  readonly bundle: Hex
  readonly model: Hex
  readonly residual: Hex
  readonly batch: Hex
} {
  return {
    bundle: evidence.work.bundle,
    model: evidence.result.startModelHash,
    residual: evidence.result.startResidualHash,
    batch: evidence.result.batchHash,
  }
}
