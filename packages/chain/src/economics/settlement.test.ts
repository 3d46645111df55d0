import { bytesToHex, concatBytes, hexToBytes, sha256, u64le } from '@pouw/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ledgerParams } from '../../test/ledger.ts'
import { bondOf, subsidy, verifierFee } from './rewards.ts'
import { payoutsRoot, type SettlementInput, settle } from './settlement.ts'

const ticket = (name: string, index: number) => bytesToHex(sha256(new TextEncoder().encode(`${name} ${index}`)))

const INPUT: SettlementInput = {
  fee: 1_000n,
  bond: 50n,
  confiscated: 0n,
  quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 },
  slots: 20,
  miners: [
    { ticket: ticket('m', 0), rank: 2, recorded: 5 },
    { ticket: ticket('m', 1), rank: 1, recorded: 6 },
    { ticket: ticket('m', 2), rank: 0, recorded: 7 },
  ],
  supervisors: [20, 19, 18, 0].map((signed, index) => ({ ticket: ticket('s', index), signed })),
  evaluators: [true, false, true].map((paid, index) => ({ ticket: ticket('e', index), paid })),
}

describe('settle', () => {
  test('pays by hand-made sums: miners by rank, supervisors by slots, evaluators that kept their word, the rest to the client', () => {
    // Weights 2 * 6 and 1 * 5 of 17; 200 / 4 * signed / 20; 100 / 3.
    const amounts = [494n, 205n, 50n, 47n, 45n, 33n, 33n]
    const order = [ticket('m', 1), ticket('m', 0), ticket('s', 0), ticket('s', 1), ticket('s', 2), ticket('e', 0), ticket('e', 2)]
    const settled = settle(INPUT)
    expect(settled.payouts).toEqual(order.map((id, index) => ({ ticket: id, amount: amounts[index] })))
    expect(settled.client).toBe(1_000n + 50n - amounts.reduce((sum, amount) => sum + amount))
  })

  test('confiscated stakes enlarge the pot, the bond does not', () => {
    expect(settle({ ...INPUT, confiscated: 1_000n }).payouts[0]!.amount).toBe(988n)
    expect(settle({ ...INPUT, bond: 99_999n }).payouts).toEqual(settle(INPUT).payouts)
  })

  test('nobody ranked, nothing recorded, no slots: the share goes to the client', () => {
    const idle = settle({ ...INPUT, miners: INPUT.miners.map((miner) => ({ ...miner, recorded: 0 })) })
    expect(idle.payouts.length).toBe(5)
    expect(idle.payouts).toEqual(settle({ ...INPUT, miners: INPUT.miners.map((miner) => ({ ...miner, rank: 0 })) }).payouts)
    expect(settle({ ...INPUT, slots: 0, miners: [], evaluators: [] })).toEqual({ payouts: [], client: 1_050n })
  })

  test('money is conserved to the unit and never negative, for any report', () => {
    const amount = fc.bigInt({ min: 0n, max: 1n << 61n })
    const inputs = fc
      .record({
        fee: amount,
        bond: amount,
        confiscated: amount,
        miners: fc.integer({ min: 5_000, max: 9_300 }),
        supervisors: fc.integer({ min: 500, max: 700 }),
        slots: fc.nat(1_000_000),
        recorded: fc.array(fc.record({ paid: fc.boolean(), recorded: fc.nat(2 ** 32 - 1) }), { maxLength: 12 }),
        signed: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 13 }),
        kept: fc.array(fc.boolean(), { maxLength: 16 }),
      })
      .map(({ miners, supervisors, recorded, signed, kept, slots, ...money }): SettlementInput => {
        let rank = 0
        return {
          ...money,
          quotas: { miners, supervisors, evaluators: 10_000 - miners - supervisors },
          slots,
          miners: recorded.map((entry, index) => ({ ticket: ticket('m', index), rank: entry.paid ? ++rank : 0, recorded: entry.recorded })),
          supervisors: signed.map((share, index) => ({ ticket: ticket('s', index), signed: Math.floor(share * slots) })),
          evaluators: kept.map((paid, index) => ({ ticket: ticket('e', index), paid })),
        }
      })
    fc.assert(
      fc.property(inputs, (input) => {
        const { payouts, client } = settle(input)
        const paid = payouts.reduce((sum, payout) => sum + payout.amount, 0n)
        expect(paid + client).toBe(input.fee + input.confiscated + input.bond)
        expect(client).toBeGreaterThanOrEqual(input.bond)
        expect(payouts.every((payout) => payout.amount > 0n)).toBe(true)
        const pot = input.fee + input.confiscated
        const share = (ids: readonly { ticket: string }[]) =>
          payouts.filter((payout) => ids.some((id) => id.ticket === payout.ticket)).reduce((sum, payout) => sum + payout.amount, 0n)
        expect(share(input.miners) * 10_000n).toBeLessThanOrEqual(pot * BigInt(input.quotas.miners))
        expect(share(input.supervisors) * 10_000n).toBeLessThanOrEqual(pot * BigInt(input.quotas.supervisors))
        expect(share(input.evaluators) * 10_000n).toBeLessThanOrEqual(pot * BigInt(input.quotas.evaluators))
      }),
      { numRuns: 300 },
    )
  })
})

test('the payout root is the RFC 6962 tree over ticket and amount', () => {
  const payouts = [
    { ticket: ticket('m', 0), amount: 1n },
    { ticket: ticket('m', 1), amount: 2n },
  ]
  const leaf = ({ ticket: id, amount }: (typeof payouts)[number]) => sha256(concatBytes(Uint8Array.of(0), hexToBytes(id), u64le(amount)))
  expect(payoutsRoot(payouts)).toBe(bytesToHex(sha256(Uint8Array.of(1), leaf(payouts[0]!), leaf(payouts[1]!))))
  expect(payoutsRoot([])).toBe(bytesToHex(sha256(new Uint8Array(0))))
})

describe('rewards', () => {
  const params = ledgerParams({ subsidy: 1_001n, halvingInterval: 10, verifierFeeBp: 500, bondBp: 333 })

  test('the subsidy halves at each interval and ends', () => {
    expect([0, 9, 10, 19, 20, 100, 640, 2 ** 31].map((height) => subsidy(params, height))).toEqual([
      1_001n,
      1_001n,
      500n,
      500n,
      250n,
      0n,
      0n,
      0n,
    ])
  })

  test('verifiers get the floor of their share of the subsidy of that height, and nothing for genesis', () => {
    expect([0, 1, 10].map((height) => verifierFee(params, height))).toEqual([0n, 50n, 25n])
  })

  test('the bond is the floor of its share of the fee', () => {
    expect(bondOf(params, 1_000n)).toBe(33n)
  })
})
