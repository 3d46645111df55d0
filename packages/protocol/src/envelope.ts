/**
 * Signed messages: opening, checking and making them (spec 15.1, A23).
 */
import { ed25519Sign, ed25519Verify, hexToBytes, schnorrSign, schnorrVerify, sha256 } from '@pouw/crypto'
import {
  decodeIterationResult,
  decodeMessage,
  encodeIterationResult,
  encodeMessage,
  type Hex,
  type IterationResult,
  MESSAGE_TYPES,
  type Message,
  signedBytes,
} from '@pouw/primitives'

/** Where the type byte stands: after version (2), network id (4) and task id (32); in an IT_RES, which is its own envelope, after version and task id. */
const RESULT_TYPE_AT = 2 + 32

/** Decodes any protocol message; undefined for every other byte string. Nothing is verified yet. */
export function openMessage(bytes: Uint8Array): Message | IterationResult | undefined {
  if (bytes.length > RESULT_TYPE_AT && bytes[RESULT_TYPE_AT] === MESSAGE_TYPES.IT_RES) {
    const result = decodeIterationResult(bytes)
    if (result) return result
  }
  return decodeMessage(bytes)
}

/** Ed25519 by the ticket's key; strict rules. */
export function signedByTicket(networkId: Hex, bytes: Uint8Array, signature: Uint8Array, vrfKey: Hex): boolean {
  return ed25519Verify(signature, signedBytes(networkId, bytes), hexToBytes(vrfKey))
}

/** The client has no ticket: BIP340 by the escrow key over SHA-256 of the signed bytes. */
export function signedByClient(networkId: Hex, bytes: Uint8Array, signature: Uint8Array, client: Hex): boolean {
  return schnorrVerify(signature, sha256(signedBytes(networkId, bytes)), hexToBytes(client))
}

const UNSIGNED = new Uint8Array(64)

type Unsigned<T> = T extends unknown ? Omit<T, 'signature'> : never

/** Encodes and signs; returns the bytes. */
export function sealMessage(
  networkId: Hex,
  message: Unsigned<Message>,
  signer: { readonly ticketSeed: Uint8Array } | { readonly clientSecret: Uint8Array },
): Uint8Array {
  const bytes = encodeMessage(networkId, { ...message, signature: UNSIGNED } as Message)
  const toSign = signedBytes(networkId, bytes)
  bytes.set(
    'ticketSeed' in signer ? ed25519Sign(toSign, signer.ticketSeed) : schnorrSign(sha256(toSign), signer.clientSecret),
    bytes.length - 64,
  )
  return bytes
}

/** The same of an IT_RES, with the message that its bytes are. */
export function sealResult(
  networkId: Hex,
  result: Omit<IterationResult, 'signature'>,
  ticketSeed: Uint8Array,
): { readonly bytes: Uint8Array; readonly message: IterationResult } {
  const bytes = encodeIterationResult({ ...result, signature: UNSIGNED })
  const signature = ed25519Sign(signedBytes(networkId, bytes), ticketSeed)
  bytes.set(signature, bytes.length - 64)
  return { bytes, message: { ...result, signature } }
}
