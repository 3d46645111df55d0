import { hexToBytes } from './bytes.ts'

/** The order of the prime subgroup of edwards25519. */
export const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** A little-endian integer of any length. */
export function readScalar(bytes: Uint8Array): bigint {
  let hex = '0x'
  for (let i = bytes.length - 1; i >= 0; i--) hex += (bytes[i]! + 256).toString(16).slice(1)
  return BigInt(hex)
}

/** 32 bytes, little-endian; n must be in 0 .. 2^256-1. */
export function writeScalar(n: bigint): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, (n >> BigInt(64 * i)) & 0xffff_ffff_ffff_ffffn, true)
  return bytes
}

const ORDER_BYTES = writeScalar(ED25519_ORDER)

/** 32 bytes that encode an integer below the group order. */
export function isCanonicalScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  for (let i = 31; i >= 0; i--) {
    if (bytes[i]! !== ORDER_BYTES[i]!) return bytes[i]! < ORDER_BYTES[i]!
  }
  return false
}

/** The y coordinates of the eight points of small order, as encoded without the sign bit. */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  hexToBytes('0000000000000000000000000000000000000000000000000000000000000000'),
  hexToBytes('0100000000000000000000000000000000000000000000000000000000000000'),
  hexToBytes('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
  hexToBytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  hexToBytes('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
]

/**
 * 32 bytes with y < p that do not encode a point of small order. Whether a point with this y exists is left
 * to whoever decodes it. The sign bit is ignored when looking for small orders; that also refuses "x = 0 with
 * sign 1", because x = 0 occurs only at y = 1 and y = -1, which are both of small order.
 */
export function isCanonicalLargePoint(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  if ((bytes[31]! & 0x7f) === 0x7f && bytes[0]! >= 0xed && isFilledWithOnes(bytes)) return false
  for (const y of SMALL_ORDER_Y) {
    if (bytes[0] === y[0] && sameY(bytes, y)) return false
  }
  return true
}

function isFilledWithOnes(bytes: Uint8Array): boolean {
  for (let i = 1; i < 31; i++) if (bytes[i] !== 0xff) return false
  return true
}

function sameY(bytes: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i++) if (bytes[i] !== y[i]) return false
  return (bytes[31]! & 0x7f) === y[31]!
}
