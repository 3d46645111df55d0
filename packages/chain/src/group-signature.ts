/** Multi-party transactions: what a group signs and how many must (spec 4.2, 7.1, A19). */
import { bls, concatBytes, hexToBytes, sha256, utf8 } from '@pouw/crypto'
import { type Certificate, outputsHash, parseScript, type Tx } from '@pouw/primitives'
import type { Ticket } from './state.ts'

/** SHA256("POUW-MPTX-v1" || record || outputs hash). @throws RangeError if the transaction carries no record */
export function groupDigest(tx: Tx): Uint8Array {
  for (const output of tx.outputs) {
    const script = parseScript(output.script)
    if (script.kind === 'record') return sha256(concatBytes(utf8('POUW-MPTX-v1'), script.record, outputsHash(tx)))
  }
  throw new RangeError('expected a transaction with a record output')
}

/** floor(2n/3) + 1. */
export function quorum(n: number): number {
  return Math.floor((2 * n) / 3) + 1
}

/** True if a quorum of the members (by rank, as the bit set says) signed the digest. */
export function certified(members: readonly Ticket[], digest: Uint8Array, certificate: Certificate): boolean {
  if (certificate.signers >>> members.length !== 0) return false
  const signers = members.filter((_, index) => (certificate.signers >>> index) & 1)
  return (
    signers.length >= quorum(members.length) &&
    bls.fastAggregateVerify(
      signers.map((ticket) => hexToBytes(ticket.blsKey)),
      digest,
      certificate.signature,
    )
  )
}
