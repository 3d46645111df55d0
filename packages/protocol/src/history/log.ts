/**
 * The message history of one task: finalised slots in order, and the questions that training, mining and verification ask of it (spec 11, A22).
 *
 *     slot 0        slot 1        slot 2
 *   +---------+   +---------+   +---------+
 *   | header  |<--| header  |<--| header  |     previous = hash of the header before
 *   | root ---+-> message ids (Merkle)
 *   +---------+   +---------+   +---------+
 *        \_____________|_____________/
 *              history root (Merkle over header hashes) = HashMsgHist of a block whose IT_RES declares this cut
 */
import { bytesToHex, createMerkleTree, hexToBytes, merkleProof, merkleRoot, sha256 } from '@pouw/crypto'
import {
  type Certificate,
  coreHash,
  decodeMap,
  type Hex,
  type HistoryPath,
  type IterationResult,
  type Message,
  messageId,
  type RecordedMessage,
  type SlotHeader,
  type SlotPath,
  slotHeaderHash,
  slotLeaf,
} from '@pouw/primitives'
import { openMessage } from '../envelope.ts'

export const ZERO_HASH: Hex = '00'.repeat(32)

/** A slot as it is agreed: what the certificate signs, and the messages' full bytes in slot order. */
export interface FinalSlot {
  readonly header: SlotHeader
  readonly historyRoot: Hex
  readonly certificate: Certificate
  readonly messages: readonly Uint8Array[]
}

/** One recorded message with its place. */
export interface Logged {
  readonly id: Hex
  readonly bytes: Uint8Array
  readonly message: Message | IterationResult
  readonly slot: number
  readonly index: number
}

/** A recorded IT_RES. */
export interface LoggedResult extends Logged {
  readonly message: IterationResult
  readonly core: Hex
}

export interface TaskLog {
  readonly taskId: Hex
  /** -1 while no slot is final. */
  readonly lastSlot: number
  slot(index: number): FinalSlot | undefined
  logged(slot: number): readonly Logged[]
  /** Header hash of a slot; 32 zero bytes before slot 0. */
  headerHash(slot: number): Hex
  /** Root over the headers 0..slot. */
  rootAt(slot: number): Hex
  /** What the root would be if this header came next. */
  rootWith(header: SlotHeader): Hex
  /** Appends a slot that fits; the caller has checked its certificate. Returns false (and changes nothing) if it does not follow. */
  append(slot: FinalSlot): boolean
  has(messageId: Hex): boolean
  /** The newest recorded IT_RES of a miner. */
  latest(ticketId: Hex): LoggedResult | undefined
  result(ticketId: Hex, sequence: number): LoggedResult | undefined
  /** IT_RES of everybody but `self` in the slots (from, to], in slot order. */
  peers(self: Hex, from: number, to: number): LoggedResult[]
  /** Other recorded messages of a kind. */
  find<K extends Message['kind']>(kind: K): (Logged & { readonly message: Message & { kind: K } })[]
  slotPath(logged: Logged): SlotPath
  /** The slot's header under the root of the tree that ends with slot `cut`. */
  historyPath(slot: number, cut: number): HistoryPath
  recorded(logged: Logged, cut: number): RecordedMessage
}

export function createTaskLog(taskId: Hex): TaskLog {
  const slots: FinalSlot[] = []
  const entries: (readonly Logged[])[] = []
  const hashes: Hex[] = []
  const tree = createMerkleTree()
  const ids = new Set<Hex>()
  const results = new Map<Hex, LoggedResult[]>()
  const others: Logged[] = []

  const log: TaskLog = {
    taskId,
    get lastSlot() {
      return slots.length - 1
    },
    slot: (index) => slots[index],
    logged: (index) => entries[index] ?? [],
    headerHash: (index) => (index < 0 ? ZERO_HASH : hashes[index]!),
    rootAt: (index) => bytesToHex(tree.rootAt(index + 1)),
    rootWith: (header) => bytesToHex(tree.rootWith(hexToBytes(slotHeaderHash(header)))),
    append(slot) {
      const opened = openSlot(slot, slots.length)
      if (!opened || slot.header.taskId !== taskId || slot.header.previous !== log.headerHash(slots.length - 1)) return false
      if (slots.length > 0 && slot.header.timeMs <= slots[slots.length - 1]!.header.timeMs) return false
      if (opened.some((logged) => ids.has(logged.id)) || log.rootWith(slot.header) !== slot.historyRoot) return false
      slots.push(slot)
      entries.push(opened)
      hashes.push(slotHeaderHash(slot.header))
      tree.append(hexToBytes(hashes[hashes.length - 1]!))
      for (const logged of opened) {
        ids.add(logged.id)
        if (isResult(logged)) {
          const own = results.get(logged.message.ticketId)
          if (own) own.push(logged)
          else results.set(logged.message.ticketId, [logged])
        } else others.push(logged)
      }
      return true
    },
    has: (id) => ids.has(id),
    latest: (ticket) => results.get(ticket)?.at(-1),
    result: (ticket, sequence) => {
      const found = results.get(ticket)?.[sequence - 1]
      return found?.message.sequence === sequence ? found : undefined
    },
    peers(self, from, to) {
      const found: LoggedResult[] = []
      for (let s = from + 1; s <= to; s++) {
        for (const logged of entries[s] ?? []) if (isResult(logged) && logged.message.ticketId !== self) found.push(logged)
      }
      return found
    },
    find: (kind) => others.filter((logged) => 'kind' in logged.message && logged.message.kind === kind) as never,
    slotPath(logged) {
      const slot = entries[logged.slot]!
      const leaves = slot.map((entry) => slotLeaf(entry.id))
      return {
        header: slots[logged.slot]!.header,
        index: logged.index,
        size: slot.length,
        path: merkleProof(leaves, logged.index).map(bytesToHex),
      }
    },
    historyPath: (slot, cut) => ({ size: cut + 1, path: tree.proof(slot, cut + 1).map(bytesToHex) }),
    recorded: (logged, cut) => ({ message: logged.bytes, inSlot: log.slotPath(logged), inHistory: log.historyPath(logged.slot, cut) }),
  }
  return log
}

