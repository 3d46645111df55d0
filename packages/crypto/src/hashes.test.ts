import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createNodeBackend } from './backend/node.ts'
import { createWebBackend } from './backend/web.ts'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from './bytes.ts'
import { hkdfSha256, sha256, sha256d, sha256dHex, sha256Hex, sha256HexBeside } from './hashes.ts'

test('published digests', () => {
  expect(sha256Hex()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  expect(sha256Hex(utf8('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(sha256dHex(utf8('hello'))).toBe('9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50')
  expect(bytesToHex(sha256(utf8('a'), utf8('bc')))).toBe(sha256Hex(utf8('abc')))
  expect(bytesToHex(sha256d(utf8('hello')))).toBe(sha256dHex(utf8('hello')))
})

test('both backends agree for any split into parts, small and large', () => {
  const node = createNodeBackend()
  const web = createWebBackend()
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(20_000).map((n) => new Uint8Array(n).fill(n)),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const whole = concatBytes(...parts)
      expect(node.sha256(...parts)).toEqual(web.sha256(whole))
      expect(node.sha256d(...parts)).toEqual(web.sha256d(...parts))
      expect(node.sha256Hex(...parts)).toBe(web.sha256Hex(...parts))
      expect(node.sha256dHex(...parts)).toBe(web.sha256dHex(whole))
    }),
  )
})

test('a digest beside this thread is the digest within it, of the parts as they were at the call', async () => {
  const part = fc.nat(200_000).map((n) => Uint8Array.from({ length: n }, (_, i) => i * n))
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 4 }), async (parts) => {
      const want = sha256Hex(...parts)
      const found = sha256HexBeside(...parts)
      for (const bytes of parts) bytes.fill(0)
      expect(await found).toBe(want)
    }),
    { numRuns: 30 },
  )
})

test('results are plain arrays of their own', () => {
  const first = sha256d(utf8('a'))
  const kept = first.slice()
  sha256d(utf8('b'))
  expect(first).toEqual(kept)
  expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype)
})

test('HKDF, RFC 5869 test case 1', () => {
  const okm = hkdfSha256(hexToBytes('0b'.repeat(22)), hexToBytes('000102030405060708090a0b0c'), hexToBytes('f0f1f2f3f4f5f6f7f8f9'), 42)
  expect(bytesToHex(okm)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
  expect(() => hkdfSha256(okm, okm, okm, 8161)).toThrow(RangeError)
})
