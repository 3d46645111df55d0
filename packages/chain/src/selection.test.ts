import { sha256, utf8 } from '@pouw/crypto'
import { recordOfDocument } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DOCUMENT, PERFECT, SEGMENTS_ROOT } from '../test/ledger.ts'
import { isHit, rankParticipants, selectionAlpha, selectionKey, similarity, taskVector } from './selection.ts'
import type { Participant, TicketRole } from './state.ts'

const RECORD = recordOfDocument(DOCUMENT, SEGMENTS_ROOT)
const hex = (byte: number) => byte.toString(16).padStart(2, '0')

describe('the task as a vector', () => {
  test('logarithms of seven numbers, a zero, and the family as one hot byte', () => {
    const record = {
      ...RECORD,
      modelSize: 0,
      batchBytes: 1,
      epochs: 2,
      fee: 3n,
      deadline: 255,
      minersWanted: 254,
      minStake: (1n << 40n) - 1n,
      family: 11,
    }
    expect([...taskVector(record)]).toEqual([0, 8, 8, 16, 64, 56, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0])
  })
})

describe('similarity', () => {
  test('is 65535 for the vector itself and one family, and falls with every further family', () => {
    expect(similarity(PERFECT, 1, RECORD)).toBe(65_535)
    // jac = floor(65535 / 3): 0.7 * 65535 + 0.3 * 21845.
    expect(similarity(PERFECT, 0b111, RECORD)).toBe(Math.floor((7 * 65_535 + 3 * 21_845) / 10))
    expect(similarity(PERFECT, 0xffffffff, RECORD)).toBe(Math.floor((7 * 65_535 + 3 * 2_047) / 10))
  })

  test('is zero if the family is not accepted, whatever else fits', () => {
    expect(similarity(PERFECT, 0b10, RECORD)).toBe(0)
    expect(similarity(PERFECT, 0xffffffff, { ...RECORD, family: 32 })).toBe(0)
    expect(similarity(PERFECT, 0, RECORD)).toBe(0)
    expect(similarity(PERFECT, 0x80000000, { ...RECORD, family: 31 })).toBeGreaterThan(0)
  })

  test('without a common direction only the families count; so for a zero vector', () => {
    expect(similarity(`${'00'.repeat(7)}ff${'00'.repeat(8)}`, 1, RECORD)).toBe(Math.floor((3 * 65_535) / 10))
    expect(similarity('00'.repeat(16), 1, RECORD)).toBe(Math.floor((3 * 65_535) / 10))
  })

  test('is floor((7 isqrt(..) + 3 jac) / 10), never above 65535, and does not change with the length of the vector', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16, max: 127 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }), (vector, rest) => {
        const families = rest * 2 + 1
        const preferences = [...vector].map(hex).join('')
        const s = similarity(preferences, families, RECORD)
        const q = taskVector(RECORD)
        const sum = (of: (i: number) => number) => BigInt(vector.reduce((total, _, i) => total + of(i), 0))
        const dot = sum((i) => vector[i]! * q[i]!)
        const product = sum((i) => vector[i]! ** 2) * sum((i) => q[i]! ** 2)
        const jac = BigInt(Math.floor(65_535 / families.toString(2).replaceAll('0', '').length))
        // The one c with c^2 <= x < (c + 1)^2 gives s; no floating point decides.
        const x = product === 0n ? 0n : (65_535n ** 2n * dot ** 2n) / product
        let c = BigInt(Math.floor(Math.sqrt(Number(x))))
        while (c * c > x) c--
        while ((c + 1n) * (c + 1n) <= x) c++
        expect(s).toBe(Number((7n * c + 3n * jac) / 10n))
        expect(s).toBeLessThanOrEqual(65_535)
        expect(similarity([...vector].map((byte) => hex(byte * 2)).join(''), families, RECORD)).toBe(s)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the lot', () => {
  const beta = (head: bigint, rest = 0): Uint8Array => {
    const bytes = new Uint8Array(64).fill(rest)
    new DataView(bytes.buffer).setBigUint64(0, head, false)
    return bytes
  }

  test('hits strictly below s / 65535, and s = 0 never', () => {
    const edge = (1n << 64n) / 65_535n
    // 2^64 = 65535 * edge + 1: y * 65535 < s holds up to edge * s exactly.
    expect(edge * 65_535n + 1n).toBe(1n << 64n)
    for (const s of [1, 2, 614, 65_534]) {
      expect(isHit(beta(edge * BigInt(s)), s), `${s}`).toBe(true)
      expect(isHit(beta(edge * BigInt(s) + 1n), s), `${s}`).toBe(false)
    }
    expect(isHit(beta(0n), 0)).toBe(false)
    expect(isHit(beta((1n << 64n) - 1n), 65_535)).toBe(true)
  })

  test('reads the first eight bytes where they lie, also inside a larger buffer', () => {
    const buffer = new Uint8Array(100).fill(0xff)
    buffer.set(beta(0n), 20)
    expect(isHit(buffer.subarray(20, 84), 1)).toBe(true)
    expect(isHit(buffer.subarray(12, 76), 1)).toBe(false)
  })

  test('the key is the first 32 bytes as a number, divided by s', () => {
    const bytes = beta(1n, 0xff)
    expect(selectionKey(bytes, 1)).toBe((1n << 192n) | ((1n << 192n) - 1n))
    expect(selectionKey(bytes, 3)).toBe(((1n << 193n) - 1n) / 3n)
    bytes[32] = 0
    expect(selectionKey(bytes, 1)).toBe((1n << 193n) - 1n)
  })

  test('alpha names role, seed, task and ticket', () => {
    const ids = ['11', '22', '33'].map((byte) => byte.repeat(32)) as [string, string, string]
    const alpha = selectionAlpha(3, ...ids)
    expect(alpha.length).toBe(11 + 1 + 96)
    expect(alpha.subarray(0, 12)).toEqual(Uint8Array.of(...utf8('POUW-VRF-v1'), 3))
    expect([alpha[12], alpha[44], alpha[76]]).toEqual([0x11, 0x22, 0x33])
  })
})

