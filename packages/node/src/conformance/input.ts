/** Reads the fields of one published case. What does not have the documented form is `MalformedCase`: exit 2, never a pass. */
import { hexToBytes } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

export class MalformedCase extends Error {
  override readonly name = 'MalformedCase'
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface Input {
  has(key: string): boolean
  keys(): string[]
  raw(key: string): Json
  text(key: string): string
  /** Bytes of a hex string; with `length`, exactly so many. */
  bytes(key: string, length?: number): Uint8Array
  hex(key: string, length?: number): Hex
  hexes(key: string, length?: number): Hex[]
  /** An integer in 0 .. max. */
  integer(key: string, max?: number): number
  /** A decimal string (or small integer) in 0 .. 2^64-1. */
  u64(key: string): bigint
  /** Numbers, each rounded once to binary32. */
  floats(key: string): Float32Array
  float(key: string): number
  object(key: string): Input
  list(key: string): Input[]
}

export function openInput(value: Json | undefined, path: string): Input {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedCase(`${path}: expected an object`)
  const fields = value as { readonly [key: string]: Json }

  const at = (key: string): Json => {
    const found = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (found === undefined) throw new MalformedCase(`${path}.${key} is missing`)
    return found
  }
  const array = (key: string): readonly Json[] => {
    const found = at(key)
    if (!Array.isArray(found)) throw new MalformedCase(`${path}.${key}: expected a list`)
    return found
  }
  const hexOf = (found: Json, where: string, length?: number): Hex => {
    if (typeof found !== 'string' || !/^([0-9a-f]{2})*$/.test(found)) throw new MalformedCase(`${where}: expected lower-case hex`)
    if (length !== undefined && found.length !== 2 * length)
      throw new MalformedCase(`${where}: expected ${length} bytes, received ${found.length / 2}`)
    return found
  }
  const number = (found: Json, where: string): number => {
    if (typeof found !== 'number') throw new MalformedCase(`${where}: expected a number`)
    return found
  }

  const input: Input = {
    has: (key) => Object.hasOwn(fields, key),
    keys: () => Object.keys(fields),
    raw: at,
    text(key) {
      const found = at(key)
      if (typeof found !== 'string') throw new MalformedCase(`${path}.${key}: expected a string`)
      return found
    },
    hex: (key, length) => hexOf(at(key), `${path}.${key}`, length),
    bytes: (key, length) => hexToBytes(hexOf(at(key), `${path}.${key}`, length)),
    hexes: (key, length) => array(key).map((item, i) => hexOf(item, `${path}.${key}[${i}]`, length)),
    integer(key, max = Number.MAX_SAFE_INTEGER) {
      const found = number(at(key), `${path}.${key}`)
      if (!Number.isSafeInteger(found) || found < 0 || found > max)
        throw new MalformedCase(`${path}.${key}: expected an integer in 0..${max}`)
      return found
    },
    u64(key) {
      const found = at(key)
      if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return BigInt(found)
      if (typeof found !== 'string' || !/^\d{1,20}$/.test(found) || BigInt(found) >> 64n !== 0n) {
        throw new MalformedCase(`${path}.${key}: expected a decimal string below 2^64`)
      }
      return BigInt(found)
    },
    floats: (key) => Float32Array.from(array(key), (item, i) => number(item, `${path}.${key}[${i}]`)),
    float: (key) => Math.fround(number(at(key), `${path}.${key}`)),
    object: (key) => openInput(at(key), `${path}.${key}`),
    list: (key) => array(key).map((item, i) => openInput(item, `${path}.${key}[${i}]`)),
  }
  return input
}
