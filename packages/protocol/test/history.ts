/**
 * A recorded piece of training by three miners: a full history with real signatures.
 *
 * Staleness 1, so k = 5. Miner A applies everything at once, B too; C stays with an old cut, which is always allowed:
 *
 *   slot 0   ASSIGNMENT, READY of A, B, C
 *   slot s   IT_RES s of A (cut s-1), B (cut s-1), C (cut 0), for s = 1..5
 *   slot 6   IT_RES 6 of B (cut 5) and C (cut 1)
 *   slot 7   IT_RES 6 of A with cut 6: it applies slots 5 and 6 and may use the template committed in its IT_RES 1
 */
import { bls, sha256Hex } from '@pouw/crypto'
import {
  type Certificate,
  coreHash,
  decodeIterationResult,
  type Header,
  type Hex,
  type IterationResult,
  messageId,
  type SlotHeader,
  slotHeaderHash,
  slotSigningHash,
  zeroNonceHash,
} from '@pouw/primitives'
import { createTrainer, modelBytes, residualBytes, type Trainer } from '@pouw/training'
import { openMessage, sealMessage, sealResult } from '../src/envelope.ts'
import { encodeHashes } from '../src/framing.ts'
import { type Group, leaderIndex, type Plan, threshold } from '../src/group.ts'
import { admitResult } from '../src/history/admission.ts'
import { combineShares } from '../src/history/certificate.ts'
import { compareLogged, createTaskLog, type FinalSlot, peerHash, slotRoot, type TaskLog, ZERO_HASH } from '../src/history/log.ts'
import { batchesOf, DOCUMENT, group, id, MINERS, NETWORK, plan, START_S, SUPERVISORS, TASK, TIP, type Worker } from './group.ts'

export const [A, B, C] = MINERS as [Worker, Worker, Worker]
/** Own iterations between a commitment and its use. */
export const K = 5
/** A's iteration that mines. */
export const MINED = K + 1
export const CUT = 6
export const START_MS = START_S * 1000

/** What the miner commits to in IT_RES 1 and mines in IT_RES 6. */
export const TEMPLATE: Header = {
  version: 1,
  hashPrevBlock: TIP,
  hashMerkleRoot: id('transactions'),
  time: START_S + 3,
  bits: 0x1f07ffff,
  nonce: ZERO_HASH,
  hashMsg: ZERO_HASH,
  hashMsgHist: ZERO_HASH,
}

export interface Training {
  readonly group: Group
  readonly plan: Plan
  readonly table: Uint8Array
  /** Slots 0 to 6. */
  readonly log: TaskLog
  /** A's IT_RES 6 as it should be, not yet recorded. */
  readonly result: IterationResult
  /** Preimages of its start hashes. */
  readonly startModel: Uint8Array
  readonly startResidual: Uint8Array
  readonly batch: Uint8Array
}

/** @param members who signs; the first t by default, as a hurried leader would */
export function certify(header: SlotHeader, historyRoot: Hex, members: readonly number[] = [0, 1, 2]): Certificate {
  const message = slotSigningHash(slotHeaderHash(header), historyRoot)
  const shares = members.map((index) => ({ index, signature: bls.sign(SUPERVISORS[index]!.blsSecret, message) }))
  return combineShares(shares, members.length)!
}

/** The next slot of a log with these messages, signed. Slot s is at second s after the start. */
export function nextSlot(log: TaskLog, messages: readonly Uint8Array[]): FinalSlot {
  const sorted = [...messages].sort((a, b) => compareLogged(openMessage(a)!, openMessage(b)!))
  const slot = log.lastSlot + 1
  const header: SlotHeader = {
    taskId: TASK,
    term: 0,
    slot,
    timeMs: START_MS + 1000 * slot,
    previous: log.headerHash(log.lastSlot),
    root: slotRoot(sorted.map(messageId)),
  }
  const historyRoot = log.rootWith(header)
  return { header, historyRoot, certificate: certify(header, historyRoot), messages: sorted }
}

export function record(log: TaskLog, messages: readonly Uint8Array[]): FinalSlot {
  const slot = nextSlot(log, messages)
  if (!log.append(slot)) throw new Error(`slot ${slot.header.slot} does not fit`)
  return slot
}

/** The same history once more, to be continued differently. */
export function copyLog(log: TaskLog, last = log.lastSlot): TaskLog {
  const copy = createTaskLog(log.taskId)
  for (let s = 0; s <= last; s++) if (!copy.append(log.slot(s)!)) throw new Error(`slot ${s} does not fit`)
  return copy
}

