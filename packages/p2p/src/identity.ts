import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'

/** The host's Ed25519 key from its 32-byte seed. TypeError for another length. */
export async function privateKeyOf(peerSeed: Uint8Array) {
  if (!(peerSeed instanceof Uint8Array) || peerSeed.length !== 32)
    throw new TypeError(`peerSeed: expected 32 bytes, received ${peerSeed?.length}`)
  return generateKeyPairFromSeed('Ed25519', peerSeed)
}

/** The libp2p peer id (base58 text, "12D3Koo...") that a host with this 32-byte Ed25519 seed has. */
export async function peerIdOf(peerSeed: Uint8Array): Promise<string> {
  return peerIdFromPrivateKey(await privateKeyOf(peerSeed)).toString()
}

/** True for text that is a peer id. */
export function isPeerId(text: string): boolean {
  try {
    return peerIdFromString(text).toString() === text
  } catch {
    return false
  }
}

/** The peer id at the end of a multiaddr, or undefined if it names none or is no multiaddr. */
export function peerIdInAddress(address: string): string | undefined {
  try {
    const last = multiaddr(address).getComponents().at(-1)
    return last?.name === 'p2p' && last.value !== undefined && isPeerId(last.value) ? last.value : undefined
  } catch {
    return undefined
  }
}

/**
 * The address with /p2p/<peerId> at its end; undefined if it is no multiaddr, names another peer last, or says nothing
 * but the peer.
 */
export function addressOf(peerId: string, address: string): string | undefined {
  try {
    const parts = multiaddr(address).getComponents()
    if (parts.length === 0 || parts[0]?.name === 'p2p') return undefined
    const named = peerIdInAddress(address)
    if (named !== undefined) return named === peerId ? address : undefined
    return multiaddr(`${address.replace(/\/$/, '')}/p2p/${peerId}`).toString()
  } catch {
    return undefined
  }
}
