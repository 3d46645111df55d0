import { backend } from '#backend'
import type { Ed25519Primitives } from './backend/backend.ts'
import { isCanonicalLargePoint, isCanonicalScalar } from './ed25519-encoding.ts'

/** The Ed25519 public key (32 bytes) of a 32-byte seed, RFC 8032 5.1.5. @throws TypeError on another length */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  return backend.ed25519.publicKey(assertSeed(seed))
}

/** The deterministic signature (64 bytes) of RFC 8032 5.1.6. @throws TypeError if the seed is not 32 bytes */
export function ed25519Sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return backend.ed25519.sign(message, assertSeed(seed))
}

/**
 * Strict verification (A23), with one answer in every runtime: S below the group order; A and R canonical
 * and not of small order; and the equation without the cofactor. Never throws; wrong lengths are `false`.
 */
export function ed25519Verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  return ed25519VerifyWith(backend.ed25519, signature, message, publicKey)
}

/** The strict rules around a given backend's equation. */
export function ed25519VerifyWith(
  primitives: Ed25519Primitives,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return (
    signature.length === 64 &&
    isCanonicalLargePoint(publicKey) &&
    isCanonicalLargePoint(signature.subarray(0, 32)) &&
    isCanonicalScalar(signature.subarray(32)) &&
    primitives.equationHolds(signature, message, publicKey)
  )
}

function assertSeed(seed: Uint8Array): Uint8Array {
  if (!(seed instanceof Uint8Array) || seed.length !== 32) throw new TypeError('ed25519: expected a seed of 32 bytes')
  return seed
}
