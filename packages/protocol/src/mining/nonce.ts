/**
 * The useful-work nonce: a double hash of what one training iteration produced, and the few numbers after it (spec 10.2).
 */
import { bytesToHex, concatBytes, hexToBytes, sha256, sha256d } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

const MODULUS = 1n << 256n

/** SHA-256(model hash || canonical map bytes); spec 10.2. */
export function precursor(endModelHash: Hex, map: Uint8Array): Uint8Array {
  return sha256(hexToBytes(endModelHash), map)
}

/** nonce_0 = SHA-256(precursor), all 32 bytes. */
export function nonceZero(endModelHash: Hex, map: Uint8Array): Uint8Array {
  return sha256(precursor(endModelHash, map))
}

/** nonce_j = (nonce_0 + j) mod 2^256, as 32 big-endian bytes. */
export function nonceAt(zero: Uint8Array, j: number): Uint8Array {
  const value = (BigInt(`0x${bytesToHex(zero)}`) + BigInt(j)) % MODULUS
  return hexToBytes(value.toString(16).padStart(64, '0'))
}

/** The j with nonce = nonce_j, or undefined unless 0 <= j < budget; check 9 of spec 10.6. */
export function nonceIndex(zero: Uint8Array, nonce: Hex, budget: number): number | undefined {
  const distance = (BigInt(`0x${nonce}`) - BigInt(`0x${bytesToHex(zero)}`) + MODULUS) % MODULUS
  return distance < BigInt(budget) ? Number(distance) : undefined
}

export interface TryCost {
  readonly omegaB: number
  readonly omegaM: number
  readonly flopsPerTry: number
}

/**
 * Tries that one iteration earns: a = max(1, min((oB batchBytes + oM params) >> 32, floor(6 products samples / flopsPerTry))).
 * Without `samples` only the first term counts (A27).
 *
 * @param products multiply-adds of one sample; of a dense stack its parameters
 */
export function tryBudget(cost: TryCost, batchBytes: number, params: number, samples?: number, products: number = params): number {
  let tries = (BigInt(cost.omegaB) * BigInt(batchBytes) + BigInt(cost.omegaM) * BigInt(params)) >> 32n
  if (samples !== undefined) {
    const byFlops = (6n * BigInt(products) * BigInt(samples)) / BigInt(cost.flopsPerTry)
    if (byFlops < tries) tries = byFlops
  }
  return tries < 1n ? 1 : Number(tries)
}

/** A task (and the filler) whose iteration costs less than one try is invalid (A27). */
export function worthATry(cost: TryCost, params: number, samples: number): boolean {
  return 6n * BigInt(params) * BigInt(samples) >= BigInt(cost.flopsPerTry)
}

/**
 * Tries the `budget` nonces of one iteration against the target; returns the first nonce that meets it.
 * One try is one SHA256d of the 172-byte header. The block id is read as a little-endian number, as in Bitcoin.
 */
export function mineHeader(
  zeroNonceHeader: Uint8Array,
  zero: Uint8Array,
  messageHash: Hex,
  historyRoot: Hex,
  target: bigint,
  budget: number,
): Hex | undefined {
  const header = concatBytes(zeroNonceHeader, zero, hexToBytes(messageHash), hexToBytes(historyRoot))
  const bound = hexToBytes(target.toString(16).padStart(64, '0'))
  for (let j = 0; j < budget; j++) {
    if (meets(sha256d(header), bound)) return bytesToHex(header.subarray(76, 108))
    increment(header, 107)
  }
  return undefined
}

/** Adds one to the 32-byte big-endian number whose last byte is at `last`, modulo 2^256. */
function increment(bytes: Uint8Array, last: number): void {
  for (let i = last; i > last - 32; i--) {
    const next = (bytes[i]! + 1) & 0xff
    bytes[i] = next
    if (next !== 0) return
  }
}

/** hash (little-endian) <= bound (big-endian), most significant byte first. */
function meets(hash: Uint8Array, bound: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const h = hash[31 - i]!
    const b = bound[i]!
    if (h !== b) return h < b
  }
  return true
}
