import { bls, hexToBytes, sha256, utf8 } from '@pouw/crypto'
import { slotHeaderHash, slotSigningHash } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import { group, id, SUPERVISORS, worker } from '../../test/group.ts'
import { certify, T, TRAINING } from '../../test/history.ts'
import { threshold } from '../group.ts'
import { certificateIsValid, combineShares, groupSigned, type Share } from './certificate.ts'

const MESSAGE = sha256(utf8('agreed'))
const { supervisors } = group()
const share = (index: number, message = MESSAGE): Share => ({ index, signature: bls.sign(SUPERVISORS[index]!.blsSecret, message) })
const signed = (certificate: ReturnType<typeof combineShares>, message = MESSAGE) =>
  certificate !== undefined && groupSigned(supervisors, T, message, certificate)

test('t is more than two thirds', () => {
  expect([4, 7, 10, 13].map(threshold)).toEqual([3, 5, 7, 9])
})

describe('combine', () => {
  test('any t of n sign, in whatever order the shares came', () => {
    for (const missing of [0, 1, 2, 3]) {
      const indices = [0, 1, 2, 3].filter((index) => index !== missing)
      const certificate = combineShares(
        [...indices].reverse().map((index) => share(index)),
        T,
      )!
      expect(certificate.signers).toBe(0b1111 & ~(1 << missing))
      expect(certificate).toEqual(
        combineShares(
          indices.map((index) => share(index)),
          T,
        ),
      )
      expect(signed(certificate)).toBe(true)
    }
  })

  test('all shares at hand are used: who signed is who is paid', () => {
    const certificate = combineShares(
      [0, 1, 2, 3].map((index) => share(index)),
      T,
    )!
    expect(certificate.signers).toBe(0b1111)
    expect(signed(certificate)).toBe(true)
  })

  test('t-1 shares, or bytes that are no signature, make none', () => {
    expect(combineShares([share(0), share(1)], T)).toBeUndefined()
    expect(combineShares([share(0), share(1), { index: 2, signature: new Uint8Array(96) }], T)).toBeUndefined()
    expect(combineShares([share(0), share(1), { index: 2, signature: share(2).signature.subarray(1) }], T)).toBeUndefined()
  })
})

describe('verify', () => {
  const good = combineShares([share(0), share(1), share(2)], T)!

  test('t-1 signers are not enough, even with a valid aggregate', () => {
    const two = combineShares([share(0), share(1)], 2)!
    expect(groupSigned(supervisors, 2, MESSAGE, two)).toBe(true)
    expect(signed(two)).toBe(false)
  })

  test('the bit set must name exactly those who signed', () => {
    expect(signed(good)).toBe(true)
    for (let signers = 0; signers < 16; signers++) expect(signed({ ...good, signers })).toBe(signers === 0b0111)
    expect(signed({ ...good, signers: 0b10111 })).toBe(false)
    expect(signed({ ...good, signers: 0x8007 })).toBe(false)
  })

  test('a foreign signer does not count', () => {
    const stranger = worker('stranger', 2, 'ACTIVE')
    const signature = bls.sign(stranger.blsSecret, MESSAGE)
    expect(signed(combineShares([share(0), share(1), { index: 2, signature }], T))).toBe(false)
  })

  test('one member twice is not two members', () => {
    const twice = combineShares([share(0), share(1), { index: 2, signature: share(1).signature }], T)
    expect(signed(twice)).toBe(false)
  })

  test('a signature on something else', () => {
    const other = sha256(utf8('not agreed'))
    expect(signed(good, other)).toBe(false)
    expect(signed(combineShares([share(0), share(1), share(2, other)], T))).toBe(false)
    expect(signed({ ...good, signature: new Uint8Array(96) })).toBe(false)
    expect(signed({ ...good, signature: good.signature.map((byte, at) => (at === 50 ? byte ^ 1 : byte)) })).toBe(false)
  })
})

describe('certificate of a slot', () => {
  const { header, historyRoot, certificate } = TRAINING.log.slot(3)!
  const people = group()

  test('covers the header and the history root', () => {
    expect(certificateIsValid(people, header, historyRoot, certificate)).toBe(true)
    expect(certificateIsValid(people, header, id('another history'), certificate)).toBe(false)
    for (const change of [
      { slot: 4 },
      { timeMs: header.timeMs + 1 },
      { term: 1 },
      { root: id('x') },
      { previous: id('x') },
      { taskId: id('x') },
    ])
      expect(certificateIsValid(people, { ...header, ...change }, historyRoot, certificate)).toBe(false)
  })

  test('is of t members of this group', () => {
    expect(certificateIsValid(people, header, historyRoot, certify(header, historyRoot, [1, 2, 3]))).toBe(true)
    expect(certificateIsValid(people, header, historyRoot, certify(header, historyRoot, [2, 3]))).toBe(false)
    expect(certificateIsValid({ ...people, supervisors: [...supervisors].reverse() }, header, historyRoot, certificate)).toBe(false)
  })

  test('is over the tagged hash, not over the header hash alone', () => {
    expect(groupSigned(supervisors, T, hexToBytes(slotHeaderHash(header)), certificate)).toBe(false)
    expect(groupSigned(supervisors, T, slotSigningHash(slotHeaderHash(header), historyRoot), certificate)).toBe(true)
  })
})
