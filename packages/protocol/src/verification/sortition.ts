/**
 * Who may attest a block, and what an attestation is: verifier draw, digest, certificate (A17, A18).
 */

import type { Ticket, View } from '@pouw/chain'
import { bytesToHex, concatBytes, ecvrfProve, ecvrfVerify, ed25519Sign, ed25519Verify, hexToBytes, u32le, utf8 } from '@pouw/crypto'
import { type Digest, digestSignedBytes, encodeDigest, type Hex, type NetworkParams, OK, refuse, type Verdict } from '@pouw/primitives'

const VERIFIER_ROLE = 4

/** alpha = "POUW-VRF-v1" || 04 || parent id || u32 height || u8 round || ticket id. */
export function verifierAlpha(parentId: Hex, height: number, round: number, ticketId: Hex): Uint8Array {
  return concatBytes(
    utf8('POUW-VRF-v1'),
    Uint8Array.of(VERIFIER_ROLE),
    hexToBytes(parentId),
    u32le(height),
    Uint8Array.of(round),
    hexToBytes(ticketId),
  )
}

/** Drawn iff (first 8 bytes of beta, big-endian) * V < D * 2^64, V = LIVE verifier tickets after the parent block. */
export function isDrawn(beta: Uint8Array, live: number, draw: number): boolean {
  const head = new DataView(beta.buffer, beta.byteOffset, 8).getBigUint64(0, false)
  return head * BigInt(live) < BigInt(draw) << 64n
}

/** Draws a ticket for a child of `parentId`; undefined if the lot falls elsewhere. */
export function drawVerifier(
  view: View,
  params: NetworkParams,
  round: number,
  ticketId: Hex,
  ticketSeed: Uint8Array,
): Uint8Array | undefined {
  const ticket = view.ticket(ticketId)
  if (!ticket || ticket.role !== VERIFIER_ROLE || ticket.state !== 'LIVE') return undefined
  const alpha = verifierAlpha(view.blockId, view.height + 1, round, ticketId)
  const proof = ecvrfProve('ELL2', ticketSeed, alpha)
  const beta = ecvrfVerify('ELL2', hexToBytes(ticket.vrfKey), alpha, proof)
  if (!beta || !isDrawn(beta, liveVerifiers(view), params.verifierDraw)) return undefined
  return proof
}

export function liveVerifiers(view: View): number {
  return view.tickets({ role: VERIFIER_ROLE, state: 'LIVE' }).length
}

export function signDigest(digest: Omit<Digest, 'signature'>, ticketSeed: Uint8Array): Digest {
  return { ...digest, signature: ed25519Sign(digestSignedBytes(digest), ticketSeed) }
}

/**
 * Checks one digest on a block whose parent's ledger is `view`.
 * @param miner owner of the block's ticket, who may never attest it
 */
export function checkDigest(digest: Digest, view: View, params: NetworkParams, networkId: Hex, miner: Hex): Verdict {
  if (digest.networkId !== networkId || digest.height !== view.height + 1 || digest.round > 1) return refuse('digest-place')
  const ticket: Ticket | undefined = view.ticket(digest.ticketId)
  if (!ticket || ticket.role !== VERIFIER_ROLE || ticket.state !== 'LIVE') return refuse('digest-ticket')
  if (ticket.owner === miner) return refuse('digest-own-block')
  if (!ed25519Verify(digest.signature, digestSignedBytes(digest), hexToBytes(ticket.vrfKey))) return refuse('digest-signature')
  const alpha = verifierAlpha(view.blockId, digest.height, digest.round, digest.ticketId)
  const beta = ecvrfVerify('ELL2', hexToBytes(ticket.vrfKey), alpha, digest.proof)
  if (!beta) return refuse('digest-proof')
  if (!isDrawn(beta, liveVerifiers(view), params.verifierDraw)) return refuse('digest-not-drawn')
  return OK
}

/**
 * Picks a quorum out of verified digests: Q of one round with one verdict, one per owner (its lowest ticket), in ascending ticket order.
 * Gradient hashes are bound to tickets, so they differ by design.
 */
export function quorumOf(digests: Iterable<Digest>, view: View, quorum: number, verdict: 0 | 1): Digest[] | undefined {
  const all = [...digests]
  for (const round of [0, 1]) {
    const byOwner = new Map<Hex, Digest>()
    for (const digest of all) {
      if (digest.round !== round || digest.verdict !== verdict) continue
      const owner = view.ticket(digest.ticketId)!.owner
      const other = byOwner.get(owner)
      if (!other || digest.ticketId < other.ticketId) byOwner.set(owner, digest)
    }
    if (byOwner.size >= quorum) return [...byOwner.values()].sort(byTicket).slice(0, quorum)
  }
  return undefined
}

function byTicket(a: Digest, b: Digest): number {
  return a.ticketId < b.ticketId ? -1 : a.ticketId > b.ticketId ? 1 : 0
}

/**
 * A block's certificate: exactly Q digests of one round, all OK, all of this block, ascending by ticket, one per owner (A12, A17, A18).
 * @param known digests already verified (by their encoded bytes in hex), so that nobody pays for a VRF twice
 */
export function checkCertificate(
  certificate: readonly Digest[],
  blockId: Hex,
  miner: Hex,
  view: View,
  params: NetworkParams,
  networkId: Hex,
  known: (digest: Digest) => boolean = () => false,
): Verdict {
  if (certificate.length !== params.verifierQuorum) return refuse('certificate-size')
  const owners = new Set<Hex>()
  for (const [index, digest] of certificate.entries()) {
    if (digest.blockId !== blockId || digest.verdict !== 1 || digest.round !== certificate[0]!.round) return refuse('certificate-mixed')
    if (index > 0 && byTicket(certificate[index - 1]!, digest) >= 0) return refuse('certificate-order')
    if (!known(digest)) {
      const verdict = checkDigest(digest, view, params, networkId, miner)
      if (!verdict.ok) return verdict
    }
    const owner = view.ticket(digest.ticketId)?.owner
    if (!owner || owners.has(owner)) return refuse('certificate-owner')
    owners.add(owner)
  }
  return OK
}

/** A digest as a map key. */
export function digestKey(digest: Digest): string {
  return bytesToHex(encodeDigest(digest))
}
