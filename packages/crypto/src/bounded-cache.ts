/**
 * A cache that forgets the least recently used entry once it holds `max` of them.
 * The returned function answers from the cache or computes, keeps and answers.
 */
export function createBoundedCache<Value>(max: number): (key: string, compute: () => Value) => Value {
  const entries = new Map<string, Value>()
  return (key, compute) => {
    const known = entries.get(key)
    if (known !== undefined) {
      // A Map iterates in order of insertion, so putting an entry back makes it the youngest.
      entries.delete(key)
      entries.set(key, known)
      return known
    }
    const value = compute()
    if (entries.size >= max) entries.delete(entries.keys().next().value!)
    entries.set(key, value)
    return value
  }
}
