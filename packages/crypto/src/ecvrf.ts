/**
 * Verifiable random functions over edwards25519, RFC 9381, on the arithmetic of noble-curves. The suites are
 * ECVRF-EDWARDS25519-SHA512-ELL2 (hash to curve by Elligator 2, the one the protocol uses) and -TAI.
 *
 * Only the output beta may enter a lottery: the proof is malleable by its maker, beta is not.
 */

import { mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import { ed25519, ed25519_hasher } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, equalBytes, utf8 } from './bytes.ts'
import { isCanonicalLargePoint, isCanonicalScalar, readScalar, writeScalar } from './ed25519-encoding.ts'
import { createRemembered } from './remembered.ts'

export type EcvrfSuite = 'ELL2' | 'TAI'

type Point = typeof ed25519.Point.BASE

const { BASE, ZERO, Fn } = ed25519.Point
const POINT_BYTES = 32
const CHALLENGE_BYTES = 16
const PROOF_BYTES = POINT_BYTES + CHALLENGE_BYTES + 32

const SUITE_BYTE = { ELL2: 0x04, TAI: 0x03 } as const satisfies Record<EcvrfSuite, number>
const ELL2_DST = concatBytes(utf8('ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_'), new Uint8Array([SUITE_BYTE.ELL2]))

// The domain separators of RFC 9381 5.2, 5.4.1.1 and 5.4.3.
const ENCODE_FRONT = 0x01
const CHALLENGE_FRONT = 0x02
const OUTPUT_FRONT = 0x03
const BACK = 0x00

/** The public key (32 bytes) of a seed, the same as for Ed25519. @throws TypeError if the seed is not 32 bytes */
export function ecvrfPublicKey(seed: Uint8Array): Uint8Array {
  return expandSeed(seed).publicKey
}

/**
 * The proof (80 bytes: Gamma, challenge, s) for input alpha, RFC 9381 5.1; deterministic.
 * @throws TypeError if the seed is not 32 bytes or the suite is unknown
 */
export function ecvrfProve(suite: EcvrfSuite, seed: Uint8Array, alpha: Uint8Array): Uint8Array {
  const { secret, nonceKey, publicKey } = expandSeed(seed)
  const H = encodeToCurve(suite, publicKey, alpha)
  const encodedH = H.toBytes()
  const gamma = H.multiply(secret).toBytes()
  // Nonce as in RFC 8032: a hash of secret bytes and the point, so it never repeats for two inputs.
  const k = Fn.create(readScalar(sha512(concatBytes(nonceKey, encodedH))))
  const challenge = hashPoints(suite, publicKey, encodedH, gamma, BASE.multiply(k).toBytes(), H.multiply(k).toBytes())
  const s = Fn.create(k + readScalar(challenge) * secret)
  return concatBytes(gamma, challenge, writeScalar(s))
}

/**
 * The output beta (64 bytes) if the proof is right for this key and input, else `undefined`, RFC 9381 5.3 with
 * key validation (5.4.5). Non-canonical points and scalars are refused; never throws on any bytes.
 * @throws TypeError if the suite is unknown
 */
export function ecvrfVerify(suite: EcvrfSuite, publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array): Uint8Array | undefined {
  const byte = Uint8Array.of(suiteByte(suite))
  return outputs([byte, publicKey, alpha, proof], () => verifiedOutput(suite, publicKey, alpha, proof))
}

const outputs = createRemembered<Uint8Array | undefined>(4096)

