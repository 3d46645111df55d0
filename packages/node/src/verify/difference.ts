/** Where an untrusted JSON value first differs from the expected one; undefined if it does not. Goes only as deep as the expected one. */
export function difference(expected: unknown, received: unknown, path = ''): string | undefined {
  if (Array.isArray(expected)) {
    if (!Array.isArray(received)) return differs(path, expected, received)
    if (received.length !== expected.length) return `${path} has ${received.length} entries, expected ${expected.length}`
    return first(expected.keys(), (index) => difference(expected[index], received[index], `${path}[${index}]`))
  }
  if (typeof expected !== 'object' || expected === null)
    return Object.is(expected, received) ? undefined : differs(path, expected, received)
  if (typeof received !== 'object' || received === null || Array.isArray(received)) return differs(path, expected, received)
  const unknown = Object.keys(received).find((key) => !Object.hasOwn(expected, key))
  if (unknown !== undefined) return `${join(path, unknown)} is not expected`
  return first(Object.entries(expected), ([key, value]) =>
    Object.hasOwn(received, key)
      ? difference(value, (received as Record<string, unknown>)[key], join(path, key))
      : `${join(path, key)} is missing`,
  )
}

function first<T>(items: Iterable<T>, look: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = look(item)
    if (found !== undefined) return found
  }
  return undefined
}

function join(path: string, key: string): string {
  const shown = key.length > 40 ? `${key.slice(0, 40)}...` : key
  return path === '' ? shown : `${path}.${shown}`
}

function differs(path: string, expected: unknown, received: unknown): string {
  return `${path || 'the value'} is ${shown(received)}, expected ${shown(expected)}`
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a map'
  const text = String(JSON.stringify(value))
  return text.length > 70 ? `${text.slice(0, 70)}...` : text
}
