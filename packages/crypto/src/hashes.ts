import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { backend } from '#backend'
import { bytesToHex, concatBytes } from './bytes.ts'

/** SHA-256 over the concatenation of the parts: 32 bytes. No parts hash as the empty string. */
export const sha256: (...parts: Uint8Array[]) => Uint8Array = backend.sha256

/** SHA-256 of the SHA-256 over the concatenation of the parts: 32 bytes, in the order Bitcoin hashes them on. */
export const sha256d: (...parts: Uint8Array[]) => Uint8Array = backend.sha256d

/** As `sha256`, in lower-case hex of the raw bytes. */
export const sha256Hex: (...parts: Uint8Array[]) => string = backend.sha256Hex

/** As `sha256d`, in lower-case hex of the raw bytes (not reversed). */
export const sha256dHex: (...parts: Uint8Array[]) => string = backend.sha256dHex

/** From this size on, starting a digest beside the caller costs less of his time than taking it himself: 20 to 50 us against 70 and more. */
const BESIDE_FROM = 131_072

/**
 * `sha256Hex`, found beside the caller's thread by the platform's own code (WebCrypto, in Node and in browsers) where the bytes are many enough for
 * that. It begins at once: the parts are copied during the call and may change after it.
 */
export async function sha256HexBeside(...parts: Uint8Array[]): Promise<string> {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  // A page that came over an insecure connection has no WebCrypto.
  const subtle = globalThis.crypto?.subtle
  if (size < BESIDE_FROM || !subtle) return sha256Hex(...parts)
  return bytesToHex(new Uint8Array(await subtle.digest('SHA-256', concatBytes(...parts) as Uint8Array<ArrayBuffer>)))
}

/**
 * HKDF with SHA-256, RFC 5869: extract with the salt, then expand to `length` bytes.
 * @throws RangeError unless length is an integer in 0 .. 8160
 */
export function hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length > 255 * 32)
    throw new RangeError(`hkdfSha256: expected a length in 0..8160, got ${length}`)
  return length === 0 ? new Uint8Array(0) : hkdf(nobleSha256, ikm, salt, info, length)
}
