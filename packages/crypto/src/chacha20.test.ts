import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hexToBytes, u64le } from './bytes.ts'
import { chacha20Words, shuffle } from './chacha20.ts'

test('the keystream of RFC 8439 A.1, vector 1', () => {
  const word = chacha20Words(new Uint8Array(32))
  const expected = hexToBytes(
    '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586',
  )
  for (let i = 0; i < 8; i++) expect(u64le(word()), `word ${i}`).toEqual(expected.subarray(8 * i, 8 * i + 8))
})

test('the stream goes on over many blocks as OpenSSL has it', () => {
  const key = new Uint8Array(32).fill(0x5a)
  const cipher = createCipheriv('chacha20', key, new Uint8Array(16))
  const stream = cipher.update(new Uint8Array(8 * 1000))
  const word = chacha20Words(key)
  for (let i = 0; i < 1000; i++) expect(word(), `word ${i}`).toBe(stream.readBigUInt64LE(8 * i))
})

test('a shuffle is a permutation, the same for the same key', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, key) => {
      const order = shuffle(n, key)
      expect(order.slice().sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      expect(shuffle(n, key)).toEqual(order)
    }),
  )
})

test('a small shuffle by hand from the published keystream', () => {
  // Words of the zero key: 0x903df1a0ade0b876, 0x28bd8653e56a5d40, 0x1aed8da0b819d2bd; choices 4, 3, 2.
  const words = [0x903df1a0ade0b876n, 0x28bd8653e56a5d40n, 0x1aed8da0b819d2bdn]
  const order = [0, 1, 2, 3]
  for (const [draw, i] of [3, 2, 1].entries()) {
    const j = Number(words[draw]! % BigInt(i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  expect(shuffle(4, new Uint8Array(32))).toEqual(order)
  expect(order).toEqual([0, 1, 3, 2])
})

test('misuse is refused', () => {
  expect(() => chacha20Words(new Uint8Array(31))).toThrow(TypeError)
  expect(() => shuffle(-1, new Uint8Array(32))).toThrow(RangeError)
  expect(() => shuffle(1.5, new Uint8Array(32))).toThrow(RangeError)
})
