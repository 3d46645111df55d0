import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../test/seeded.ts'
import { freivalds } from './freivalds.ts'

const random = seeded(12)
const draw = (below: number) => Math.floor(random() * below)

function product(m: number, n: number, k: number, extreme = false) {
  const number = () => (extreme ? (random() < 0.5 ? -127 : 127) : draw(255) - 127)
  const [a, b] = [Int8Array.from({ length: m * k }, number), Int8Array.from({ length: n * k }, number)]
  const c = new Int32Array(m * n)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) for (let p = 0; p < k; p++) c[i * n + j] = c[i * n + j]! + a[i * k + p]! * b[j * k + p]!
  return { a, b, c, m, n, k }
}

test('right products pass, also with the largest numbers and the longest sums', () => {
  for (const [m, n, k] of [
    [1, 1, 1],
    [3, 5, 7],
    [16, 33, 129],
    [2, 3, 10_000],
  ] as const)
    for (const extreme of [false, true]) expect(freivalds(product(m, n, k, extreme), draw)).toBe(true)
  const longest = {
    a: new Int8Array(133_144).fill(127),
    b: new Int8Array(133_144).fill(127),
    c: Int32Array.of(127 * 127 * 133_144),
    m: 1,
    n: 1,
    k: 133_144,
  }
  expect(freivalds(longest, draw)).toBe(true)
})

test('one wrong number is found, whatever it differs by', () => {
  const right = product(9, 14, 31)
  fc.assert(
    fc.property(fc.nat(9 * 14 - 1), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (at, value) => {
      fc.pre(right.c[at] !== value)
      const c = right.c.slice()
      c[at] = value
      return !freivalds({ ...right, c }, draw)
    }),
  )
  // Differences that cancel along a row or a column are found as well.
  const c = right.c.slice()
  c[0] = c[0]! + 1
  c[1] = c[1]! - 1
  c[14] = c[14]! - 1
  c[15] = c[15]! + 1
  expect(freivalds({ ...right, c }, draw)).toBe(false)
})

test('arrays of other sizes are refused', () => {
  const right = product(2, 3, 4)
  expect(() => freivalds({ ...right, n: 4 }, draw)).toThrow('freivalds: B: expected 16 numbers, received 12')
})
