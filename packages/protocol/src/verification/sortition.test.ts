import { type Digest, encodeDigest } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HEIGHT, id, ledger, MINERS, NETWORK, PARAMS, type Worker, worker } from '../../test/group.ts'
import { checkCertificate, checkDigest, digestKey, drawVerifier, isDrawn, quorumOf, signDigest, verifierAlpha } from './sortition.ts'

const BLOCK = id('block')
const MINER = MINERS[0]!
const OWNER = MINER.ticket.owner
/** Four verifiers and D = 4: everybody is drawn. Q = 3. */
const VERIFIERS = ['v0', 'v1', 'v2', 'v3'].map((name) => worker(name, 4, 'LIVE')).sort((a, b) => (a.ticketId < b.ticketId ? -1 : 1))
const VIEW = ledger([MINER.ticket, ...VERIFIERS.map((verifier) => verifier.ticket)])
const [V0, V1, V2, V3] = VERIFIERS as [Worker, Worker, Worker, Worker]

function attest(verifier: Worker, changes: Partial<Omit<Digest, 'signature'>> = {}, view = VIEW): Digest {
  const round = changes.round ?? 0
  return signDigest(
    {
      networkId: NETWORK,
      height: HEIGHT + 1,
      blockId: BLOCK,
      round,
      verdict: 1,
      failingCheck: 0,
      gradientHash: id('gradient'),
      ticketId: verifier.ticketId,
      proof: drawVerifier(view, { ...PARAMS, verifierDraw: 100 }, round, verifier.ticketId, verifier.ticketSeed)!,
      ...changes,
    },
    verifier.ticketSeed,
  )
}

const check = (digest: Digest, view = VIEW, params = PARAMS) => checkDigest(digest, view, params, NETWORK, OWNER)
const refused = (code: string) => expect.objectContaining({ ok: false, code, action: 'reject' })

describe('draw', () => {
  test('alpha binds role, parent, height, round and ticket', () => {
    const alpha = (parent: string, height: number, round: number, ticket: string) => verifierAlpha(parent, height, round, ticket).join()
    const all = new Set([
      alpha(id('p'), 1, 0, id('t')),
      alpha(id('q'), 1, 0, id('t')),
      alpha(id('p'), 2, 0, id('t')),
      alpha(id('p'), 1, 1, id('t')),
      alpha(id('p'), 1, 0, id('u')),
    ])
    expect(all.size).toBe(5)
    expect(verifierAlpha(id('p'), 1, 0, id('t')).length).toBe(11 + 1 + 32 + 4 + 1 + 32)
    expect(verifierAlpha(id('p'), 1, 0, id('t'))[11]).toBe(4)
  })

  test('a lot wins exactly below D * 2^64 / V', () => {
    const beta = (head: bigint) => {
      const bytes = new Uint8Array(64)
      new DataView(bytes.buffer).setBigUint64(0, head, false)
      return bytes
    }
    const half = 1n << 63n
    expect(isDrawn(beta(half - 1n), 8, 4)).toBe(true)
    expect(isDrawn(beta(half), 8, 4)).toBe(false)
    // With V <= D everybody is drawn, the highest value too.
    expect(isDrawn(beta((1n << 64n) - 1n), 4, 4)).toBe(true)
    expect(isDrawn(beta(0n), 1_000_000, 1)).toBe(true)
  })

  test('the lot looks at the first eight bytes of a view into a larger buffer', () => {
    const buffer = new Uint8Array(80).fill(0xff)
    buffer.fill(0, 16)
    expect(isDrawn(buffer.subarray(16), 8, 4)).toBe(true)
    expect(isDrawn(buffer.subarray(0, 64), 8, 4)).toBe(false)
  })

  test('whoever is drawn can prove it, round by round; a miner or a bought but unripe ticket is never drawn', () => {
    for (const round of [0, 1]) for (const verifier of VERIFIERS) expect(check(attest(verifier, { round }))).toEqual({ ok: true })
    const idle = worker('idle miner', 1, 'LIVE')
    expect(drawVerifier(ledger([idle.ticket]), PARAMS, 0, idle.ticketId, idle.ticketSeed)).toBeUndefined()
    expect(drawVerifier(VIEW, PARAMS, 0, id('nobody'), MINER.ticketSeed)).toBeUndefined()
    const unripe = ledger([{ ...V0.ticket, state: 'IMMATURE' }])
    expect(drawVerifier(unripe, PARAMS, 0, V0.ticketId, V0.ticketSeed)).toBeUndefined()
  })

  test('among many tickets about D are drawn, and the checker agrees with each of them', () => {
    const many = Array.from({ length: 40 }, (_, i) => worker(`many ${i}`, 4, 'LIVE'))
    const view = ledger([MINER.ticket, ...many.map((verifier) => verifier.ticket)])
    let drawn = 0
    for (const verifier of many) {
      const proof = drawVerifier(view, PARAMS, 0, verifier.ticketId, verifier.ticketSeed)
      if (proof) drawn++
      const claimed = attest(verifier, {}, view)
      expect(check(claimed, view)).toEqual(proof ? { ok: true } : refused('digest-not-drawn'))
    }
    // Keys are fixed, so this number is too; it must be neither nobody nor everybody.
    expect(drawn).toBeGreaterThan(0)
    expect(drawn).toBeLessThan(12)
  })
})

