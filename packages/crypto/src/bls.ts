import { bls12_381 } from '@noble/curves/bls12-381.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { BlsArithmetic } from './bls-arithmetic.ts'
import { createBoundedCache } from './bounded-cache.ts'
import { bytesToHex, concatBytes, utf8 } from './bytes.ts'

/** Domain tag of ordinary signatures (A23), the DST of RFC 9380. */
export const BLS_DST = 'POUW-BLS-v1'
/** Domain tag of proofs of possession, which sign the 48-byte public key (A23). */
export const BLS_POP_DST = 'POUW-BLS-POP-v1'

/** A threshold share: the signature by the polynomial's value at `index`. */
export interface BlsShare {
  readonly index: number
  readonly sig: Uint8Array
}

/**
 * BLS signatures over BLS12-381: public keys are 48 bytes in G1, signatures 96 bytes in G2, messages are hashed
 * by BLS12381G2_XMD:SHA-256_SSWU_RO_ (RFC 9380 8.8.2) under a tag of 1 .. 255 bytes.
 *
 * Bytes from others are checked for canonical encoding, curve, subgroup and infinity; bad ones give `false` or
 * `undefined`, never an exception. Secret keys are the caller's own: TypeError unless 32 bytes, RangeError
 * unless in 1 .. r-1 (big-endian). A tag of bad length is a RangeError too.
 *
 * Only keys with a verified proof of possession may enter `fastAggregateVerify`: without it a rogue key cancels others.
 */
export interface Bls {
  publicKey(secretKey: Uint8Array): Uint8Array
  sign(secretKey: Uint8Array, message: Uint8Array, dst?: string): Uint8Array
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, dst?: string): boolean
  /** The sum of one or more signatures; `undefined` for none, for a bad one, or if the sum is infinity. */
  aggregateSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined
  /** Whether the aggregate signature holds for all keys on one message; `false` for no keys. A key given twice counts twice. */
  fastAggregateVerify(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array, dst?: string): boolean
  provePossession(secretKey: Uint8Array): Uint8Array
  verifyPossession(publicKey: Uint8Array, proof: Uint8Array): boolean
  /**
   * The group's signature from shares at distinct indices 1 .. 2^32-1, by Lagrange coefficients at 0 (spec 7.2).
   * It is right only if the shares are: verify it, and on failure verify each share. `undefined` on bad input.
   */
  combine(shares: readonly BlsShare[]): Uint8Array | undefined
  /** A secret key from at least 32 secret bytes: KeyGen of draft-irtf-cfrg-bls-signature-05 2.3. @throws RangeError if shorter */
  keyFromSeed(ikm: Uint8Array): Uint8Array
}

const { Fr } = bls12_381.fields

const PUBLIC_KEYS_MAX = 1024
/** A committee's shares all sign one message, so a few recent ones are enough. */
const MESSAGES_MAX = 32

