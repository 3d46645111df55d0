/** Plain byte-string arithmetic. None of it is constant-time: use it on public data only. */

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex, two digits per byte. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = ''
  for (let i = 0; i < bytes.length; i++) hex += HEX_OF_BYTE[bytes[i]!]
  return hex
}

/**
 * Bytes of a hex string; upper and lower case digits are read.
 * @throws TypeError on an odd length or on any character that is not a hex digit
 */
export function hexToBytes(hex: string): Uint8Array {
  if (typeof hex !== 'string' || hex.length % 2 !== 0)
    throw new TypeError('hexToBytes: expected a string with an even number of hex digits')
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(hex.charCodeAt(2 * i))
    const low = hexDigit(hex.charCodeAt(2 * i + 1))
    if (high < 0 || low < 0) throw new TypeError(`hexToBytes: not a hex digit near position ${2 * i}`)
    bytes[i] = high * 16 + low
  }
  return bytes
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  if (code >= 97 && code <= 102) return code - 87
  if (code >= 65 && code <= 70) return code - 55
  return -1
}

const encoder = new TextEncoder()

/** UTF-8 bytes of a string; domain tags are ASCII, so for them one byte per character. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** All parts one after the other, in a new array. */
export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Same length and same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lexicographic order of unsigned bytes, a prefix before its extensions: negative, 0 or positive, as `sort` expects. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/**
 * Four bytes, little-endian, as integers enter hashed strings (A25).
 * @throws RangeError unless n is an integer in 0 .. 2^32-1
 */
export function u32le(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) throw new RangeError(`u32le: expected an integer in 0..2^32-1, got ${n}`)
  return new Uint8Array([n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24])
}

/**
 * Eight bytes, little-endian.
 * @throws RangeError unless n is an integer in 0 .. 2^64-1 (a `number` must also be a safe integer)
 */
export function u64le(n: bigint | number): Uint8Array {
  if (typeof n === 'number' && !Number.isSafeInteger(n)) throw new RangeError(`u64le: expected a safe integer, got ${n}`)
  const value = BigInt(n)
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`u64le: expected an integer in 0..2^64-1, got ${n}`)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}
