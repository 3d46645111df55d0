/** Small lists of bytes: hashes one after the other, and the slots of a history as they are stored, served and hashed into 05. */
import { bytesToHex, hexToBytes } from '@pouw/crypto'
import {
  decodeCertificate,
  decodeSlotHeader,
  decodeTx,
  encodeCertificate,
  encodeSlotHeader,
  encodeTx,
  type Hex,
  type Tx,
} from '@pouw/primitives'
import * as P from 'micro-packed'
import type { FinalSlot } from './history/log.ts'

/** 32-byte hashes one after the other (batch tables, locators). */
export function encodeHashes(hashes: readonly Hex[]): Uint8Array {
  const bytes = new Uint8Array(32 * hashes.length)
  hashes.forEach((hash, index) => {
    bytes.set(hexToBytes(hash), 32 * index)
  })
  return bytes
}

/** Undefined unless the length is a multiple of 32. */
export function decodeHashes(bytes: Uint8Array): Hex[] | undefined {
  if (bytes.length % 32 !== 0) return undefined
  const hashes: Hex[] = []
  for (let at = 0; at < bytes.length; at += 32) hashes.push(bytesToHex(bytes.subarray(at, at + 32)))
  return hashes
}

const SLOT_HEADER_BYTES = 1 + 32 + 4 + 4 + 8 + 32 + 32

/** A history: slot header, history root, certificate, then the messages' full bytes; all slots one after the other. */
const slotsCoder = P.array(
  P.U32LE,
  P.struct({
    header: P.bytes(SLOT_HEADER_BYTES),
    historyRoot: P.bytes(32),
    certificate: P.bytes(98),
    messages: P.array(P.U16LE, P.bytes(P.U32LE)),
  }),
)

export function encodeSlots(slots: readonly FinalSlot[]): Uint8Array {
  return slotsCoder.encode(
    slots.map((slot) => ({
      header: encodeSlotHeader(slot.header),
      historyRoot: hexToBytes(slot.historyRoot),
      certificate: encodeCertificate(slot.certificate),
      messages: [...slot.messages],
    })),
  )
}

/** Undefined for anything but one exact encoding. */
export function decodeSlots(bytes: Uint8Array): FinalSlot[] | undefined {
  let raw: ReturnType<typeof slotsCoder.decode>
  try {
    raw = slotsCoder.decode(bytes)
  } catch {
    return undefined
  }
  const slots: FinalSlot[] = []
  for (const entry of raw) {
    const header = decodeSlotHeader(entry.header)
    const certificate = decodeCertificate(entry.certificate)
    if (!header || !certificate) return undefined
    slots.push({ header, historyRoot: bytesToHex(entry.historyRoot), certificate, messages: entry.messages })
  }
  return slots
}

const checkpointCoder = P.struct({ sequence: P.U32LE, model: P.bytes(P.U32LE), residual: P.bytes(P.U32LE) })

/** A miner's restart point: model and residual preimages after iteration `sequence`. */
export interface Checkpoint {
  readonly sequence: number
  readonly model: Uint8Array
  readonly residual: Uint8Array
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return checkpointCoder.encode(checkpoint)
}

/** Undefined if the bytes are torn; the miner then starts over from the initial weights. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint | undefined {
  try {
    return checkpointCoder.decode(bytes)
  } catch {
    return undefined
  }
}

const transactionsCoder = P.array(P.U16LE, P.bytes(P.U32LE))

/** Waiting transactions, as one peer tells another. */
export function encodeTransactions(list: readonly Tx[]): Uint8Array {
  return transactionsCoder.encode(list.map(encodeTx))
}

/** Undefined if a single one is malformed. */
export function decodeTransactions(bytes: Uint8Array): Tx[] | undefined {
  try {
    const list = transactionsCoder.decode(bytes).map(decodeTx)
    return list.every((tx) => tx !== undefined) ? list : undefined
  } catch {
    return undefined
  }
}
