/** Who works on a task: similarity, lot and rank, all in integers (spec 6.2, A24). */
import { concatBytes, hexToBytes, utf8 } from '@pouw/crypto'
import type { ChainRecord, Hex } from '@pouw/primitives'
import type { Participant, TicketRole } from './state.ts'

const ONE = 65_535n

/** alpha = "POUW-VRF-v1" || u8 role || seed block id || task id || ticket id. */
export function selectionAlpha(role: number, seedBlockId: Hex, taskId: Hex, ticketId: Hex): Uint8Array {
  return concatBytes(utf8('POUW-VRF-v1'), Uint8Array.of(role), hexToBytes(seedBlockId), hexToBytes(taskId), hexToBytes(ticketId))
}

/** The 16 bytes that describe a task, from its record alone. */
export function taskVector(record: ChainRecord<'PAY_FOR_TASK'>): Uint8Array {
  const { modelSize, batchBytes, epochs, fee, deadline, minersWanted, minStake, family } = record
  const vector = new Uint8Array(16)
  for (const [index, x] of [modelSize, batchBytes, epochs, fee, deadline, minersWanted, minStake].entries()) {
    // floor(log2(1 + x)) = length of the binary number minus one.
    vector[index] = Math.min(255, 8 * ((1n + BigInt(x)).toString(2).length - 1))
  }
  vector[8 + (family % 8)] = 255
  return vector
}

/** s in 0..65535: 0 if the family is not accepted, else floor((7 cos + 3 jac) / 10). */
export function similarity(preferences: Hex, families: number, record: ChainRecord<'PAY_FOR_TASK'>): number {
  if (record.family > 31 || ((families >>> record.family) & 1) === 0) return 0
  const p = hexToBytes(preferences)
  const q = taskVector(record)
  let dot = 0
  let pp = 0
  let qq = 0
  for (let i = 0; i < 16; i++) {
    dot += p[i]! * q[i]!
    pp += p[i]! * p[i]!
    qq += q[i]! * q[i]!
  }
  const cos = pp === 0 || qq === 0 ? 0n : isqrt((ONE * ONE * BigInt(dot) * BigInt(dot)) / (BigInt(pp) * BigInt(qq)))
  const jac = ONE / BigInt(countBits(families))
  return Number((7n * cos + 3n * jac) / 10n)
}

/** first8(beta) * 65535 < s * 2^64. */
export function isHit(beta: Uint8Array, s: number): boolean {
  const head = new DataView(beta.buffer, beta.byteOffset, 8).getBigUint64(0, false)
  return head * ONE < BigInt(s) << 64n
}

/** floor(first 32 bytes of beta, big-endian, / s); s > 0. */
export function selectionKey(beta: Uint8Array, s: number): bigint {
  let value = 0n
  for (const byte of beta.subarray(0, 32)) value = (value << 8n) | BigInt(byte)
  return value / BigInt(s)
}

export interface Ranked {
  readonly chosen: readonly Hex[]
  readonly backups: readonly Hex[]
  /** The rest, free again. */
  readonly released: readonly Hex[]
}

/** Sorts the hits of one role by key, ties by ticket; one per owner, the client's own never; first `wanted`, next `backups`. */
export function rankParticipants(
  participants: readonly Participant[],
  role: TicketRole,
  client: Hex,
  wanted: number,
  backups: number,
): Ranked {
  const hits = participants.filter((entry) => entry.role === role)
  const sorted = [...hits].sort((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : a.ticketId < b.ticketId ? -1 : a.ticketId > b.ticketId ? 1 : 0,
  )
  const owners = new Set<Hex>([client])
  const eligible: Hex[] = []
  const released: Hex[] = []
  for (const { ticketId, owner } of sorted) {
    if (owners.has(owner)) released.push(ticketId)
    else {
      owners.add(owner)
      eligible.push(ticketId)
    }
  }
  return {
    chosen: eligible.slice(0, wanted),
    backups: eligible.slice(wanted, wanted + backups),
    released: [...released, ...eligible.slice(wanted + backups)],
  }
}

function countBits(word: number): number {
  let count = 0
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++
  return count
}

/** floor(sqrt(n)), Newton's method on integers. */
function isqrt(n: bigint): bigint {
  if (n < 2n) return n
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (x + n / x) >> 1n
    if (next >= x) return x
    x = next
  }
}
