import { bytesToHex } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

/** Little-endian u32 at `at`; the caller has checked the length. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** The 32 bytes at `at` as a hash or id. */
export function readHex32(bytes: Uint8Array, at: number): Hex {
  return bytesToHex(bytes.subarray(at, at + 32))
}