function verifiedOutput(suite: EcvrfSuite, publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array): Uint8Array | undefined {
  if (!isCanonicalLargePoint(publicKey)) return undefined
  const Y = decodePoint(publicKey)
  const decoded = decodeProof(proof)
  if (Y === undefined || decoded === undefined) return undefined
  const { gamma, challenge, s } = decoded
  const c = readScalar(challenge)
  const H = encodeToCurve(suite, publicKey, alpha)
  const U = mulAddUnsafe(ed25519.Point, [BASE, Y.negate()], [s, c])
  const V = mulAddUnsafe(ed25519.Point, [H, gamma.negate()], [s, c])
  const expected = hashPoints(suite, publicKey, H.toBytes(), proof.subarray(0, POINT_BYTES), U.toBytes(), V.toBytes())
  return equalBytes(expected, challenge) ? outputOf(suite, gamma) : undefined
}

/**
 * The output beta (64 bytes) of a proof that is already known to be right, RFC 9381 5.2; it checks the encoding only.
 * `undefined` if the proof does not decode.
 */
export function ecvrfProofToHash(proof: Uint8Array, suite: EcvrfSuite = 'ELL2'): Uint8Array | undefined {
  suiteByte(suite)
  const decoded = decodeProof(proof)
  return decoded && outputOf(suite, decoded.gamma)
}

function expandSeed(seed: Uint8Array): { secret: bigint; nonceKey: Uint8Array; publicKey: Uint8Array } {
  if (!(seed instanceof Uint8Array) || seed.length !== 32) throw new TypeError('ecvrf: expected a seed of 32 bytes')
  const { scalar, prefix, pointBytes } = ed25519.utils.getExtendedPublicKey(seed)
  return { secret: scalar, nonceKey: prefix, publicKey: pointBytes }
}

function suiteByte(suite: EcvrfSuite): number {
  const byte = SUITE_BYTE[suite]
  if (byte === undefined) throw new TypeError(`ecvrf: expected suite ELL2 or TAI, got ${suite}`)
  return byte
}

/** ECVRF_encode_to_curve with the public key as salt: a point of the prime-order subgroup that is not the identity. */
function encodeToCurve(suite: EcvrfSuite, publicKey: Uint8Array, alpha: Uint8Array): Point {
  if (suite === 'ELL2') return ed25519_hasher.encodeToCurve(concatBytes(publicKey, alpha), { DST: ELL2_DST })
  const front = new Uint8Array([suiteByte(suite), ENCODE_FRONT])
  // Each try succeeds with probability 1/2, so running out of counters is out of reach.
  for (let counter = 0; counter < 256; counter++) {
    const hash = sha512(concatBytes(front, publicKey, alpha, new Uint8Array([counter, BACK])))
    const H = decodePoint(hash.subarray(0, POINT_BYTES))?.clearCofactor()
    if (H !== undefined && !H.equals(ZERO)) return H
  }
  throw new Error('ecvrf: no counter in 0..255 gives a point')
}

function hashPoints(suite: EcvrfSuite, ...points: Uint8Array[]): Uint8Array {
  const front = new Uint8Array([suiteByte(suite), CHALLENGE_FRONT])
  return sha512(concatBytes(front, ...points, new Uint8Array([BACK]))).slice(0, CHALLENGE_BYTES)
}

function outputOf(suite: EcvrfSuite, gamma: Point): Uint8Array {
  const front = new Uint8Array([suiteByte(suite), OUTPUT_FRONT])
  return sha512(concatBytes(front, gamma.clearCofactor().toBytes(), new Uint8Array([BACK])))
}

function decodeProof(proof: Uint8Array): { gamma: Point; challenge: Uint8Array; s: bigint } | undefined {
  if (proof.length !== PROOF_BYTES) return undefined
  const scalar = proof.subarray(POINT_BYTES + CHALLENGE_BYTES)
  const gamma = isCanonicalScalar(scalar) ? decodePoint(proof.subarray(0, POINT_BYTES)) : undefined
  return gamma && { gamma, challenge: proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES), s: readScalar(scalar) }
}

/** RFC 8032 5.1.3: `undefined` if y is not below p, if there is no such point, or for x = 0 with the sign set. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return ed25519.Point.fromBytes(bytes, false)
  } catch {
    return undefined
  }
}
