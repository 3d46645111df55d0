/**
 * The arithmetic of BLS12-381 below the scheme, in the representation that one library likes best.
 * Every parser accepts exactly the compressed encoding of a point that is on the curve, in the subgroup of
 * prime order and not infinity, and answers `undefined` for anything else. Secret keys are in range.
 */
export interface BlsArithmetic<Key, Signature, Message> {
  /** sk * generator of G1, 48 bytes. */
  publicKey(secretKey: Uint8Array): Uint8Array
  parsePublicKey(bytes: Uint8Array): Key | undefined
  /** The sum of at least one key; `undefined` if it is infinity. */
  sumPublicKeys(keys: readonly Key[]): Key | undefined
  parseSignature(bytes: Uint8Array): Signature | undefined
  /** The sum of at least one signature, 96 bytes; `undefined` if one is malformed or the sum is infinity. */
  sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined
  /** The sum of scalar * signature over at least one pair, 96 bytes; `undefined` if it is infinity. Scalars are in 1 .. r-1. */
  combineSignatures(signatures: readonly Signature[], scalars: readonly bigint[]): Uint8Array | undefined
  /** BLS12381G2_XMD:SHA-256_SSWU_RO_ (RFC 9380 8.8.2) under a tag of 1 .. 255 bytes, ready for repeated use. */
  hashToCurve(message: Uint8Array, tag: Uint8Array): Message
  /** sk * message, 96 bytes. */
  sign(secretKey: Uint8Array, message: Message): Uint8Array
  /** e(key, message) == e(generator, signature), as a product of two pairings with one final exponentiation. */
  pairingsAgree(key: Key, message: Message, signature: Signature): boolean
}
