/** Slots of the message history and the group's certificates: bytes and hashes (spec 11, A19, A22). */
import { hexToBytes, sha256, sha256Hex, utf8 } from '@pouw/crypto'
import * as P from 'micro-packed'
import { type Coder, decodeStrict, type Hex, hash32, u64Number } from './codec.ts'

export interface SlotHeader {
  readonly taskId: Hex
  readonly term: number
  readonly slot: number
  /** Milliseconds, rising from slot to slot. */
  readonly timeMs: number
  /** Hash of the previous slot header; zero for slot 0. */
  readonly previous: Hex
  /** Merkle root over the slot's messages. */
  readonly root: Hex
}

export const SLOT_HEADER_BYTES = 113

/** 0x03 || task id || u32 term || u32 slot || u64 time || previous || root. */
const coder = P.struct({
  domain: P.magicBytes(Uint8Array.of(3)),
  taskId: hash32,
  term: P.U32LE,
  slot: P.U32LE,
  timeMs: u64Number,
  previous: hash32,
  root: hash32,
})

export const slotHeaderCoder: Coder<SlotHeader> = P.apply(coder, {
  encode: (raw) => {
    const { domain: _, ...header } = raw as SlotHeader & { domain: undefined }
    return header
  },
  decode: (header: SlotHeader) => ({ domain: undefined, ...header }) as never,
})

export function encodeSlotHeader(header: SlotHeader): Uint8Array {
  return slotHeaderCoder.encode(header)
}

export function decodeSlotHeader(bytes: Uint8Array): SlotHeader | undefined {
  return decodeStrict(slotHeaderCoder, bytes, SLOT_HEADER_BYTES)
}

/** SHA-256 of the encoded header. */
export function slotHeaderHash(header: SlotHeader): Hex {
  return sha256Hex(encodeSlotHeader(header))
}

/** What t supervisors sign: SHA-256("POUW-SLOT-v1" || header hash || history root). */
export function slotSigningHash(headerHash: Hex, historyRoot: Hex): Uint8Array {
  return sha256(SLOT_DOMAIN, hexToBytes(headerHash), hexToBytes(historyRoot))
}

const SLOT_DOMAIN = utf8('POUW-SLOT-v1')

/** The 32-byte leaf of a message in its slot's tree: SHA-256(0x02 || message id); spec 11.3. */
export function slotLeaf(messageId: Hex): Uint8Array {
  return sha256(Uint8Array.of(2), hexToBytes(messageId))
}

/** An aggregate signature with the bit set of its signers (bit i = selection rank i). */
export interface Certificate {
  readonly signers: number
  readonly signature: Uint8Array
}

export const CERTIFICATE_BYTES = 98

/** u16 bit set || 96-byte signature (A19). */
export const certificateCoder: Coder<Certificate> = P.struct({ signers: P.U16LE, signature: P.bytes(96) })

export function encodeCertificate(certificate: Certificate): Uint8Array {
  return certificateCoder.encode(certificate)
}

export function decodeCertificate(bytes: Uint8Array): Certificate | undefined {
  return decodeStrict(certificateCoder, bytes, CERTIFICATE_BYTES)
}
