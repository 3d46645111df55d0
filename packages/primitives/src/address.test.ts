import { bytesToHex } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAddress, encodeAddress } from './address.ts'

test.each([
  // BIP350, test vectors for segregated witness addresses: valid.
  ['bc', 'BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 0, '751e76e8199196d454941c45d1b3a323f1433bd6'],
  [
    'tb',
    'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
    0,
    '1863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
  ],
  [
    'bc',
    'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y',
    1,
    '751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6',
  ],
  ['bc', 'BC1SW50QGDZ25J', 16, '751e'],
  ['bc', 'bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs', 2, '751e76e8199196d454941c45d1b3a323'],
  [
    'tb',
    'tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c',
    1,
    '000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
  ],
  [
    'bc',
    'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
    1,
    '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
  ],
])('BIP350 valid: %s %s', (hrp, address, version, program) => {
  const decoded = decodeAddress(hrp, address)!
  expect(decoded.version).toBe(version)
  expect(bytesToHex(decoded.program)).toBe(program)
  expect(encodeAddress(hrp, version, decoded.program)).toBe(address.toLowerCase())
  expect(decodeAddress('xx', address)).toBeUndefined()
})

test.each([
  // BIP350: invalid, in its order.
  ['tc', 'tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut'],
  ['bc', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd'],
  ['tb', 'tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf'],
  ['bc', 'BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL'],
  ['bc', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh'],
  ['tb', 'tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47'],
  ['bc', 'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4'],
  ['bc', 'BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R'],
  ['bc', 'bc1pw5dgrnzv'],
  ['bc', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav'],
  ['bc', 'BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P'],
  ['tb', 'tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq'],
  ['bc', 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf'],
  ['tb', 'tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j'],
  ['bc', 'bc1gmk9yu'],
])('BIP350 invalid: %s %s', (hrp, address) => {
  // The first names a prefix of no network: it must fail for the network that would be asked.
  expect(decodeAddress(hrp === 'tc' ? 'bc' : hrp, address)).toBeUndefined()
})

test('round trip; one changed character is always noticed', () => {
  const any = fc.tuple(fc.integer({ min: 1, max: 16 }), fc.uint8Array({ minLength: 2, maxLength: 40 }))
  fc.assert(
    fc.property(any, fc.nat(), fc.nat(31), ([version, program], at, other) => {
      const address = encodeAddress('tpouw', version, program)
      expect(decodeAddress('tpouw', address)).toEqual({ version, program })
      const place = 6 + (at % (address.length - 6))
      const changed = address.slice(0, place) + 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'[other] + address.slice(place + 1)
      if (changed !== address) expect(decodeAddress('tpouw', changed)).toBeUndefined()
    }),
  )
  expect(() => encodeAddress('tpouw', 17, new Uint8Array(32))).toThrow(RangeError)
  expect(() => encodeAddress('tpouw', 0, new Uint8Array(31))).toThrow(RangeError)
  fc.assert(fc.property(fc.string(), (noise) => void expect(decodeAddress('tpouw', noise)).toBeUndefined()))
})
