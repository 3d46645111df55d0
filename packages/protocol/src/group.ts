/**
 * The people of one task as every node derives them from the chain, and the plan they share: who trains which batch when.
 */

import type { TaskState, View } from '@pouw/chain'
import { bytesToHex, hexToBytes, merkleRoot, sha256 } from '@pouw/crypto'
import { bf16Numbers, type Hex, residualNumbers, type TaskDocument, trainingBatches } from '@pouw/primitives'
import { assignBatches, batchRoot, createSchedule, initialModel, modelHash, residualHash, type Schedule } from '@pouw/training'

export interface Member {
  readonly ticketId: Hex
  readonly owner: Hex
  readonly vrfKey: Hex
  readonly blsKey: Uint8Array
}

export interface Group {
  readonly taskId: Hex
  readonly document: TaskDocument
  readonly taskBlockId: Hex
  readonly client: Hex
  /** By selection rank. */
  readonly miners: readonly Member[]
  readonly supervisors: readonly Member[]
  /** Signatures that finalise: floor(2n/3)+1 of the n supervisors. */
  readonly threshold: number
  member(ticketId: Hex): Member | undefined
}

/** t = floor(2n/3) + 1; spec 7.1. */
export function threshold(n: number): number {
  return Math.floor((2 * n) / 3) + 1
}

/** The group of a staffed task; undefined while it has none. */
export function groupOf(view: View, task: TaskState): Group | undefined {
  if (task.miners.length === 0 || task.supervisors.length === 0) return undefined
  const read = (ids: readonly Hex[]): Member[] =>
    ids.map((id) => {
      const ticket = view.ticket(id)
      if (!ticket) throw new Error(`ticket ${id} of task ${task.id} is not in the ledger`)
      return { ticketId: id, owner: ticket.owner, vrfKey: ticket.vrfKey, blsKey: hexToBytes(ticket.blsKey) }
    })
  const miners = read(task.miners)
  const supervisors = read(task.supervisors)
  const byId = new Map([...miners, ...supervisors].map((member) => [member.ticketId, member]))
  return {
    taskId: task.id,
    document: task.document,
    taskBlockId: task.blockId,
    client: task.client,
    miners,
    supervisors,
    threshold: threshold(supervisors.length),
    member: (id) => byId.get(id),
  }
}

/** Slots per term of one leader; spec 7.3. */
export const SLOTS_PER_TERM = 1024

/** Index of the leading supervisor of a term: (H(task block hash || u32 term) + attempt) mod n; spec 7.3. */
export function leaderIndex(group: Group, term: number, attempt = 0): number {
  const seed = new Uint8Array(36)
  seed.set(hexToBytes(group.taskBlockId))
  new DataView(seed.buffer).setUint32(32, term, true)
  const head = new DataView(sha256(seed).buffer).getBigUint64(0, false)
  return Number((head + BigInt(attempt)) % BigInt(group.supervisors.length))
}

/** Everybody's work, fixed by the batch table: owner of each batch, order of each miner, initial hashes. */
export interface Plan {
  readonly batchHashes: readonly Hex[]
  readonly batchRoot: Hex
  readonly capacity: number
  /** By ticket; sequences run from 1 to `iterations`. */
  schedule(ticketId: Hex): Schedule | undefined
  ownBatches(ticketId: Hex): readonly number[]
  initialModelHash(ticketId: Hex): Hex
  initialResidualHash(ticketId: Hex): Hex
}

/** Undefined unless the table lists exactly the batches that the document's training segments hold. */
export function planOf(group: Group, batchHashes: readonly Hex[]): Plan | undefined {
  if (batchHashes.length !== trainingBatches(group.document) || batchHashes.length < group.miners.length) return undefined
  const tickets = group.miners.map((miner) => miner.ticketId)
  const { owner, capacity } = assignBatches(group.taskId, tickets, [...batchHashes], group.document.workers.epsilonBp)
  const schedules = new Map(
    tickets.map((ticket, index) => [ticket, createSchedule(group.document, group.taskBlockId, ticket, owner, index)]),
  )
  const start = initialModel(group.document)
  const halves = bf16Numbers(group.document)
  const zero = new Float32Array(residualNumbers(group.document))
  const initial = new Map<Hex, { model: Hex; residual: Hex }>()
  const initialOf = (ticket: Hex) => {
    let hashes = initial.get(ticket)
    if (!hashes) {
      hashes = { model: modelHash(group.taskId, ticket, 0, start, halves), residual: residualHash(group.taskId, ticket, 0, zero, halves) }
      initial.set(ticket, hashes)
    }
    return hashes
  }
  return {
    batchHashes,
    batchRoot: batchRoot([...batchHashes]),
    capacity,
    schedule: (ticket) => schedules.get(ticket),
    ownBatches(ticket) {
      const index = tickets.indexOf(ticket)
      return owner.flatMap((holder, batch) => (holder === index ? [batch] : []))
    },
    initialModelHash: (ticket) => initialOf(ticket).model,
    initialResidualHash: (ticket) => initialOf(ticket).residual,
  }
}

/** Root over segment commitments or other 32-byte leaves, as RFC 6962. */
export function rootOf(leaves: readonly Hex[]): Hex {
  return bytesToHex(merkleRoot(leaves.map(hexToBytes)))
}
