/** Where a reader gets the chain from: the folder of a node, or peers over libp2p. */
import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type Genesis, genesisBlock } from '@pouw/chain'
import { createNetwork, type Network } from '@pouw/p2p'
import { type CertifiedBlock, encodeCertifiedBlocks, OperationError } from '@pouw/primitives'
import { openLevelStore } from '../store/level-store.ts'
import type { Source } from './observer.ts'

/** As a peer's page. */
const PAGE_BLOCKS = 64
const REQUEST_MS = 20_000
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

/**
 * The stored chain of a node that is not running, read like a peer: nothing in it is believed.
 *
 * @throws OperationError `not-found` without a chain, `unavailable` while a node holds it, `refused` if it is of another network
 */
export async function folderSource(dataDir: string, genesis: Genesis): Promise<Source> {
  const path = join(dataDir, 'chain')
  // Opening would make a new and empty store.
  await access(join(path, 'CURRENT')).catch((cause) => {
    throw new OperationError('not-found', `${dataDir} is no data directory of a node: there is no chain in ${path}`, { cause })
  })
  const blocks = await readBlocks(path)
  const first = blocks[0]?.block.header.hashPrevBlock
  const { id } = genesisBlock(genesis)
  if (first !== undefined && first !== id) throw new OperationError('refused', `the chain in ${dataDir} begins with another genesis`)
  return listSource(dataDir, blocks)
}

/** Blocks from height 1 on, handed out page by page to one follower that knows none of them. */
export function listSource(name: string, blocks: readonly CertifiedBlock[]): Source {
  let given = 0
  return {
    name,
    async blocks() {
      const page = blocks.slice(given, given + PAGE_BLOCKS)
      given += page.length
      return encodeCertifiedBlocks(page)
    },
  }
}

async function readBlocks(path: string): Promise<CertifiedBlock[]> {
  const store = await openLevelStore({ path, sync: false }).catch((error: Error) => {
    if (!isLocked(error)) throw error
    throw new OperationError(
      'unavailable',
      `a node is running on ${path} and holds its store: ask the node itself with --peer MULTIADDR (its line \`ready\` tells its addresses), or stop it first`,
      { cause: error },
    )
  })
  try {
    return (await store.load()).blocks
  } finally {
    await store.close()
  }
}

function isLocked(error: unknown): boolean {
  for (let at = error as { code?: unknown; cause?: unknown } | undefined; at; at = at.cause as typeof at)
    if (at.code === 'LEVEL_LOCKED') return true
  return false
}

export interface PeerSources {
  readonly sources: readonly Source[]
  /** Addresses that did not answer, with the reason. */
  readonly unreachable: readonly string[]
  close(): Promise<void>
}

/** Dials every address once. */
export async function peerSources(addresses: readonly string[], genesis: Genesis, signal: AbortSignal): Promise<PeerSources> {
  const { networkId } = genesisBlock(genesis)
  const network = await createNetwork(
    { networkId, peerSeed: new Uint8Array(randomBytes(32)), listen: [], bootstrap: [] },
    { gossip: () => 'ignore', message: () => {}, request: async () => undefined },
  )
  // A dial knows no signal; the end of the network ends it.
  const stop = () => void network.stop()
  signal.addEventListener('abort', stop, { once: true })
  const peers = new Set<string>()
  const unreachable: string[] = []
  await Promise.all(
    addresses.map(async (address) => {
      try {
        await network.connect(address, { keep: false })
        peers.add(address.slice(address.lastIndexOf('/p2p/') + '/p2p/'.length))
      } catch (error) {
        unreachable.push(`${address}: ${(error as Error).message}`)
      }
    }),
  )
  return { sources: [...peers].map((peer) => peerSource(network, peer, signal)), unreachable, close }

  async function close(): Promise<void> {
    signal.removeEventListener('abort', stop)
    await network.stop()
  }
}

function peerSource(network: Network, peer: string, signal: AbortSignal): Source {
  return {
    name: peer,
    blocks: (locator) =>
      network.request(peer, 'blocks', locator, { signal, maxBytes: ANSWER_BYTES_MAX, timeoutMs: REQUEST_MS }).catch((error) => {
        if (error instanceof OperationError && error.code === 'not-found') return undefined
        throw error
      }),
  }
}