/** The scheme over the given arithmetic; one instance keeps two bounded caches. */
export function createBls<Key, Signature, Message>(arithmetic: BlsArithmetic<Key, Signature, Message>): Bls {
  const publicKeys = createBoundedCache<{ key: Key | undefined }>(PUBLIC_KEYS_MAX)
  const messages = createBoundedCache<{ message: Message }>(MESSAGES_MAX)

  function parsePublicKey(bytes: Uint8Array): Key | undefined {
    if (bytes.length !== 48) return undefined
    return publicKeys(bytesToHex(bytes), () => ({ key: arithmetic.parsePublicKey(bytes) })).key
  }

  function hashed(message: Uint8Array, dst: string): Message {
    const tag = readTag(dst)
    const key = bytesToHex(sha256(concatBytes(new Uint8Array([tag.length]), tag, message)))
    return messages(key, () => ({ message: arithmetic.hashToCurve(message, tag) })).message
  }

  function sign(secretKey: Uint8Array, message: Uint8Array, dst: string = BLS_DST): Uint8Array {
    return arithmetic.sign(assertInRange(secretKey), hashed(message, dst))
  }

  function verifyKey(publicKey: Key | undefined, message: Uint8Array, signature: Uint8Array, dst: string): boolean {
    readTag(dst)
    if (publicKey === undefined) return false
    const point = arithmetic.parseSignature(signature)
    // Bytes that are no signature must cost little, so hashing comes last.
    return point !== undefined && arithmetic.pairingsAgree(publicKey, hashed(message, dst), point)
  }

  function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, dst: string = BLS_DST): boolean {
    return verifyKey(parsePublicKey(publicKey), message, signature, dst)
  }

  function sumPublicKeys(publicKeys: readonly Uint8Array[]): Key | undefined {
    const keys: Key[] = []
    for (const bytes of publicKeys) {
      const key = parsePublicKey(bytes)
      if (key === undefined) return undefined
      keys.push(key)
    }
    return keys.length === 0 ? undefined : arithmetic.sumPublicKeys(keys)
  }

  return {
    publicKey: (secretKey) => arithmetic.publicKey(assertInRange(secretKey)),
    sign,
    verify,
    aggregateSignatures: (signatures) => (signatures.length === 0 ? undefined : arithmetic.sumSignatures(signatures)),
    fastAggregateVerify: (keys, message, signature, dst = BLS_DST) => verifyKey(sumPublicKeys(keys), message, signature, dst),
    provePossession: (secretKey) => sign(secretKey, arithmetic.publicKey(assertInRange(secretKey)), BLS_POP_DST),
    verifyPossession: (publicKey, proof) => verify(publicKey, publicKey, proof, BLS_POP_DST),
    combine: (shares) => combine(arithmetic, shares),
    keyFromSeed,
  }
}

function combine<Signature>(arithmetic: BlsArithmetic<unknown, Signature, unknown>, shares: readonly BlsShare[]): Uint8Array | undefined {
  if (shares.length === 0) return undefined
  const indices = shares.map((share) => share.index)
  if (!indices.every((index) => Number.isInteger(index) && index >= 1 && index <= 0xffff_ffff)) return undefined
  if (new Set(indices).size !== indices.length) return undefined
  const signatures: Signature[] = []
  for (const share of shares) {
    const signature = arithmetic.parseSignature(share.sig)
    if (signature === undefined) return undefined
    signatures.push(signature)
  }
  return arithmetic.combineSignatures(
    signatures,
    indices.map((index) => lagrangeAtZero(BigInt(index), indices)),
  )
}

/** The product over the other indices l of l / (l - index), modulo the group order. */
function lagrangeAtZero(index: bigint, indices: readonly number[]): bigint {
  let numerator = 1n
  let denominator = 1n
  for (const other of indices) {
    const l = BigInt(other)
    if (l === index) continue
    numerator = Fr.mul(numerator, l)
    denominator = Fr.mul(denominator, Fr.create(l - index))
  }
  return Fr.mul(numerator, Fr.inv(denominator))
}

const KEYGEN_SALT = utf8('BLS-SIG-KEYGEN-SALT-')
const KEYGEN_BYTES = 48

function keyFromSeed(ikm: Uint8Array): Uint8Array {
  if (!(ikm instanceof Uint8Array) || ikm.length < 32) throw new RangeError('bls: expected at least 32 bytes of key material')
  let salt = KEYGEN_SALT
  for (;;) {
    salt = sha256(salt)
    const prk = extract(sha256, concatBytes(ikm, new Uint8Array(1)), salt)
    const okm = expand(sha256, prk, new Uint8Array([0, KEYGEN_BYTES]), KEYGEN_BYTES)
    const scalar = BigInt(`0x${bytesToHex(okm)}`) % Fr.ORDER
    if (scalar !== 0n) return Fr.toBytes(scalar)
  }
}

/** The same key, if it is one. */
function assertInRange(secretKey: Uint8Array): Uint8Array {
  if (!(secretKey instanceof Uint8Array) || secretKey.length !== 32) throw new TypeError('bls: expected a secret key of 32 bytes')
  const scalar = BigInt(`0x${bytesToHex(secretKey)}`)
  if (scalar === 0n || scalar >= Fr.ORDER) throw new RangeError('bls: the secret key is zero or not below the group order')
  return secretKey
}

function readTag(dst: string): Uint8Array {
  const tag = utf8(dst)
  if (tag.length < 1 || tag.length > 255) throw new RangeError(`bls: expected a tag of 1..255 bytes, got ${tag.length}`)
  return tag
}
