/** A verifier's signed statement about one block (A18). */
import { concatBytes, utf8 } from '@pouw/crypto'
import * as P from 'micro-packed'
import { type Coder, decodeStrict, type Hex, hash32, hexBytes } from './codec.ts'

export interface Digest {
  /** First four bytes of the genesis id. */
  readonly networkId: Hex
  readonly height: number
  readonly blockId: Hex
  readonly round: number
  /** 1 = the replay agrees, 0 = it does not. */
  readonly verdict: number
  readonly failingCheck: number
  /** SHA-256("POUW-GRAD" || gradient bytes || ticket). */
  readonly gradientHash: Hex
  readonly ticketId: Hex
  /** ECVRF proof of the draw. */
  readonly proof: Uint8Array
  /** Ed25519 by the ticket's key. */
  readonly signature: Uint8Array
}

export const DIGEST_BYTES = 4 + 4 + 32 + 1 + 1 + 1 + 32 + 32 + 80 + 64

export const digestCoder: Coder<Digest> = P.struct({
  networkId: hexBytes(4),
  height: P.U32LE,
  blockId: hash32,
  round: P.U8,
  verdict: P.validate(P.U8, (value) => {
    if (value > 1) throw new RangeError(`expected verdict 0 or 1, received ${value}`)
    return value
  }),
  failingCheck: P.U8,
  gradientHash: hash32,
  ticketId: hash32,
  proof: P.bytes(80),
  signature: P.bytes(64),
})

export function encodeDigest(digest: Digest): Uint8Array {
  return digestCoder.encode(digest)
}

export function decodeDigest(bytes: Uint8Array): Digest | undefined {
  return decodeStrict(digestCoder, bytes, DIGEST_BYTES)
}

/** "POUW-DIGEST-v1" || the fields before the signature (A23). */
export function digestSignedBytes(digest: Omit<Digest, 'signature'>): Uint8Array {
  const bytes = encodeDigest({ ...digest, signature: new Uint8Array(64) })
  return concatBytes(utf8('POUW-DIGEST-v1'), bytes.subarray(0, DIGEST_BYTES - 64))
}
