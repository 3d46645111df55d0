/** What CHARGE_FOR_TASK pays: a pure function of the report (spec 14, A21). */
import { bytesToHex, concatBytes, hexToBytes, merkleRoot, u64le } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

export interface SettlementInput {
  readonly fee: bigint
  readonly bond: bigint
  readonly confiscated: bigint
  /** Basis points. */
  readonly quotas: { readonly miners: number; readonly supervisors: number; readonly evaluators: number }
  /** Slots of the whole history. */
  readonly slots: number
  readonly miners: readonly { readonly ticket: Hex; readonly rank: number; readonly recorded: number }[]
  readonly supervisors: readonly { readonly ticket: Hex; readonly signed: number }[]
  readonly evaluators: readonly { readonly ticket: Hex; readonly paid: boolean }[]
}

export interface Payout {
  readonly ticket: Hex
  readonly amount: bigint
}

export interface Settlement {
  /** In output order: miners by rank, supervisors and evaluators by index; zeros left out. */
  readonly payouts: readonly Payout[]
  /** The rest of the pot and the bond. */
  readonly client: bigint
}

/**
 * Miner: floor(pot qM w / (10000 sum w)), w = (m' - rank + 1) * recorded, over the m' miners with rank > 0.
 * Supervisor: floor(pot qS signed / (10000 n slots)). Evaluator: floor(pot qE / (10000 e)). Remainders go to the client.
 */
export function settle(input: SettlementInput): Settlement {
  const pot = input.fee + input.confiscated
  const ranked = input.miners.filter((miner) => miner.rank > 0).sort((a, b) => a.rank - b.rank)
  const weights = ranked.map((miner) => BigInt(ranked.length - miner.rank + 1) * BigInt(miner.recorded))
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  const payouts: Payout[] = []
  const pay = (ticket: Hex, amount: bigint) => {
    if (amount > 0n) payouts.push({ ticket, amount })
  }
  ranked.forEach((miner, index) => {
    if (total > 0n) pay(miner.ticket, (pot * BigInt(input.quotas.miners) * weights[index]!) / (10_000n * total))
  })
  for (const { ticket, signed } of input.supervisors) {
    if (input.slots > 0)
      pay(
        ticket,
        (pot * BigInt(input.quotas.supervisors) * BigInt(signed)) / (10_000n * BigInt(input.supervisors.length) * BigInt(input.slots)),
      )
  }
  for (const { ticket, paid } of input.evaluators) {
    if (paid) pay(ticket, (pot * BigInt(input.quotas.evaluators)) / (10_000n * BigInt(input.evaluators.length)))
  }
  const paid = payouts.reduce((sum, payout) => sum + payout.amount, 0n)
  return { payouts, client: pot + input.bond - paid }
}

/** Merkle root over the leaves ticket || u64 amount, in output order. */
export function payoutsRoot(payouts: readonly Payout[]): Hex {
  return bytesToHex(merkleRoot(payouts.map(({ ticket, amount }) => concatBytes(hexToBytes(ticket), u64le(amount)))))
}
