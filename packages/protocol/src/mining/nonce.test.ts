import { bytesToHex, hexToBytes, sha256, sha256d, sha256dHex } from '@pouw/crypto'
import { encodeHeader, hashMeets, headerId, ZERO_NONCE_HEADER_BYTES } from '@pouw/primitives'
import { modelHash } from '@pouw/training'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mineHeader, nonceAt, nonceIndex, nonceZero, precursor, tryBudget, worthATry } from './nonce.ts'

/** Vector N1 of spec 10.8. */
const N1 = {
  taskId: '00'.repeat(32),
  ticketId: '01'.repeat(32),
  sequence: 7,
  weights: Float32Array.of(1, -2, 0.5),
  map: hexToBytes('0300008002010000'),
  modelHash: '0d1d77284d8e7a225c27a37e4f5f505748cc63985105925b50db7517bb47e9a0',
  precursor: '7b1a051cdb0eb56f057624aecdfb0466b3e65ef49a1dd807a547e0434ae1ced9',
  nonce0: '04655c00bdc16c1d5003fda7755b8b68d72dbeed6befb1d3e39aa735b41ec30e',
}
const MODULUS = 1n << 256n
const hash32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('vector N1: from weights and map to the first two nonces', () => {
  expect(modelHash(N1.taskId, N1.ticketId, N1.sequence, N1.weights)).toBe(N1.modelHash)
  expect(bytesToHex(precursor(N1.modelHash, N1.map))).toBe(N1.precursor)
  const zero = nonceZero(N1.modelHash, N1.map)
  expect(bytesToHex(zero)).toBe(N1.nonce0)
  expect(bytesToHex(nonceAt(zero, 0))).toBe(N1.nonce0)
  expect(bytesToHex(nonceAt(zero, 1))).toBe(`${N1.nonce0.slice(0, -4)}c30f`)
})

test('another model or another map gives another nonce', () => {
  const zero = bytesToHex(nonceZero(N1.modelHash, N1.map))
  expect(bytesToHex(nonceZero(N1.precursor, N1.map))).not.toBe(zero)
  expect(bytesToHex(nonceZero(N1.modelHash, N1.map.subarray(0, 4)))).not.toBe(zero)
})

test('the nonces of one iteration are known by their index, and only they', () => {
  fc.assert(
    fc.property(hash32, fc.integer({ min: 1, max: 100_000 }), fc.nat(), (zero, budget, any) => {
      const j = any % budget
      expect(nonceIndex(zero, bytesToHex(nonceAt(zero, j)), budget)).toBe(j)
      expect(nonceIndex(zero, bytesToHex(nonceAt(zero, budget)), budget)).toBeUndefined()
      expect(nonceIndex(zero, bytesToHex(nonceAt(zero, budget - 1)), budget)).toBe(budget - 1)
    }),
  )
})

test('a nonce below nonce_0 is out of range', () => {
  const zero = hexToBytes(N1.nonce0)
  const below = (BigInt(`0x${N1.nonce0}`) - 1n).toString(16).padStart(64, '0')
  expect(nonceIndex(zero, below, 1_000_000)).toBeUndefined()
})

test('nonces wrap at 2^256', () => {
  const last = new Uint8Array(32).fill(0xff)
  expect(bytesToHex(nonceAt(last, 1))).toBe('00'.repeat(32))
  expect(nonceIndex(last, '00'.repeat(32), 2)).toBe(1)
  expect(nonceIndex(last, '00'.repeat(32), 1)).toBeUndefined()
})

test('the MNIST task of the prototype earns one try by its omegas', () => {
  const omega = (value: number) => Math.floor(value * 2 ** 32)
  expect(tryBudget({ omegaB: omega(1e-6), omegaM: omega(1e-8), flopsPerTry: 1 }, 314_000, 109_386)).toBe(1)
})