describe('rank', () => {
  const entry = (ticketId: string, owner: string, key: number, role: TicketRole = 1): Participant => ({
    ticketId,
    owner,
    role,
    key: BigInt(key),
    height: 1,
  })

  test('lowest key first, ties by ticket, the rest released', () => {
    const entries = [entry('d', 'D', 9), entry('b', 'B', 5), entry('c', 'C', 7), entry('a', 'A', 5), entry('e', 'E', 10)]
    expect(rankParticipants(entries, 1, 'nobody', 2, 2)).toEqual({ chosen: ['a', 'b'], backups: ['c', 'd'], released: ['e'] })
  })

  test('one ticket per owner, the best; never the client; other roles are not looked at', () => {
    const entries = [
      entry('a2', 'A', 1),
      entry('x', 'CLIENT', 0),
      entry('b', 'B', 2),
      entry('a1', 'A', 3),
      entry('s', 'S', 0, 2),
      entry('c', 'C', 4),
    ]
    expect(rankParticipants(entries, 1, 'CLIENT', 2, 1)).toEqual({ chosen: ['a2', 'b'], backups: ['c'], released: ['x', 'a1'] })
    expect(rankParticipants(entries, 3, 'CLIENT', 2, 1)).toEqual({ chosen: [], backups: [], released: [] })
  })

  test('every hit lands in exactly one place, whatever the order in which the chain saw them', () => {
    const participant = fc.record({ owner: fc.constantFrom('A', 'B', 'C', 'D', 'CLIENT'), key: fc.nat(5) })
    fc.assert(
      fc.property(fc.array(participant, { maxLength: 12 }), fc.nat(4), fc.nat(4), fc.nat(), (made, wanted, backups, turn) => {
        const entries = made.map(({ owner, key }, index) => entry(`t${hex(index)}`, owner, key))
        const ranked = rankParticipants(entries, 1, 'CLIENT', wanted, backups)
        const at = turn % (entries.length || 1)
        const turned = [...entries.slice(at), ...entries.slice(0, at)].reverse()
        expect(rankParticipants(turned, 1, 'CLIENT', wanted, backups)).toEqual(ranked)
        expect([...ranked.chosen, ...ranked.backups, ...ranked.released].sort()).toEqual(entries.map(({ ticketId }) => ticketId).sort())
        const owners = [...ranked.chosen, ...ranked.backups].map((id) => entries.find(({ ticketId }) => ticketId === id)!.owner)
        expect(new Set(owners).size).toBe(owners.length)
        expect(owners).not.toContain('CLIENT')
        expect(ranked.chosen.length).toBe(Math.min(wanted, new Set(made.map(({ owner }) => owner).filter((o) => o !== 'CLIENT')).size))
      }),
    )
  })

  test('the draw is fair: equal similarity gives each of two tickets about half of many lots', () => {
    let first = 0
    for (let seed = 0; seed < 400; seed++) {
      const keys = ['a', 'b'].map((id) => selectionKey(sha256(utf8(`${id} ${seed}`)), 65_535))
      if (keys[0]! < keys[1]!) first++
    }
    expect(first).toBeGreaterThan(150)
    expect(first).toBeLessThan(250)
  })
})
