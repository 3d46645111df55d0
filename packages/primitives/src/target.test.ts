import { bytesToHex } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asert, bitsToTarget, hashMeets, targetToBits, targetToWork } from './target.ts'

test.each([
  // Bitcoin Core, src/test/arith_uint256_tests.cpp "bignum_SetCompact", and main-net targets.
  [0x00000000, undefined],
  [0x00123456, undefined],
  [0x01003456, undefined],
  [0x02000056, undefined],
  [0x03000000, undefined],
  [0x01123456, 0x12n],
  [0x02123456, 0x1234n],
  [0x03123456, 0x123456n],
  [0x04123456, 0x12345600n],
  [0x04923456, undefined],
  [0x01fedcba, undefined],
  [0x05009234, 0x92340000n],
  [0x20123456, 0x123456n << 232n],
  [0xff123456, undefined],
  [0x1d00ffff, 0xffffn << 208n],
  [0x1b0404cb, 0x0404cbn << 192n],
  [0x207fffff, 0x7fffffn << 232n],
  [0x2100ffff, 0xffffn << 240n],
  [0x22000001, 1n << 248n],
  [0x22000100, undefined],
  [0x23000001, undefined],
])('compact %s', (bits, target) => {
  expect(bitsToTarget(bits)).toBe(target)
  if (target !== undefined) expect(bitsToTarget(targetToBits(target))).toBe(target)
})

test('compact form keeps the upper 15 to 23 bits, rounds down and is a fixed point', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: (1n << 256n) - 1n }), fc.integer({ min: 0, max: 255 }), (wide, shift) => {
      const target = wide >> BigInt(shift) || 1n
      const bits = targetToBits(target)
      const back = bitsToTarget(bits)!
      expect(back <= target).toBe(true)
      expect((target - back) * 32_768n <= target).toBe(true)
      expect(targetToBits(back)).toBe(bits)
    }),
  )
  expect(() => targetToBits(0n)).toThrow(RangeError)
  expect(() => targetToBits(1n << 256n)).toThrow(RangeError)
})

test('work: Bitcoin main-net numbers', () => {
  expect(targetToWork(bitsToTarget(0x1d00ffff)!)).toBe(0x100010001n)
  expect(targetToWork((1n << 256n) - 1n)).toBe(1n)
  expect(targetToWork(1n)).toBe(1n << 255n)
})

test('a hash is read as a little-endian number', () => {
  const low = `01${'00'.repeat(31)}`
  const high = `${'00'.repeat(31)}01`
  expect(hashMeets(low, 1n)).toBe(true)
  expect(hashMeets(low, 0n)).toBe(false)
  expect(hashMeets(high, 1n << 248n)).toBe(true)
  expect(hashMeets(high, (1n << 248n) - 1n)).toBe(false)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const number = BigInt(`0x${bytesToHex(bytes.slice().reverse())}`)
      expect(hashMeets(bytesToHex(bytes), number)).toBe(true)
      if (number > 0n) expect(hashMeets(bytesToHex(bytes), number - 1n)).toBe(false)
    }),
  )
})

const LIMIT = bitsToTarget(0x1d00ffff)!
const SPACING = 600
const HALF_LIFE = 172_800

/** Lines of the official aserti3-2d vectors (runs 5, 8 and 9): height and time of the parent, bits of the next block. */
test.each([
  [2, 0, 0x1d00fec5],
  [290, 0, 0x1c7f62c0],
  [578, 0, 0x1c3fb160],
  [6626, 0, 0x1a01fd8b],
  [6914, 0, 0x1a00fec5],
  [30_242, 0, 0x0f7f62c0],
  [59_906, 0, 0x0300fec5],
  [60_194, 0, 0x027f6200],
  [62_210, 0, 0x0200fe00],
  [62_498, 0, 0x017f0000],
  [63_938, 0, 0x01030000],
  [64_226, 0, 0x01010000],
  // Never below 1.
  [64_514, 0, 0x01010000],
])('aserti3-2d run 5: height %i', (height, time, bits) => {
  expect(asert({ height: 1, time: 0, bits: 0x1d00ffff }, height, time, SPACING, HALF_LIFE, LIMIT)).toBe(bits)
})

test.each([
  [2, 1200, 0x1802aee8],
  [3, 1310, 0x1802ad91],
  [4, 1327, 0x1802abf8],
  [9, 7099, 0x1802b39c],
  [54, 111_773, 0x1803b056],
  [100, 333_016, 0x18080571],
  [142, 633_533, 0x181834d4],
  [187, 1_078_358, 0x19008158],
  [281, 2_529_858, 0x1a00881c],
  [352, 3_950_808, 0x1b0085ea],
  [444, 5_929_326, 0x1c0494ba],
  [481, 6_842_136, 0x1d00a31a],
  [484, 6_930_238, 0x1d00e688],
  // Never above the limit.
  [485, 6_993_399, 0x1d00ffff],
  [501, 7_462_933, 0x1d00ffff],
])('aserti3-2d run 8: height %i', (height, time, bits) => {
  expect(asert({ height: 1, time: 0, bits: 0x1802aee8 }, height, time, SPACING, HALF_LIFE, LIMIT)).toBe(bits)
})

test.each([
  [2_147_483_643, 1_234_568_190, 0x1802ae16],
  [2_147_483_647, 1_234_569_390, 0x1802aacd],
  [2_147_483_648, 1_234_569_690, 0x1802a9fa],
  [2_147_483_652, 1_234_570_890, 0x1802a6b7],
])('aserti3-2d run 9: across the signed 32-bit height %i', (height, time, bits) => {
  expect(asert({ height: 2_147_483_642, time: 1_234_567_290, bits: 0x1802aee8 }, height, time, SPACING, HALF_LIFE, LIMIT)).toBe(bits)
})

test('ASERT rises with time and falls with height', () => {
  const anchor = { height: 0, time: 1_000_000, bits: 0x1f3fffff }
  const limit = bitsToTarget(0x207fffff)!
  const next = (height: number, time: number) => bitsToTarget(asert(anchor, height, time, 5, 20, limit))!
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 600_000 }), (height, elapsed) => {
      const time = anchor.time + elapsed
      expect(next(height, time + 1) >= next(height, time)).toBe(true)
      expect(next(height + 1, time) <= next(height, time)).toBe(true)
    }),
  )
})
