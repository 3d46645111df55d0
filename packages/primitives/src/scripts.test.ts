import { bytesToHex, sha256d } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escrowScript, parseScript, payToKey, recordScript, stakeScript, witnessCommitmentScript } from './scripts.ts'

const KEY = 'ab'.repeat(32)

test('output scripts and what they parse to', () => {
  expect(bytesToHex(payToKey(KEY))).toBe(`5120${KEY}`)
  expect(bytesToHex(escrowScript(KEY))).toBe(`5220${KEY}`)
  expect(bytesToHex(stakeScript(KEY))).toBe(`5320${KEY}`)
  expect(parseScript(payToKey(KEY))).toEqual({ kind: 'key', key: KEY })
  expect(parseScript(escrowScript(KEY))).toEqual({ kind: 'escrow', key: KEY })
  expect(parseScript(stakeScript(KEY))).toEqual({ kind: 'stake', key: KEY })
})

test('a record is carried by exactly 6a c0 4c a0 and 160 bytes (4.2)', () => {
  const record = new Uint8Array(160).fill(7)
  const script = recordScript(record)
  expect(script.length).toBe(164)
  expect(bytesToHex(script.subarray(0, 4))).toBe('6ac04ca0')
  expect(parseScript(script)).toEqual({ kind: 'record', record })
  expect(parseScript(script.subarray(0, 163)).kind).toBe('other')
  for (let at = 0; at < 4; at++) {
    const other = script.slice()
    other[at]! ^= 1
    expect(parseScript(other).kind).toBe('other')
  }
  expect(() => recordScript(record.subarray(1))).toThrow(RangeError)
})

test('BIP141 witness commitment', () => {
  const root = '11'.repeat(32)
  const hash = bytesToHex(sha256d(new Uint8Array([...new Uint8Array(32).fill(0x11), ...new Uint8Array(32)])))
  expect(bytesToHex(witnessCommitmentScript(root))).toBe(`6a24aa21a9ed${hash}`)
  expect(parseScript(witnessCommitmentScript(root))).toEqual({ kind: 'commitment', hash })
})

test('every other script is "other", and nothing throws', () => {
  for (const version of [0x00, 0x50, 0x54, 0x60])
    expect(parseScript(new Uint8Array([version, 0x20, ...new Uint8Array(32)])).kind).toBe('other')
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      (noise) => void expect(['key', 'escrow', 'stake', 'commitment', 'other']).toContain(parseScript(noise).kind),
    ),
  )
})