let sequence = 1
export function assignmentMessage(table: Uint8Array, at: Plan, leader: Worker): Uint8Array {
  return sealMessage(
    NETWORK,
    {
      kind: 'ASSIGNMENT',
      taskId: TASK,
      sender: leader.ticketId,
      sequence: sequence++,
      batchRoot: at.batchRoot,
      tableHash: sha256Hex(table),
      batches: at.batchHashes.length,
    },
    leader,
  )
}

export function readyMessage(miner: Worker, initialModelHash: Hex): Uint8Array {
  return sealMessage(NETWORK, { kind: 'READY', taskId: TASK, sender: miner.ticketId, sequence: sequence++, initialModelHash }, miner)
}

export function leaderOf(people: Group): Worker {
  return SUPERVISORS[leaderIndex(people, 0)]!
}

export function seal(result: Omit<IterationResult, 'signature'>): Uint8Array {
  return sealResult(NETWORK, result, MINERS.find((miner) => miner.ticketId === result.ticketId)!.ticketSeed).bytes
}

interface Run {
  readonly miner: Worker
  readonly trainer: Trainer
  last: IterationResult | undefined
}

/** @param template what A commits to in its first message */
export function train(template: Header = TEMPLATE): Training {
  const people = group()
  const shared = plan()
  const batches = batchesOf()
  const table = encodeHashes(shared.batchHashes)
  const log = createTaskLog(TASK)
  const runs = MINERS.map((miner): Run => ({ miner, trainer: createTrainer(DOCUMENT, TASK, miner.ticketId), last: undefined }))
  record(log, [
    assignmentMessage(table, shared, leaderOf(people)),
    ...MINERS.map((miner) => readyMessage(miner, shared.initialModelHash(miner.ticketId))),
  ])
  const [a, b, c] = runs as [Run, Run, Run]
  for (let s = 1; s < MINED; s++) record(log, [iterate(a, s - 1), iterate(b, s - 1), iterate(c, 0)])
  record(log, [iterate(b, MINED - 1), iterate(c, 1)])
  const { trainer, miner } = a
  const startModel = modelBytes(TASK, miner.ticketId, MINED - 1, trainer.weights)
  const startResidual = residualBytes(TASK, miner.ticketId, MINED - 1, trainer.residual)
  const due = shared.schedule(miner.ticketId)!.at(MINED)
  iterate(a, CUT)
  return { group: people, plan: shared, table, log, result: a.last!, startModel, startResidual, batch: batches[due.batchIndex]!.bytes }

  function iterate(run: Run, cut: number): Uint8Array {
    const { last } = run
    const { ticketId } = run.miner
    const n = (last?.sequence ?? 0) + 1
    const due = shared.schedule(ticketId)!.at(n)
    const peers = log.peers(ticketId, last?.peerCut ?? 0, cut)
    const startModelHash = last?.endModelHash ?? shared.initialModelHash(ticketId)
    const startResidualHash = last?.endResidualHash ?? shared.initialResidualHash(ticketId)
    const output = run.trainer.iterate({
      maps: peers.map((peer) => peer.message.map),
      batch: batches[due.batchIndex]!.bytes,
      rate: due.rate,
    })
    if (!output.ok) throw new Error(output.code)
    const { map, loss, accuracy, overdrive, endModelHash, endResidualHash } = output
    const bytes = seal({
      taskId: TASK,
      ticketId,
      sequence: n,
      epoch: due.epoch,
      batchIndex: due.batchIndex,
      batchHash: shared.batchHashes[due.batchIndex]!,
      startModelHash,
      endModelHash,
      startResidualHash,
      endResidualHash,
      peerCut: cut,
      peerHash: peerHash(peers),
      map,
      loss,
      accuracy,
      rate: due.rate,
      tau: DOCUMENT.ml.optimizer.tau,
      overdrive,
      startedMs: START_MS + 1000 * n,
      finishedMs: START_MS + 1000 * n + 10,
      // Templates differ from second to second.
      commitment: zeroNonceHash({ ...template, time: template.time + n - 1 }),
      previousHash: last ? coreHash(last) : ZERO_HASH,
    })
    run.last = decodeIterationResult(bytes)!
    const verdict = admitResult(people, shared, log, new Map(), run.last)
    if (!verdict.ok) throw new Error(`IT_RES ${n} of ${ticketId}: ${verdict.code}`)
    return bytes
  }
}

/** One training for all tests that only read it. */
export const TRAINING = train()

/** More than two thirds. */
export const T = threshold(SUPERVISORS.length)
