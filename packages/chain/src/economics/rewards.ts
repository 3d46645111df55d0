/** Block rewards (spec 16.1, A18). */
import type { NetworkParams } from '@pouw/primitives'

export function subsidy(params: NetworkParams, height: number): bigint {
  const halvings = Math.floor(height / params.halvingInterval)
  return halvings > 63 ? 0n : params.subsidy >> BigInt(halvings)
}

/** v(h): what the verifiers of block h get, paid in its child's coinbase; nothing for genesis. */
export function verifierFee(params: NetworkParams, height: number): bigint {
  return height === 0 ? 0n : (subsidy(params, height) * BigInt(params.verifierFeeBp)) / 10_000n
}

/** A client's bond: a share of the fee, floor (A19). */
export function bondOf(params: NetworkParams, fee: bigint): bigint {
  return (fee * BigInt(params.bondBp)) / 10_000n
}
