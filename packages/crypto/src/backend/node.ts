import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  hash,
  type KeyObject,
} from 'node:crypto'
import { createBls } from '../bls.ts'
import { createBoundedCache } from '../bounded-cache.ts'
import type { Backend, Ed25519Primitives } from './backend.ts'
import { createNodeBls } from './node-bls.ts'

/** Hashes and Ed25519 by OpenSSL, BLS by blst and mcl. */
export function createNodeBackend(): Backend {
  return { name: 'node', ...createSha256(), ed25519: createEd25519(), bls: createBls(createNodeBls()) }
}

/** Parts up to this many bytes in all are joined in one buffer, so that hashing them is a single call. */
const JOINED_BYTES_MAX = 8192

function createSha256(): Pick<Backend, 'sha256' | 'sha256d' | 'sha256Hex' | 'sha256dHex'> {
  const joined = new Uint8Array(JOINED_BYTES_MAX)
  const inner = new Uint8Array(32)

  // The one-shot hash with a string result takes 0.3 us for a header, with a Buffer result 1.3 us.
  function digest(parts: Uint8Array[], encoding: 'hex' | 'binary'): string {
    if (parts.length === 1) return hash('sha256', parts[0]!, encoding)
    let length = 0
    for (const part of parts) length += part.length
    if (length > JOINED_BYTES_MAX) {
      const incremental = createHash('sha256')
      for (const part of parts) incremental.update(part)
      return incremental.digest(encoding)
    }
    let offset = 0
    for (const part of parts) {
      joined.set(part, offset)
      offset += part.length
    }
    return hash('sha256', joined.subarray(0, length), encoding)
  }

  function digestTwice(parts: Uint8Array[], encoding: 'hex' | 'binary'): string {
    return hash('sha256', fromBinary(digest(parts, 'binary'), inner), encoding)
  }

  return {
    sha256: (...parts) => fromBinary(digest(parts, 'binary'), new Uint8Array(32)),
    sha256d: (...parts) => fromBinary(digestTwice(parts, 'binary'), new Uint8Array(32)),
    sha256Hex: (...parts) => digest(parts, 'hex'),
    sha256dHex: (...parts) => digestTwice(parts, 'hex'),
  }
}

function fromBinary(text: string, into: Uint8Array): Uint8Array {
  for (let i = 0; i < 32; i++) into[i] = text.charCodeAt(i)
  return into
}

/** Parsed keys kept per backend: making a key object costs as much as a third of a verification. */
const PUBLIC_KEYS_MAX = 4096
const PRIVATE_KEYS_MAX = 64

// DER headers of RFC 8410; the 32 raw bytes follow.
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')

function createEd25519(): Ed25519Primitives {
  const publicKeys = createBoundedCache<KeyObject>(PUBLIC_KEYS_MAX)
  const privateKeys = createBoundedCache<KeyObject>(PRIVATE_KEYS_MAX)

  function privateKeyOf(seed: Uint8Array): KeyObject {
    return privateKeys(binary(seed), () => createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: 'der', type: 'pkcs8' }))
  }

  return {
    publicKey: (seed) => {
      const spki = createPublicKey(privateKeyOf(seed)).export({ format: 'der', type: 'spki' })
      return new Uint8Array(spki.subarray(SPKI_HEADER.length))
    },
    sign: (message, seed) => new Uint8Array(cryptoSign(null, message, privateKeyOf(seed))),
    equationHolds: (signature, message, publicKey) => {
      const key = publicKeys(binary(publicKey), () =>
        createPublicKey({ key: Buffer.concat([SPKI_HEADER, publicKey]), format: 'der', type: 'spki' }),
      )
      return cryptoVerify(null, message, key, signature)
    },
  }
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export const backend: Backend = createNodeBackend()
