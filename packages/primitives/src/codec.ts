/**
 * The binary codec of every fixed layout: micro-packed, made strict. Each object has one encoding; a decoder refuses every other byte string.
 */
import { bytesToHex, hexToBytes } from '@pouw/crypto'
import * as P from 'micro-packed'

/** Raw bytes of a hash, key or id, as lower-case hex. */
export type Hex = string

export type Coder<T> = P.CoderType<T>

/** `length` raw bytes as lower-case hex. */
export function hexBytes(length: number): Coder<Hex> {
  return P.apply(P.bytes(length), { encode: (bytes: Uint8Array) => bytesToHex(bytes), decode: (hex: Hex) => hexToBytes(hex) })
}

export const hash32 = hexBytes(32)

/** Reserved bytes: zero, and nothing else. */
export function reserved(length: number): Coder<undefined> {
  return P.magicBytes(new Uint8Array(length))
}

/** u64 little-endian as a number; refuses what a double cannot hold. */
export const u64Number: Coder<number> = P.validate(
  P.apply(P.U64LE, { encode: (value: bigint) => Number(value), decode: (value: number) => BigInt(value) }),
  (value) => {
    if (!Number.isSafeInteger(value)) throw new RangeError(`expected a safe integer, received ${value}`)
    return value
  },
)

/** Finite binary32; NaN and infinities never travel (A6). */
export const finite32: Coder<number> = P.validate(P.F32LE, (value) => {
  if (!Number.isFinite(value)) throw new RangeError(`expected a finite binary32, received ${value}`)
  return value
})

/** A list behind a u16 count, of at most `max` items. */
export function listOf<T>(item: Coder<T>, max: number): Coder<T[]> {
  return P.validate(P.array(P.U16LE, item), (list) => {
    if (list.length > max) throw new RangeError(`expected at most ${max} items, received ${list.length}`)
    return list
  })
}

/** Bytes behind a u32 length, at most `max` of them. */
export function bytesUpTo(max: number): Coder<Uint8Array> {
  return P.validate(P.bytes(P.U32LE), (bytes) => {
    if (bytes.length > max) throw new RangeError(`expected at most ${max} bytes, received ${bytes.length}`)
    return bytes
  })
}

/** Decodes untrusted bytes: the value, or undefined for anything but its one encoding of at most `max` bytes. */
export function decodeStrict<T>(coder: Coder<T>, bytes: Uint8Array, max: number): T | undefined {
  if (bytes.length > max) return undefined
  try {
    return coder.decode(bytes)
  } catch {
    return undefined
  }
}
