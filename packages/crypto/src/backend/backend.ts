import type { Bls } from '../bls.ts'

/**
 * What differs between Node and a browser tab. Both backends give equal bits for equal input; the tests
 * run them against each other. Everything else in this package is shared code.
 */
export interface Backend {
  readonly name: 'node' | 'web'
  /** SHA-256 over the concatenation of the parts, 32 bytes. */
  sha256(...parts: Uint8Array[]): Uint8Array
  /** SHA-256 of SHA-256 over the concatenation of the parts, 32 bytes. */
  sha256d(...parts: Uint8Array[]): Uint8Array
  sha256Hex(...parts: Uint8Array[]): string
  sha256dHex(...parts: Uint8Array[]): string
  readonly ed25519: Ed25519Primitives
  readonly bls: Bls
}

/** Ed25519 below the strict rules: callers check lengths and encodings first. */
export interface Ed25519Primitives {
  publicKey(seed: Uint8Array): Uint8Array
  sign(message: Uint8Array, seed: Uint8Array): Uint8Array
  /**
   * The cofactorless equation in its byte form: encode(S*B - SHA-512(R, A, M)*A) equals the bytes of R.
   * `false` also if A is not on the curve. S, A and R have passed the encoding rules.
   */
  equationHolds(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}
