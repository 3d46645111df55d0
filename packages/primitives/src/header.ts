/** The 172-byte block header (spec 10.1). Its first 76 bytes are the zero-nonce header that commitments hash. */
import { sha256dHex } from '@pouw/crypto'
import * as P from 'micro-packed'
import { type Coder, decodeStrict, type Hex, hash32 } from './codec.ts'

export interface Header {
  readonly version: number
  readonly hashPrevBlock: Hex
  readonly hashMerkleRoot: Hex
  /** Unix seconds. */
  readonly time: number
  readonly bits: number
  /** 32 bytes as printed: a big-endian number. */
  readonly nonce: Hex
  readonly hashMsg: Hex
  readonly hashMsgHist: Hex
}

export const HEADER_BYTES = 172
export const ZERO_NONCE_HEADER_BYTES = 76

export const headerCoder: Coder<Header> = P.struct({
  version: P.I32LE,
  hashPrevBlock: hash32,
  hashMerkleRoot: hash32,
  time: P.U32LE,
  bits: P.U32LE,
  nonce: hash32,
  hashMsg: hash32,
  hashMsgHist: hash32,
})

export function encodeHeader(header: Header): Uint8Array {
  return headerCoder.encode(header)
}

export function decodeHeader(bytes: Uint8Array): Header | undefined {
  return decodeStrict(headerCoder, bytes, HEADER_BYTES)
}

/** Block id: SHA256d over the 172 bytes, raw order. */
export function headerId(header: Header): Hex {
  return sha256dHex(encodeHeader(header))
}

/** SHA256d over the first 76 bytes: what IT_RES commits to (10.3). */
export function zeroNonceHash(header: Header): Hex {
  return sha256dHex(encodeHeader(header).subarray(0, ZERO_NONCE_HEADER_BYTES))
}

/** Ids of blocks and transactions as people see them: bytes reversed, as in Bitcoin. */
export function printHash(id: Hex): Hex {
  return id.match(/../g)!.reverse().join('')
}
