import { sha256Hex } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHashing } from './hashing.ts'

const bytes = (n: number, seed = n) => Uint8Array.from({ length: n }, (_, i) => i * seed)

test('hashes of the parts as they were at the call, small and large, in any order of waiting', () => {
  const hashing = createHashing()
  const part = fc.nat(200_000).map((n) => bytes(n))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(part, { maxLength: 3 }), fc.nat()), { maxLength: 7 }), (jobs) => {
      const wants = jobs.map(([parts]) => sha256Hex(...parts))
      const waits = jobs.map(([parts, order], i) => ({ wait: hashing.digest(...parts), order, i }))
      for (const [parts] of jobs) for (const one of parts) one.fill(0)
      for (const { wait, i } of waits.toSorted((a, b) => a.order - b.order)) {
        expect(wait()).toBe(wants[i])
        expect(wait(), 'asked again').toBe(wants[i])
      }
    }),
    { numRuns: 30 },
  )
  hashing.close()
})

test('more hashes at once than it has places, and numbers in shared memory', () => {
  const hashing = createHashing()
  const shared = new Uint8Array(new SharedArrayBuffer(300_000)).fill(7)
  const all = Array.from({ length: 9 }, (_, i) => (i === 4 ? shared : bytes(150_000, i + 1)))
  const waits = all.map((one) => hashing.digest(one))
  expect(waits.map((wait) => wait())).toEqual(all.map((one) => sha256Hex(one)))
  hashing.close()
})

test('hashes that nobody waits for take no place for long, and can still be asked for', async () => {
  const hashing = createHashing()
  const waits = []
  for (let i = 1; i <= 12; i++) {
    waits.push(hashing.digest(bytes(150_000, i)))
    await new Promise((resolve) => setTimeout(resolve, i === 1 ? 300 : 5))
  }
  expect(waits.map((wait) => wait())).toEqual(Array.from({ length: 12 }, (_, i) => sha256Hex(bytes(150_000, i + 1))))
  hashing.close()
})

test('a thread that never answers costs a wait once, and no hash', () => {
  const hashing = createHashing(new URL('./echo-thread.ts', import.meta.url))
  const waits = [bytes(150_000, 1), bytes(150_000, 2)].map((one) => hashing.digest(one))
  expect(waits.map((wait) => wait())).toEqual([1, 2].map((seed) => sha256Hex(bytes(150_000, seed))))
  expect(hashing.digest(bytes(150_000, 3))()).toBe(sha256Hex(bytes(150_000, 3)))
  hashing.close()
})
