/**
 * Gets bytes by their SHA-256: from our own disk, else from the named peers one after the other.
 *
 * Two wishes for the same hash share one search. A peer that answers other bytes than asked for lied, and is told to the penalty book;
 * one that has nothing, or does not answer, is only passed over. When to ask again is the protocol's business.
 */
import { hexToBytes, sha256Hex } from '@pouw/crypto'
import type { Network } from '@pouw/p2p'
import type { Hex } from '@pouw/primitives'
import { createLimit } from './concurrency.ts'
import type { BlobStore } from './store/blobs.ts'

export interface BlobFetch {
  /** The bytes, or undefined if nobody had them, the answer was longer than `bytesMax`, or too many searches wait already. */
  fetch(hash: Hex, peers: readonly string[], bytesMax: number): Promise<Uint8Array | undefined>
}

export interface BlobFetchOptions {
  readonly blobs: Pick<BlobStore, 'get'>
  readonly network: Pick<Network, 'request' | 'penalise' | 'peerId'>
  /** Searches in the network at one time. */
  readonly atOnce: number
  /** Searches known at one time, waiting ones included. */
  readonly searchesMax: number
  readonly signal: AbortSignal
}

/** Points for bytes that do not hash to what was asked for: no honest peer does that, two of them and the peer is banned. */
const LIE_POINTS = 50
const TIMEOUT_MS_BASE = 5_000
/** A peer slower than 1 MiB/s is passed over. */
const BYTES_PER_MS_MIN = (1024 * 1024) / 1000

interface Search {
  readonly peers: Set<string>
  bytesMax: number
  readonly found: Promise<Uint8Array | undefined>
}

export function createBlobFetch({ blobs, network, atOnce, searchesMax, signal }: BlobFetchOptions): BlobFetch {
  const searches = new Map<Hex, Search>()
  const limit = createLimit(atOnce)

  return {
    async fetch(hash, peers, bytesMax) {
      const running = searches.get(hash)
      let found: Promise<Uint8Array | undefined>
      if (running) {
        for (const peer of peers) running.peers.add(peer)
        running.bytesMax = Math.max(running.bytesMax, bytesMax)
        found = running.found
      } else {
        if (searches.size >= searchesMax) return undefined
        const search: Search = { peers: new Set(peers), bytesMax, found: Promise.resolve().then(() => find(hash, search)) }
        searches.set(hash, search)
        found = search.found
      }
      const bytes = await found
      return bytes && bytes.byteLength <= bytesMax ? bytes : undefined
    },
  }

  async function find(hash: Hex, search: Search): Promise<Uint8Array | undefined> {
    try {
      // The disk first and outside the limit: what is here must not wait behind slow peers.
      const own = await blobs.get(hash)
      if (own) return own
      return await limit(() => ask(hash, search))
    } finally {
      searches.delete(hash)
    }
  }

  async function ask(hash: Hex, search: Search): Promise<Uint8Array | undefined> {
    // The set may grow while we ask: later wishes for the same bytes add their peers.
    for (const peer of search.peers) {
      if (peer === network.peerId) continue
      if (signal.aborted) return undefined
      let bytes: Uint8Array
      try {
        const timeoutMs = Math.ceil(TIMEOUT_MS_BASE + search.bytesMax / BYTES_PER_MS_MIN)
        bytes = await network.request(peer, 'blob', hexToBytes(hash), { maxBytes: search.bytesMax, timeoutMs, signal })
      } catch {
        continue
      }
      if (sha256Hex(bytes) === hash) return bytes
      network.penalise(peer, LIE_POINTS, 'answered a request for bytes with other bytes')
    }
    return undefined
  }
}
