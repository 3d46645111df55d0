import { bytesToHex } from '@pouw/crypto'
import type { Tx } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TRAINING } from '../test/history.ts'
import {
  decodeCheckpoint,
  decodeHashes,
  decodeSlots,
  decodeTransactions,
  encodeCheckpoint,
  encodeHashes,
  encodeSlots,
  encodeTransactions,
} from './framing.ts'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex)
const blob = fc.uint8Array({ maxLength: 200 })
const { log } = TRAINING
const SLOTS = Array.from({ length: log.lastSlot + 1 }, (_, s) => log.slot(s)!)

const tx = (amount: number): Tx => ({
  version: 2,
  inputs: [{ txid: 'ab'.repeat(32), index: 1, scriptSig: new Uint8Array(0), sequence: 0xffffffff, witness: [new Uint8Array(64).fill(7)] }],
  outputs: [{ amount: BigInt(amount), script: new Uint8Array([0x51, 0x20, ...new Uint8Array(32)]) }],
  lockTime: 0,
})

/** Cut, lengthened or changed anywhere: refused, or a different value; and no two encodings of one value. */
function expectOneEncoding<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T | undefined, encode: (value: T) => Uint8Array): void {
  const value = decode(bytes)!
  expect(encode(value)).toEqual(bytes)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = bytes.slice()
      changed[at]! ^= change
      const cut = bytes.slice(0, at)
      const longer = new Uint8Array(bytes.length + 1)
      longer.set(bytes)
      for (const other of [changed, cut, longer]) {
        const decoded = decode(other)
        if (decoded === undefined) continue
        expect(encode(decoded)).toEqual(other)
        expect(decoded).not.toEqual(value)
      }
    }),
    { numRuns: 60 },
  )
}

const neverThrows = (decode: (bytes: Uint8Array) => unknown) =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decode(bytes)
    }),
  )

describe('lists of hashes', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 20 }), (hashes) => {
        expect(decodeHashes(encodeHashes(hashes))).toEqual(hashes)
      }),
    )
  })

  test('are a multiple of 32 bytes', () => {
    for (let length = 0; length <= 96; length++) expect(decodeHashes(new Uint8Array(length)) !== undefined).toBe(length % 32 === 0)
  })

  test('have one encoding', () => expectOneEncoding(encodeHashes(['01'.repeat(32), '02'.repeat(32)]), decodeHashes, encodeHashes))
})

describe('slots', () => {
  test('come back as they were', () => {
    expect(decodeSlots(encodeSlots(SLOTS))).toEqual(SLOTS)
    expect(decodeSlots(encodeSlots([]))).toEqual([])
  })

  test('have one encoding', () => expectOneEncoding(encodeSlots(SLOTS.slice(0, 2)), decodeSlots, encodeSlots))

  test('never throw', () => neverThrows(decodeSlots))

  test('a count that promises more than there is', () => {
    const bytes = encodeSlots(SLOTS.slice(0, 1))
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, 0xffffffff, true)
    expect(decodeSlots(bytes)).toBeUndefined()
  })
})

describe('checkpoints', () => {
  const checkpoint = fc.record({ sequence: fc.nat(2 ** 32 - 1), model: blob, residual: blob })

  test('come back as they were', () => {
    fc.assert(
      fc.property(checkpoint, (kept) => {
        expect(decodeCheckpoint(encodeCheckpoint(kept))).toEqual(kept)
      }),
    )
  })

  test('have one encoding, so a torn write is noticed', () =>
    expectOneEncoding(
      encodeCheckpoint({ sequence: 9, model: TRAINING.startModel, residual: TRAINING.startResidual }),
      decodeCheckpoint,
      encodeCheckpoint,
    ))

  test('never throw', () => neverThrows(decodeCheckpoint))
})

describe('waiting transactions', () => {
  test('come back as they were', () => {
    const list = [tx(1), tx(2), tx(3)]
    expect(decodeTransactions(encodeTransactions(list))).toEqual(list)
    expect(decodeTransactions(encodeTransactions([]))).toEqual([])
  })

  test('have one encoding', () => expectOneEncoding(encodeTransactions([tx(1), tx(2)]), decodeTransactions, encodeTransactions))

  test('never throw', () => neverThrows(decodeTransactions))

  test('one bad apple spoils the list', () => {
    const bytes = encodeTransactions([tx(1), tx(2)])
    // The last four bytes are the lock time of the second; without them it is no transaction.
    const short = bytes.slice(0, -4)
    expect(decodeTransactions(short)).toBeUndefined()
  })
})
