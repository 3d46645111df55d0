/**
 * Group signatures of a task's supervisors: individual BLS keys plus a bit set, at least t = floor(2n/3)+1 (A20 `groupKeys: aggregate`).
 * The distributed key generation will replace what stands behind these three functions, and nothing else.
 */
import { bls } from '@pouw/crypto'
import { type Certificate, type Hex, type SlotHeader, slotHeaderHash, slotSigningHash } from '@pouw/primitives'
import { type Group, type Member, threshold } from '../group.ts'

/** One member's signature share with its index (selection rank). */
export interface Share {
  readonly index: number
  readonly signature: Uint8Array
}

/**
 * Aggregates the shares of distinct members, all of them: who signed is who is paid (A22). Undefined if there are fewer than `needed` or one
 * is malformed. Whoever combines verifies the result once, not each share.
 */
export function combineShares(shares: readonly Share[], needed: number): Certificate | undefined {
  if (shares.length < needed) return undefined
  const chosen = [...shares].sort((a, b) => a.index - b.index)
  const signature = bls.aggregateSignatures(chosen.map((share) => share.signature))
  if (!signature) return undefined
  return { signers: chosen.reduce((bits, share) => bits | (1 << share.index), 0), signature }
}

/** True if at least `needed` of the members, as the bit set says, signed `message`. */
export function groupSigned(members: readonly Member[], needed: number, message: Uint8Array, certificate: Certificate): boolean {
  if (certificate.signers >>> members.length !== 0) return false
  const signers = members.filter((_, index) => (certificate.signers >>> index) & 1)
  return (
    signers.length >= needed &&
    bls.fastAggregateVerify(
      signers.map((member) => member.blsKey),
      message,
      certificate.signature,
    )
  )
}

/** The certificate of a slot: over its header hash and the history root up to it (A22). */
export function certificateIsValid(group: Group, header: SlotHeader, historyRoot: Hex, certificate: Certificate): boolean {
  return groupSigned(
    group.supervisors,
    threshold(group.supervisors.length),
    slotSigningHash(slotHeaderHash(header), historyRoot),
    certificate,
  )
}
