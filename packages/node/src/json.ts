/** JSON for people and machines around the node; never for anything that is hashed. Amounts become decimal strings, bytes hex, maps objects. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, replace, indent)
}

function replace(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  if (value instanceof Map) return Object.fromEntries(value)
  return value
}