test('the budget is the smaller of both bounds, and never zero (A27)', () => {
  const half = 2 ** 31
  // (314 + 2) / 2 = 158 by size; 6 * 2 * 50 / 10 = 60 by arithmetic.
  expect(tryBudget({ omegaB: half, omegaM: half, flopsPerTry: 10 }, 314, 2)).toBe(158)
  expect(tryBudget({ omegaB: half, omegaM: half, flopsPerTry: 10 }, 314, 2, 50)).toBe(60)
  expect(tryBudget({ omegaB: half, omegaM: half, flopsPerTry: 1 }, 314, 2, 50)).toBe(158)
  expect(tryBudget({ omegaB: half, omegaM: half, flopsPerTry: 10_000 }, 314, 2, 50)).toBe(1)
  expect(tryBudget({ omegaB: 0, omegaM: 0, flopsPerTry: 1 }, 314, 2, 50)).toBe(1)
})

test('the budget is exact where a product leaves the safe integers', () => {
  const cost = { omegaB: 0, omegaM: 2 ** 32 - 1, flopsPerTry: 1 }
  const params = 2 ** 31
  expect(tryBudget(cost, 0, params)).toBe(Number((BigInt(2 ** 32 - 1) * BigInt(params)) >> 32n))
  expect(tryBudget(cost, 0, params)).toBe(params - 1)
})

test('an iteration must cost at least one try', () => {
  const cost = { omegaB: 0, omegaM: 0, flopsPerTry: 600 }
  expect(worthATry(cost, 10, 10)).toBe(true)
  expect(worthATry(cost, 10, 9)).toBe(false)
})

const HEADER = {
  version: 1,
  hashPrevBlock: '11'.repeat(32),
  hashMerkleRoot: '22'.repeat(32),
  time: 1_700_000_000,
  bits: 0x1f07ffff,
  nonce: '00'.repeat(32),
  hashMsg: '33'.repeat(32),
  hashMsgHist: '44'.repeat(32),
}
const ZERO_NONCE_HEADER = encodeHeader(HEADER).subarray(0, ZERO_NONCE_HEADER_BYTES)

/** Header hash as the number that is compared with the target. */
function hashOf(nonce: string): bigint {
  const id = headerId({ ...HEADER, nonce })
  expect(id).toBe(sha256dHex(encodeHeader({ ...HEADER, nonce })))
  return BigInt(`0x${bytesToHex(sha256d(encodeHeader({ ...HEADER, nonce })).reverse())}`)
}

test('mining finds the first nonce whose header hash is not above the target', () => {
  const zero = sha256(Uint8Array.of(1))
  const hashes = Array.from({ length: 40 }, (_, j) => hashOf(bytesToHex(nonceAt(zero, j))))
  const mine = (target: bigint, budget: number) => mineHeader(ZERO_NONCE_HEADER, zero, HEADER.hashMsg, HEADER.hashMsgHist, target, budget)
  for (const [j, target] of hashes.entries()) {
    const first = hashes.findIndex((hash) => hash <= target)
    expect(mine(target, 40)).toBe(bytesToHex(nonceAt(zero, first)))
    if (first === j) {
      // Equal to the target still wins; with one try less, or a target one lower, this nonce is not reached.
      expect(mine(target, j + 1)).toBe(bytesToHex(nonceAt(zero, j)))
      expect(mine(target, j)).toBeUndefined()
      expect(mine(target - 1n, j + 1)).toBeUndefined()
      expect(hashMeets(headerId({ ...HEADER, nonce: bytesToHex(nonceAt(zero, j)) }), target)).toBe(true)
    }
  }
})

test('mining carries over all 32 bytes', () => {
  const zero = new Uint8Array(32).fill(0xff)
  const target = hashOf('00'.repeat(32))
  const found = mineHeader(ZERO_NONCE_HEADER, zero, HEADER.hashMsg, HEADER.hashMsgHist, target, 2)
  expect(found).toBe(hashOf(bytesToHex(zero)) <= target ? bytesToHex(zero) : '00'.repeat(32))
  expect(mineHeader(ZERO_NONCE_HEADER, zero, HEADER.hashMsg, HEADER.hashMsgHist, MODULUS - 1n, 0)).toBeUndefined()
})
