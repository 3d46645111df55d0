/**
 * What supervisors let into the history: the rules that need no replay (spec 9.3, 9.4, A14, A22).
 * What can only be known by training again (map, hashes, loss) is left to replay.
 */

import { sha256Hex } from '@pouw/crypto'
import { type Hex, type IterationResult, type Message, modelParams, OK, refuse, type Verdict } from '@pouw/primitives'
import { openMap } from '@pouw/training'
import { encodeHashes } from '../framing.ts'
import type { Group, Plan } from '../group.ts'
import { cutIsCanonical, type LoggedResult, peerHash, type TaskLog, ZERO_HASH } from './log.ts'

/** The chain of a miner's own messages as it would stand if the slot under construction were final. */
export type Tips = Map<Hex, { readonly sequence: number; readonly core: Hex; readonly message: IterationResult }>

/** Newest IT_RES of a miner: in the slot under construction, else in the log. */
export function tipOf(log: TaskLog, tips: Tips, ticketId: Hex): { sequence: number; core: Hex; message: IterationResult } | undefined {
  const pending = tips.get(ticketId)
  if (pending) return pending
  const latest = log.latest(ticketId)
  return latest && { sequence: latest.message.sequence, core: latest.core, message: latest.message }
}

/**
 * May this IT_RES be recorded next? `drop` = not yet (an earlier one is missing, the bound S holds it back), `reject` = never.
 * The signature has been checked when the message arrived.
 */
export function admitResult(group: Group, plan: Plan, log: TaskLog, tips: Tips, result: IterationResult): Verdict {
  const schedule = plan.schedule(result.ticketId)
  if (!schedule) return refuse('not-an-active-miner', 'reject', { check: 6 })
  const tip = tipOf(log, tips, result.ticketId)
  const expected = (tip?.sequence ?? 0) + 1
  if (result.sequence !== expected)
    return refuse(result.sequence < expected ? 'sequence-used' : 'sequence-gap', result.sequence < expected ? 'reject' : 'drop')
  if (result.sequence > schedule.iterations) return refuse('sequence-not-due')
  const S = group.document.ml.staleness
  if (result.sequence > S && !log.result(result.ticketId, result.sequence - S)) return refuse('staleness-bound', 'drop')
  if (result.previousHash !== (tip?.core ?? ZERO_HASH)) return refuse('previous-hash')
  if (result.startModelHash !== (tip?.message.endModelHash ?? plan.initialModelHash(result.ticketId)))
    return refuse('start-model', 'reject', { check: 13 })
  if (result.startResidualHash !== (tip?.message.endResidualHash ?? plan.initialResidualHash(result.ticketId)))
    return refuse('start-residual', 'reject', { check: 13 })
  const due = schedule.at(result.sequence)
  if (result.epoch !== due.epoch || result.batchIndex !== due.batchIndex || result.batchHash !== plan.batchHashes[due.batchIndex])
    return refuse('batch-not-due', 'reject', { check: 11 })
  if (!Object.is(result.rate, due.rate) || !Object.is(result.tau, group.document.ml.optimizer.tau)) return refuse('schedule')
  // One index beyond the model would stop every miner that applies the map.
  if (!openMap(result.map, modelParams(group.document))) return refuse('map-out-of-range')
  return admitCut(log, result, tip?.message.peerCut ?? 0)
}

/** Check 12 as far as the log decides it: the cut is canonical and names exactly the peers of its slots. */
export function admitCut(log: TaskLog, result: IterationResult, previousCut: number): Verdict {
  if (result.peerCut > log.lastSlot) return refuse('cut-not-final', 'drop', { check: 12 })
  if (!cutIsCanonical(log, result.ticketId, previousCut, result.peerCut)) return refuse('cut-not-canonical', 'reject', { check: 12 })
  if (result.peerHash !== peerHash(log.peers(result.ticketId, previousCut, result.peerCut)))
    return refuse('peer-hash', 'reject', { check: 12 })
  return OK
}

/** Other messages of the history: slot 0 is the ASSIGNMENT and everybody's READY; FINAL_MODEL once, after the miner's last due IT_RES. */
export function admitMessage(
  group: Group,
  plan: Plan,
  log: TaskLog,
  slot: number,
  message: Message,
  leader: Hex,
  trainingOver: boolean,
): Verdict {
  switch (message.kind) {
    case 'ASSIGNMENT':
      return slot === 0 &&
        message.sender === leader &&
        message.batches === plan.batchHashes.length &&
        message.batchRoot === plan.batchRoot &&
        message.tableHash === sha256Hex(encodeHashes(plan.batchHashes))
        ? OK
        : refuse('assignment')
    case 'READY':
      return slot === 0 &&
        group.miners.some((miner) => miner.ticketId === message.sender) &&
        message.initialModelHash === plan.initialModelHash(message.sender)
        ? OK
        : refuse('ready')
    case 'FINAL_MODEL': {
      const last: LoggedResult | undefined = log.latest(message.sender)
      if (slot === 0 || !trainingOver) return refuse('training-not-over', 'drop')
      if (!group.miners.some((miner) => miner.ticketId === message.sender) || message.lastSequence !== (last?.message.sequence ?? 0))
        return refuse('final-model')
      return log.find('FINAL_MODEL').some((logged) => logged.message.sender === message.sender) ? refuse('final-model-twice') : OK
    }
    default:
      return refuse('not-a-history-message')
  }
}

/** Every ACTIVE miner has recorded its last due IT_RES (A20). */
export function trainingComplete(group: Group, plan: Plan, log: TaskLog): boolean {
  return group.miners.every((miner) => (log.latest(miner.ticketId)?.message.sequence ?? 0) === plan.schedule(miner.ticketId)!.iterations)
}

/** The last slot that holds an IT_RES: final models apply the peers' maps up to here (A20). */
export function lastTrainingSlot(group: Group, log: TaskLog): number {
  return Math.max(0, ...group.miners.map((miner) => log.latest(miner.ticketId)?.slot ?? 0))
}
