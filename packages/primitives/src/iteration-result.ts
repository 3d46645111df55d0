/**
 * IT_RES, the result of one iteration, in the order of the table in spec 9.3. It is its own envelope (A23).
 *
 * core = all fields but overdrive, started, finished, ZNB commitment and signature; HashMsg = SHA256d(core) (A13): whatever a miner may
 * choose freely is outside, since a free field in a hashed header would be free lottery tickets.
 */
import { concatBytes, hexToBytes, sha256dHex, utf8 } from '@pouw/crypto'
import * as P from 'micro-packed'
import { type Coder, decodeStrict, finite32, type Hex, hash32, u64Number } from './codec.ts'
import { LIMITS } from './limits.ts'
import { decodeMap } from './update-map.ts'

export const MESSAGE_VERSION = 1
export const RESULT_TYPE = 0x10
const SIGNATURE_BYTES = 64

export interface IterationResult {
  readonly taskId: Hex
  readonly ticketId: Hex
  /** The miner's own iteration counter, from 1. */
  readonly sequence: number
  readonly epoch: number
  readonly batchIndex: number
  readonly batchHash: Hex
  readonly startModelHash: Hex
  readonly endModelHash: Hex
  readonly startResidualHash: Hex
  readonly endResidualHash: Hex
  /** Last finalised slot applied. */
  readonly peerCut: number
  /** SHA-256 over the applied peers' core hashes in slot order. */
  readonly peerHash: Hex
  /** Canonical words. */
  readonly map: Uint8Array
  readonly loss: number
  readonly accuracy: number
  readonly rate: number
  readonly tau: number
  readonly overdrive: number
  readonly startedMs: number
  readonly finishedMs: number
  /** Hash of the zero-nonce header to be used k iterations later (10.3). */
  readonly commitment: Hex
  /** Core hash of the miner's previous message; zero in the first. */
  readonly previousHash: Hex
  readonly signature: Uint8Array
}

/** Map length counts words (A13). */
const mapCoder: Coder<Uint8Array> = P.bytes(
  P.apply(P.U32LE, { encode: (words: number) => 4 * words, decode: (bytes: number) => bytes / 4 }) as never,
)

const identity = {
  version: P.magic(P.U16LE, MESSAGE_VERSION),
  taskId: hash32,
  type: P.magic(P.U8, RESULT_TYPE),
  ticketId: hash32,
  sequence: P.U32LE,
  epoch: P.U16LE,
  batchIndex: P.U32LE,
  batchHash: hash32,
  startModelHash: hash32,
  endModelHash: hash32,
  startResidualHash: hash32,
  endResidualHash: hash32,
  peerCut: P.U32LE,
  peerHash: hash32,
  map: mapCoder,
  loss: finite32,
  accuracy: finite32,
  rate: finite32,
  tau: finite32,
}

const resultCoder = P.struct({
  ...identity,
  overdrive: P.U32LE,
  startedMs: u64Number,
  finishedMs: u64Number,
  commitment: hash32,
  previousHash: hash32,
  signature: P.bytes(SIGNATURE_BYTES),
})

const coreCoder = P.struct({ ...identity, previousHash: hash32 })

const FIXED = { version: undefined, type: undefined }

/** @throws RangeError or Error of the codec if a field is out of range */
export function encodeIterationResult(result: IterationResult): Uint8Array {
  return resultCoder.encode({ ...result, ...FIXED } as never)
}

/** Undefined unless the bytes are one well-formed IT_RES with a canonical map. */
export function decodeIterationResult(bytes: Uint8Array): IterationResult | undefined {
  const decoded = decodeStrict(resultCoder, bytes, LIMITS.resultBytes)
  if (!decoded || !decodeMap(decoded.map)) return undefined
  const { version: _v, type: _t, ...result } = decoded as IterationResult & { version: undefined; type: undefined }
  return result
}

/** HashMsg = SHA256d(core); A13. */
export function coreHash(result: Omit<IterationResult, 'signature' | 'overdrive' | 'startedMs' | 'finishedMs' | 'commitment'>): Hex {
  return sha256dHex(coreCoder.encode({ ...result, ...FIXED } as never))
}

/** Message id of any protocol message: SHA256d of everything but the 64 bytes of signature. @throws RangeError if shorter than a signature */
export function messageId(bytes: Uint8Array): Hex {
  if (bytes.length < SIGNATURE_BYTES) throw new RangeError(`expected a signed message, received ${bytes.length} bytes`)
  return sha256dHex(bytes.subarray(0, bytes.length - SIGNATURE_BYTES))
}

const MESSAGE_DOMAIN = utf8('POUW-MSG-v1')

/** What a message's signature covers: "POUW-MSG-v1" || network id || everything before the signature (A23). */
export function signedBytes(networkId: Hex, bytes: Uint8Array): Uint8Array {
  return concatBytes(MESSAGE_DOMAIN, hexToBytes(networkId), bytes.subarray(0, bytes.length - SIGNATURE_BYTES))
}
