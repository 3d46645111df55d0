/** Targets and work: Bitcoin's compact form, and the per-block ASERT rule (A26). */
import { hexToBytes } from '@pouw/crypto'
import type { Hex } from './codec.ts'

/** Undefined if negative, zero or above 2^256. */
export function bitsToTarget(bits: number): bigint | undefined {
  const size = bits >>> 24
  const word = bits & 0x7fffff
  if ((bits & 0x800000) !== 0 && word !== 0) return undefined
  const target = size <= 3 ? BigInt(word >>> (8 * (3 - size))) : BigInt(word) << BigInt(8 * (size - 3))
  return target === 0n || target >> 256n !== 0n ? undefined : target
}

/** The compact form, rounded down. @throws RangeError unless 0 < target < 2^256 */
export function targetToBits(target: bigint): number {
  if (target <= 0n || target >> 256n !== 0n) throw new RangeError(`expected 0 < target < 2^256, received ${target}`)
  let size = Math.ceil(target.toString(16).length / 2)
  let word = size <= 3 ? Number(target) << (8 * (3 - size)) : Number(target >> BigInt(8 * (size - 3)))
  if (word & 0x800000) {
    word >>>= 8
    size++
  }
  return ((size << 24) | word) >>> 0
}

/** Expected tries to meet a target: floor(2^256 / (target + 1)). */
export function targetToWork(target: bigint): bigint {
  return (1n << 256n) / (target + 1n)
}

/** A raw hash read as a little-endian number is at most the target (A25). */
export function hashMeets(id: Hex, target: bigint): boolean {
  let hash = 0n
  for (const byte of hexToBytes(id).reverse()) hash = (hash << 8n) | BigInt(byte)
  return hash <= target
}

export interface Anchor {
  readonly height: number
  readonly time: number
  readonly bits: number
}

const RADIX = 16n

/**
 * aserti3-2d: the next block's bits from the parent's height and time, in integers.
 * target = anchor target * 2^((time elapsed - spacing * (height difference + 1)) / half-life), the fractional power by a cubic.
 */
export function asert(
  anchor: Anchor,
  parentHeight: number,
  parentTime: number,
  spacingS: number,
  halfLifeS: number,
  limit: bigint,
): number {
  const elapsed = BigInt(parentTime - anchor.time)
  const ideal = BigInt(spacingS) * BigInt(parentHeight - anchor.height + 1)
  const halfLife = BigInt(halfLifeS)
  const dividend = (elapsed - ideal) << RADIX
  // Truncating division, as the published algorithm says, then an arithmetic shift.
  const exponent = dividend / halfLife
  const shifts = exponent >> RADIX
  const fraction = exponent - (shifts << RADIX)
  const factor =
    65_536n +
    ((195_766_423_245_049n * fraction + 971_821_376n * fraction * fraction + 5_127n * fraction * fraction * fraction + (1n << 47n)) >> 48n)
  let target = bitsToTarget(anchor.bits)! * factor
  const shift = shifts - RADIX
  target = shift <= 0n ? target >> -shift : target << shift
  if (target <= 0n) target = 1n
  if (target > limit) target = limit
  return targetToBits(target)
}
