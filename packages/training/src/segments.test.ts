import { bytesToHex, sha256Hex } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeSegmentData, encodeSegmentData, openSegment, segmentBytes, segmentsRoot, splitSegments } from './segments.ts'

const TASK = '11'.repeat(32)
const BLOCK = '22'.repeat(32)
const SALT = new Uint8Array(32).fill(7)

test('a split is a permutation that follows from block and task alone', () => {
  const split = splitSegments(BLOCK, TASK, 10, 3)
  expect(split.training).toHaveLength(7)
  expect(split.test).toHaveLength(3)
  expect([...split.training, ...split.test].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(splitSegments(BLOCK, TASK, 10, 3)).toEqual(split)
  expect(splitSegments('23'.repeat(32), TASK, 10, 3)).not.toEqual(split)
  expect(splitSegments(BLOCK, '12'.repeat(32), 10, 3)).not.toEqual(split)
  expect(() => splitSegments(BLOCK, TASK, 3, 4)).toThrow(RangeError)
})

test('a segment opens to what was committed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 50 }),
      (index, salt, data) => {
        expect(openSegment(segmentBytes(index, salt, data))).toEqual({ index, salt, data })
      },
    ),
  )
})

test('a segment with a changed length, tag or tail is refused, other changes move the commitment', () => {
  const bytes = segmentBytes(3, SALT, new Uint8Array([1, 2, 3]))
  expect(bytesToHex(bytes)).toBe(`00030300000000000000${'07'.repeat(32)}010203`)
  expect(openSegment(bytes.subarray(0, -1))).toBeUndefined()
  expect(openSegment(new Uint8Array([...bytes, 0]))).toBeUndefined()
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes)
    changed[at]! ^= 1
    expect(sha256Hex(changed)).not.toBe(sha256Hex(bytes))
    if (at === 0 || (at >= 2 && at < 10)) expect(openSegment(changed)).toBeUndefined()
  }
})

test('segment data round-trips and wrong lengths are refused', () => {
  const data = { count: 2, features: new Uint8Array([1, 2, 3, 4, 5, 6]), labels: new Uint8Array([0, 1]) }
  const bytes = encodeSegmentData(data)
  expect(bytesToHex(bytes)).toBe('020000000102030405060001')
  expect(decodeSegmentData(bytes, 3)).toEqual(data)
  expect(decodeSegmentData(bytes, 2)).toBeUndefined()
  expect(decodeSegmentData(bytes.subarray(0, -1), 3)).toBeUndefined()
  expect(decodeSegmentData(new Uint8Array(3), 3)).toBeUndefined()
  expect(() => encodeSegmentData({ ...data, count: 3 })).toThrow(RangeError)
})

test('the segments root is the RFC 6962 root over the commitments', () => {
  const [a, b] = ['aa'.repeat(32), 'bb'.repeat(32)]
  const leaf = (hex: string) => sha256Hex(new Uint8Array([0]), Uint8Array.from(Buffer.from(hex, 'hex')))
  const node = sha256Hex(new Uint8Array([1]), Uint8Array.from(Buffer.from(leaf(a) + leaf(b), 'hex')))
  expect(segmentsRoot([a, b])).toBe(node)
  expect(segmentsRoot([b, a])).not.toBe(node)
})
