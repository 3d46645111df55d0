import type { bls12_381 } from '@noble/curves/bls12-381.js'

/** A point of G1 (public keys) in the arithmetic shared by both backends. */
export type G1Point = typeof bls12_381.G1.Point.BASE
/** A point of G2 (signatures, hashed messages). */
export type G2Point = typeof bls12_381.G2.Point.BASE

/**
 * The part of BLS12-381 that a native library can do for us: from bytes to checked points and back.
 * Every parser accepts exactly the compressed encoding of a point that is on the curve, in the subgroup of
 * prime order and not infinity, and answers `undefined` for anything else.
 */
export interface BlsPoints {
  /** sk * generator of G1, 48 bytes. The key is in range. */
  publicKey(secretKey: Uint8Array): Uint8Array
  parsePublicKey(bytes: Uint8Array): G1Point | undefined
  parseSignature(bytes: Uint8Array): G2Point | undefined
  /** The sum of at least one signature, 96 bytes; `undefined` if one is malformed or the sum is infinity. */
  sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined
}
