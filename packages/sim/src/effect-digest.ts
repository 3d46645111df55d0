/** One hash over everything that a run did, so that two runs can be compared by 64 digits. */
import { bytesToHex, concatBytes, sha256, u32le, utf8 } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'
import type { Effect } from '@pouw/protocol'

export interface EffectDigest {
  add(node: string, atMs: number, effect: Effect): void
  value(): Hex
}

/** Each effect is hashed with what came before: h = SHA-256(h || node || time || effect). */
export function createEffectDigest(): EffectDigest {
  let hash = sha256(utf8('POUW-SIM-v1'))
  return {
    add(node, atMs, effect) {
      const parts: Uint8Array[] = [hash]
      write(parts, node)
      write(parts, atMs)
      write(parts, effect)
      hash = sha256(...parts)
    },
    value: () => bytesToHex(hash),
  }
}

/** Type byte, length where needed, content; map keys in code-unit order. */
function write(parts: Uint8Array[], value: unknown): void {
  if (value instanceof Uint8Array) parts.push(Uint8Array.of(1), u32le(value.length), value)
  else if (typeof value === 'string') {
    const bytes = utf8(value)
    parts.push(Uint8Array.of(2), u32le(bytes.length), bytes)
  } else if (typeof value === 'number') {
    const bytes = new Uint8Array(9)
    bytes[0] = 3
    new DataView(bytes.buffer).setFloat64(1, value, true)
    parts.push(bytes)
  } else if (typeof value === 'bigint') write(parts, `${value}n`)
  else if (value === undefined || value === null || typeof value === 'boolean')
    parts.push(Uint8Array.of(value === undefined ? 4 : value === null ? 5 : value ? 6 : 7))
  else if (Array.isArray(value)) {
    parts.push(Uint8Array.of(8), u32le(value.length))
    for (const item of value) write(parts, item)
  } else if (value instanceof Map) write(parts, [...value])
  else if (typeof value === 'object') {
    const keys = Object.keys(value as object).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    parts.push(Uint8Array.of(9), u32le(keys.length))
    for (const key of keys) {
      write(parts, key)
      write(parts, (value as Record<string, unknown>)[key])
    }
  } else throw new TypeError(`an effect holds a ${typeof value}`)
  if (parts.length > 4096) parts.splice(0, parts.length, concatBytes(...parts))
}
