import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex, compareBytes, concatBytes, equalBytes, hexToBytes, u32le, u64le, utf8 } from './bytes.ts'

const anyBytes = fc.uint8Array({ maxLength: 100 })

test('hex goes there and back', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(bytesToHex(bytes)).toBe(Buffer.from(bytes).toString('hex'))
      expect(hexToBytes(bytesToHex(bytes).toUpperCase())).toEqual(bytes)
    }),
  )
})

test('bad hex is refused', () => {
  for (const bad of ['0', 'zz', '0x', '0 ', ' 0', '-1', '+1', '１2', '00g0']) expect(() => hexToBytes(bad), bad).toThrow(TypeError)
})

test('comparison is lexicographic and agrees with equality', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      expect(equalBytes(a, a.slice())).toBe(true)
    }),
  )
})

test('integers are little-endian and bounded', () => {
  expect(bytesToHex(u32le(0x80000102))).toBe('02010080')
  expect(bytesToHex(u32le(0xffffffff))).toBe('ffffffff')
  expect(bytesToHex(u64le(0x0102030405060708n))).toBe('0807060504030201')
  expect(bytesToHex(u64le(258))).toBe('0201000000000000')
  for (const bad of [-1, 2 ** 32, 0.5, Number.NaN]) expect(() => u32le(bad), String(bad)).toThrow(RangeError)
  for (const bad of [-1, -1n, 2n ** 64n, 2 ** 53, 0.5]) expect(() => u64le(bad), String(bad)).toThrow(RangeError)
})

test('joins and encodes', () => {
  expect(concatBytes(utf8('PO'), new Uint8Array(0), utf8('UW'))).toEqual(utf8('POUW'))
  expect(bytesToHex(utf8('é'))).toBe('c3a9')
})