describe('digest', () => {
  test('another network, height or a third round', () => {
    expect(check(attest(V0, { networkId: '00000000' }))).toEqual(refused('digest-place'))
    expect(check(attest(V0, { height: HEIGHT }))).toEqual(refused('digest-place'))
    expect(check(attest(V0, { height: HEIGHT + 2 }))).toEqual(refused('digest-place'))
    expect(check(attest(V0, { round: 2, proof: attest(V0).proof }))).toEqual(refused('digest-place'))
  })

  test('a ticket that is unknown, of another role, or not LIVE', () => {
    expect(check(attest(V0, { ticketId: id('nobody') }))).toEqual(refused('digest-ticket'))
    for (const role of [1, 2, 3] as const) expect(check(attest(V0), ledger([{ ...V0.ticket, role }]))).toEqual(refused('digest-ticket'))
    for (const state of ['IMMATURE', 'EXPIRED', 'ACTIVE', 'SPENT'] as const)
      expect(check(attest(V0), ledger([{ ...V0.ticket, state }]))).toEqual(refused('digest-ticket'))
  })

  test("a verifier ticket of the block's own miner", () => {
    const own = ledger([{ ...V0.ticket, owner: OWNER }])
    expect(check(attest(V0), own)).toEqual(refused('digest-own-block'))
  })

  test('any field changed after signing', () => {
    const good = attest(V0)
    const changes: Partial<Digest>[] = [
      { blockId: id('other') },
      { round: 1 },
      { verdict: 0 },
      { failingCheck: 14 },
      { gradientHash: id('copied') },
      { proof: attest(V1).proof },
      { signature: new Uint8Array(64) },
      { signature: attest(V0, { verdict: 0 }).signature },
    ]
    expect(check(good)).toEqual({ ok: true })
    for (const change of changes) expect(check({ ...good, ...change })).toEqual(refused('digest-signature'))
  })

  test("another's signature under this ticket", () => {
    expect(check({ ...attest(V1), ticketId: V0.ticketId })).toEqual(refused('digest-signature'))
  })

  test('a proof for another ticket, another round, or no proof at all, honestly signed', () => {
    expect(check(attest(V0, { proof: attest(V1).proof }))).toEqual(refused('digest-proof'))
    expect(check(attest(V0, { proof: attest(V0, { round: 1 }).proof }))).toEqual(refused('digest-proof'))
    expect(check(attest(V0, { proof: new Uint8Array(80) }))).toEqual(refused('digest-proof'))
  })
})

describe('quorum', () => {
  const quorum = (digests: Iterable<Digest>, verdict: 0 | 1 = 1, view = VIEW) => quorumOf(digests, view, 3, verdict)

  test('three of one round and verdict, in ticket order, whatever the order of arrival', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([V0, V1, V2, V3]), (arrived) => {
        const found = quorum(arrived.map((verifier) => attest(verifier)))
        const expected = VERIFIERS.filter((verifier) => arrived.includes(verifier)).slice(0, 3)
        expect(found?.map((digest) => digest.ticketId)).toEqual(
          arrived.length < 3 ? undefined : expected.map((verifier) => verifier.ticketId),
        )
      }),
      { numRuns: 40 },
    )
  })

  test('rounds are not mixed', () => {
    const mixed = [attest(V0), attest(V1), attest(V2, { round: 1 }), attest(V3, { round: 1 })]
    expect(quorum(mixed)).toBeUndefined()
    expect(quorum([...mixed, attest(V2)])?.every((digest) => digest.round === 0)).toBe(true)
    expect(quorum([...mixed, attest(V0, { round: 1 })])?.every((digest) => digest.round === 1)).toBe(true)
  })

  // A block's digests live in a map, whose iterator can be walked only once.
  test('a second round counts as well when the digests come as an iterator', () => {
    const digests = new Map([V0, V1, V2].map((verifier) => [verifier.ticketId, attest(verifier, { round: 1 })]))
    expect(quorum(digests.values())?.length).toBe(3)
  })

  test('verdicts are not mixed', () => {
    const bad = { verdict: 0, failingCheck: 14 }
    const split = [attest(V0), attest(V1), attest(V2, bad), attest(V3, bad)]
    expect(quorum(split, 1)).toBeUndefined()
    expect(quorum(split, 0)).toBeUndefined()
    expect(quorum([...split, attest(V1, bad)], 0)?.map((digest) => digest.ticketId)).toEqual([V1, V2, V3].map((v) => v.ticketId))
  })

  test('an owner counts once, by its lowest ticket', () => {
    const shared = ledger([MINER.ticket, V0.ticket, { ...V1.ticket, owner: V0.ticket.owner }, V2.ticket, V3.ticket])
    expect(quorum([attest(V1), attest(V0), attest(V2)], 1, shared)).toBeUndefined()
    expect(quorum([attest(V1), attest(V0), attest(V2), attest(V3)], 1, shared)?.map((digest) => digest.ticketId)).toEqual(
      [V0, V2, V3].map((verifier) => verifier.ticketId),
    )
  })
})

