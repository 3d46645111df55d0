import { mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { createBls } from '../bls.ts'
import { bytesToHex, concatBytes, equalBytes } from '../bytes.ts'
import { readScalar } from '../ed25519-encoding.ts'
import type { Backend, Ed25519Primitives } from './backend.ts'
import { createNobleBls } from './noble-bls.ts'

/** Everything in plain JavaScript, for browsers and any other runtime. */
export function createWebBackend(): Backend {
  const digest = (parts: Uint8Array[]) => sha256(parts.length === 1 ? parts[0]! : concatBytes(...parts))
  return {
    name: 'web',
    sha256: (...parts) => digest(parts),
    sha256d: (...parts) => sha256(digest(parts)),
    sha256Hex: (...parts) => bytesToHex(digest(parts)),
    sha256dHex: (...parts) => bytesToHex(sha256(digest(parts))),
    ed25519: nobleEd25519,
    bls: createBls(createNobleBls()),
  }
}

const nobleEd25519: Ed25519Primitives = {
  publicKey: (seed) => ed25519.getPublicKey(seed),
  sign: (message, seed) => ed25519.sign(message, seed),
  // The library's own verification multiplies by the cofactor, OpenSSL's does not; signatures with a
  // component of small order would split the network. So the equation is written out here.
  equationHolds: (signature, message, publicKey) => {
    const R = signature.subarray(0, 32)
    const challenge = ed25519.Point.Fn.create(readScalar(sha512(concatBytes(R, publicKey, message))))
    try {
      const A = ed25519.Point.fromBytes(publicKey, false)
      const S = readScalar(signature.subarray(32))
      return equalBytes(mulAddUnsafe(ed25519.Point, [ed25519.Point.BASE, A.negate()], [S, challenge]).toBytes(), R)
    } catch {
      return false
    }
  },
}

export const backend: Backend = createWebBackend()
