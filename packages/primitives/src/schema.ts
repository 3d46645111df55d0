/**
 * Documents with one canonical encoding: a schema checks shape and ranges, CBOR (RFC 8949 4.2.1, deterministic) gives the bytes.
 *
 * A number is an integer or a binary32; CBOR writes the shortest form that keeps the value, so there is exactly one. Decoding demands that
 * encoding again gives the same bytes.
 */
import { bytesToHex } from '@pouw/crypto'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'

/** Checks one value and gives it back in its normal form. @throws TypeError that names the path, what was expected and what came */
export type Check<T> = (value: unknown, path: string) => T

function fail(path: string, expected: string, received: unknown): never {
  const shown = typeof received === 'bigint' ? received.toString() : (JSON.stringify(received) ?? String(received))
  throw new TypeError(`${path || 'document'}: expected ${expected}, received ${shown.length > 60 ? `${shown.slice(0, 60)}...` : shown}`)
}

export function integer(min: number, max: number): Check<number> {
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0) && value >= min && value <= max
      ? value
      : fail(path, `an integer from ${min} to ${max}`, value)
}

/** A finite binary32, rounded once from what was written. Negative zero becomes zero. */
export function binary32(min: number, max: number): Check<number> {
  return (value, path) => {
    const rounded = typeof value === 'number' ? Math.fround(value) + 0 : Number.NaN
    return rounded >= min && rounded <= max ? rounded : fail(path, `a number from ${min} to ${max}`, value)
  }
}

/** Base units; a decimal string in hand-written documents. */
export const amount: Check<bigint> = (value, path) => {
  const read =
    typeof value === 'bigint'
      ? value
      : typeof value === 'number' && Number.isSafeInteger(value)
        ? BigInt(value)
        : typeof value === 'string' && /^\d{1,19}$/.test(value)
          ? BigInt(value)
          : -1n
  return read >= 0n && read < 1n << 63n ? read : fail(path, 'an amount in base units', value)
}

export function text(min: number, max: number): Check<string> {
  return (value, path) =>
    typeof value === 'string' && value.length >= min && value.length <= max
      ? value
      : fail(path, `a text of ${min} to ${max} characters`, value)
}

export const hash: Check<string> = (value, path) =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? value : fail(path, '64 lower-case hex digits', value)

export function literal<const T extends string | number>(...allowed: readonly T[]): Check<T> {
  return (value, path) => allowed.find((one) => one === value) ?? fail(path, allowed.map((one) => JSON.stringify(one)).join(' or '), value)
}

export function list<T>(item: Check<T>, min: number, max: number): Check<T[]> {
  return (value, path) =>
    Array.isArray(value) && value.length >= min && value.length <= max
      ? value.map((entry, index) => item(entry, `${path}[${index}]`))
      : fail(path, `a list of ${min} to ${max}`, value)
}

/** A key that may be left out: then it has no bytes either. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, path) => (value === undefined ? undefined : check(value, path))
}

export const truth: Check<boolean> = (value, path) => (typeof value === 'boolean' ? value : fail(path, 'true or false', value))

/** The first check that accepts the value; `expected` says in words what all of them are. */
export function either<A, B>(expected: string, first: Check<A>, second: Check<B>): Check<A | B> {
  return (value, path) => {
    for (const check of [first, second]) {
      try {
        return check(value, path)
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
      }
    }
    return fail(path, expected, value)
  }
}

/** A map whose `type` says which keys it has. */
export function variant<T extends { readonly type?: string }>(shapes: { readonly [name: string]: Check<T> }, byDefault?: string): Check<T> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(path, 'a map', value)
    const type = (value as { type?: unknown }).type ?? byDefault
    if (typeof type !== 'string' || !Object.hasOwn(shapes, type))
      return fail(`${path}.type`, `one of ${Object.keys(shapes).join(', ')}`, type)
    return shapes[type]!(value, path)
  }
}

/** Exactly these keys, but for those that are optional. */
export function object<T extends object>(shape: { readonly [K in keyof T]-?: Check<T[K]> | Check<T[K] | undefined> }): Check<T> {
  const keys = Object.keys(shape) as (keyof T & string)[]
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(path, 'a map', value)
    for (const key of Object.keys(value)) if (!Object.hasOwn(shape, key)) throw new TypeError(`${path || 'document'}: unknown key "${key}"`)
    const checked = {} as T
    for (const key of keys) {
      const read = shape[key]((value as Record<string, unknown>)[key], path === '' ? key : `${path}.${key}`)
      if (read !== undefined) checked[key] = read as T[typeof key]
    }
    return checked
  }
}

/** The canonical bytes of a checked document. */
export function encodeCanonical(value: object): Uint8Array {
  return encode(value, rfc8949EncodeOptions)
}

/** @throws TypeError with a reason, for anything but the canonical bytes of a document that fits */
export function decodeCanonical<T extends object>(bytes: Uint8Array, check: Check<T>): T {
  let plain: unknown
  try {
    plain = decode(bytes, {
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
    })
  } catch (cause) {
    throw new TypeError(`not canonical CBOR: ${(cause as Error).message}`)
  }
  const value = check(plain, '')
  if (bytesToHex(encodeCanonical(value)) !== bytesToHex(bytes)) throw new TypeError('not the canonical encoding of this document')
  return value
}