describe('certificate', () => {
  const good = [attest(V0), attest(V1), attest(V2)]
  const certify = (digests: readonly Digest[], view = VIEW) => checkCertificate(digests, BLOCK, OWNER, view, PARAMS, NETWORK)

  test('exactly Q digests', () => {
    expect(certify(good)).toEqual({ ok: true })
    expect(certify(good.slice(1))).toEqual(refused('certificate-size'))
    expect(certify([...good, attest(V3)])).toEqual(refused('certificate-size'))
    expect(certify([])).toEqual(refused('certificate-size'))
  })

  test('ascending by ticket, nobody twice', () => {
    expect(certify([good[1]!, good[0]!, good[2]!])).toEqual(refused('certificate-order'))
    expect(certify([good[0]!, good[0]!, good[1]!])).toEqual(refused('certificate-order'))
  })

  test('one block, one round, all OK', () => {
    expect(certify([good[0]!, good[1]!, attest(V2, { round: 1 })])).toEqual(refused('certificate-mixed'))
    expect(certify([attest(V0, { verdict: 0 }), good[1]!, good[2]!])).toEqual(refused('certificate-mixed'))
    expect(certify([good[0]!, attest(V1, { blockId: id('other') }), good[2]!])).toEqual(refused('certificate-mixed'))
    const second = [V0, V1, V2].map((verifier) => attest(verifier, { round: 1 }))
    expect(certify(second)).toEqual({ ok: true })
  })

  test('every digest must hold by itself', () => {
    expect(certify([good[0]!, good[1]!, { ...good[2]!, gradientHash: id('copied') }])).toEqual(refused('digest-signature'))
    const own = ledger([MINER.ticket, V0.ticket, { ...V1.ticket, owner: OWNER }, V2.ticket, V3.ticket])
    expect(certify(good, own)).toEqual(refused('digest-own-block'))
  })

  test('one owner twice', () => {
    const shared = ledger([MINER.ticket, V0.ticket, { ...V1.ticket, owner: V0.ticket.owner }, V2.ticket, V3.ticket])
    expect(certify(good, shared)).toEqual(refused('certificate-owner'))
  })

  test('what is known already is not verified again', () => {
    const unsigned = good.map((digest) => ({ ...digest, signature: new Uint8Array(64) }))
    const asked: string[] = []
    const known = (digest: Digest) => asked.push(digest.ticketId) > 0
    expect(checkCertificate(unsigned, BLOCK, OWNER, VIEW, PARAMS, NETWORK, known)).toEqual({ ok: true })
    expect(asked).toEqual(good.map((digest) => digest.ticketId))
  })

  // Otherwise a digest changed after signing passes for the one that was verified, on those nodes only that hold the original.
  test('digests with different bytes have different keys', () => {
    const digest = attest(V0)
    const changes: Partial<Digest>[] = [
      { networkId: '00000000' },
      { height: 1 },
      { blockId: id('other') },
      { round: 1 },
      { verdict: 0 },
      { failingCheck: 14 },
      { gradientHash: id('copied') },
      { ticketId: V1.ticketId },
      { proof: new Uint8Array(80) },
      { signature: new Uint8Array(64) },
    ]
    for (const change of changes) {
      const changed = { ...digest, ...change }
      expect(encodeDigest(changed)).not.toEqual(encodeDigest(digest))
      expect(digestKey(changed)).not.toBe(digestKey(digest))
    }
  })
})