export function isResult(logged: Logged): logged is LoggedResult {
  return 'core' in logged
}

/** Merkle root over the messages of a slot, in slot order. */
export function slotRoot(messageIds: readonly Hex[]): Hex {
  return bytesToHex(merkleRoot(messageIds.map(slotLeaf)))
}

/** Decodes a slot's messages in place `index`; undefined if any is malformed, out of order, or the root disagrees. */
export function openSlot(
  slot: { readonly header: SlotHeader; readonly messages: readonly Uint8Array[] },
  index: number,
): Logged[] | undefined {
  if (slot.header.slot !== index) return undefined
  const opened: Logged[] = []
  for (const bytes of slot.messages) {
    const message = openMessage(bytes)
    if (!message || message.taskId !== slot.header.taskId) return undefined
    const place = { id: messageId(bytes), bytes, slot: index, index: opened.length }
    opened.push('kind' in message ? { ...place, message } : ({ ...place, message, core: coreHash(message) } as LoggedResult))
  }
  if (slotRoot(opened.map((logged) => logged.id)) !== slot.header.root) return undefined
  for (let i = 1; i < opened.length; i++) if (compareLogged(opened[i - 1]!.message, opened[i]!.message) >= 0) return undefined
  return opened
}

/** The one order inside a slot: ticket, then IT_RES before other kinds, then sequence; spec 11.2. No freedom, so no ordering power. */
export function compareLogged(a: Message | IterationResult, b: Message | IterationResult): number {
  const left = sortKey(a)
  const right = sortKey(b)
  if (left.sender !== right.sender) return left.sender < right.sender ? -1 : 1
  if (left.rank !== right.rank) return left.rank - right.rank
  return left.sequence - right.sequence
}

function sortKey(message: Message | IterationResult): { sender: Hex; rank: number; sequence: number } {
  return 'kind' in message
    ? { sender: message.sender, rank: 1, sequence: message.sequence }
    : { sender: message.ticketId, rank: 0, sequence: message.sequence }
}

/** True if the maps, summed per coordinate in units of tau, cancel everywhere (also for none): such a slot makes no cut canonical (A14). */
export function mapsCancel(maps: readonly Uint8Array[]): boolean {
  const busy = maps.filter((map) => map.length > 0)
  if (busy.length <= 1) return busy.length === 0
  const sum = new Map<number, number>()
  for (const map of busy) {
    for (const word of decodeMap(map) ?? []) {
      const index = word & 0x7fffffff
      sum.set(index, (sum.get(index) ?? 0) + (word >>> 31 === 1 ? 1 : -1))
    }
  }
  for (const total of sum.values()) if (total !== 0) return false
  return true
}

/** SHA-256 over the applied peers' core hashes in slot order (A13): the peer cut's 32 bytes. */
export function peerHash(peers: readonly LoggedResult[]): Hex {
  return bytesToHex(sha256(...peers.map((peer) => hexToBytes(peer.core))))
}

/** May an IT_RES declare `cut` after `previous`? Equal, or later with peer maps of its own slot that do not cancel (9.4 rule 3, A14). */
export function cutIsCanonical(log: TaskLog, self: Hex, previous: number, cut: number): boolean {
  if (cut === previous) return true
  if (cut < previous || cut > log.lastSlot) return false
  return !mapsCancel(log.peers(self, cut - 1, cut).map((peer) => peer.message.map))
}
