import { hexToBytes, sha256Hex, u32le } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

/** Points per miner on the ring: enough that shares before capping stay within about 10 % of each other. */
const POINTS_PER_MINER = 128
const POINT_DIGITS = 16

/** `owner[batch]` is the index of a ticket in the list that was given; nobody owns more than `capacity` batches. */
export interface Assignment {
  readonly owner: number[]
  readonly capacity: number
}

/**
 * Consistent hashing with bounded loads (spec 8.2, A25). Batches in ascending number go to the first point at or after the first 8 bytes of
 * their hash, wrapping, whose owner has room. A miner that joins or leaves moves only the batches that met it or a full bin.
 *
 * Points are compared as 16 hex digits, which is the order of big-endian u64. Time O(n log n + m n) at worst.
 * @param epsilonBp how much more than the even share one miner may get, in basis points
 * @throws RangeError for no tickets or a bad epsilonBp
 */
export function assignBatches(taskId: Hex, tickets: readonly Hex[], batchHashes: readonly Hex[], epsilonBp: number): Assignment {
  if (tickets.length === 0) throw new RangeError('assignBatches: expected at least one ticket')
  if (!Number.isInteger(epsilonBp) || epsilonBp < 0)
    throw new RangeError(`assignBatches: expected epsilonBp to be a natural number, got ${epsilonBp}`)
  const capacity = Math.ceil(((10_000 + epsilonBp) * batchHashes.length) / (10_000 * tickets.length))
  const ring = createRing(taskId, tickets)
  const load = new Array<number>(tickets.length).fill(0)
  const owner = batchHashes.map((hash) => {
    let at = firstAtOrAfter(ring, hash.slice(0, POINT_DIGITS))
    while (load[ring[at % ring.length]!.owner]! >= capacity) at++
    const chosen = ring[at % ring.length]!.owner
    load[chosen]!++
    return chosen
  })
  return { owner, capacity }
}

interface Point {
  readonly key: string
  readonly owner: number
}

function createRing(taskId: Hex, tickets: readonly Hex[]): Point[] {
  const task = hexToBytes(taskId)
  const points: Point[] = []
  tickets.forEach((ticket, owner) => {
    const id = hexToBytes(ticket)
    for (let v = 0; v < POINTS_PER_MINER; v++) points.push({ key: sha256Hex(task, id, u32le(v)).slice(0, POINT_DIGITS), owner })
  })
  return points.sort((a, b) => compareText(a.key, b.key) || compareText(tickets[a.owner]!, tickets[b.owner]!))
}

/** Index of the first point whose key is not below `key`; `ring.length` (that is, the first point) if all are below. */
function firstAtOrAfter(ring: readonly Point[], key: string): number {
  let low = 0
  let high = ring.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ring[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return low
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
