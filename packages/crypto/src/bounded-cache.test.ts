import { expect, test } from 'vitest'
import { createBoundedCache } from './bounded-cache.ts'

test('computes once, forgets the least recently used', () => {
  const computed: string[] = []
  const cached = createBoundedCache<string>(2)
  const ask = (key: string) =>
    cached(key, () => {
      computed.push(key)
      return key
    })
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) expect(ask(key)).toBe(key)
  expect(computed).toEqual(['a', 'b', 'c', 'b'])
})
