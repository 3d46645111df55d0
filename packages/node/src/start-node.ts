/** Puts a whole node together out of a folder, a seed phrase and a genesis: what `pouw node` and every process of a devnet run. */
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Genesis, genesisBlock } from '@pouw/chain'
import { createNetwork } from '@pouw/p2p'
import { deriveKeys, OperationError } from '@pouw/primitives'
import { type Brain, createBrain, type RoleName } from '@pouw/protocol'
import { createCompute } from './compute/compute.ts'
import { DEVNET_TICKET } from './networks/devnet.ts'
import { readGenesis } from './networks/genesis-file.ts'
import { createNode, defaultNodeConfig, type RunningNode } from './node.ts'
import { type BlobStore, openBlobStore } from './store/blobs.ts'
import { openLevelStore } from './store/level-store.ts'
import { systemClock } from './timers.ts'

export interface StartNodeOptions {
  readonly genesisFile: string
  readonly role: RoleName
  /** Everything this node writes lies in here; its seed phrase is the file `seed`. */
  readonly dataDir: string
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** Multiaddrs with /p2p/<id>, dialled until they answer. */
  readonly bootstrap: readonly string[]
  /** Rest between two filler runs, ms (A15: a node may throttle filler work). */
  readonly fillerPauseMs: number
  /** Keep a restart point every so many iterations. */
  readonly checkpointEvery: number
  /** Wait for the disk itself at every write: a power cut loses nothing. Without it only the death of the process is survived. */
  readonly syncWrites: boolean
}

export interface StartedNode {
  readonly node: RunningNode
  readonly brain: Brain
  readonly blobs: BlobStore
  readonly genesis: Genesis
  /** Signs in the operator's name; stays in this process. */
  readonly walletSecret: Uint8Array
}

const THREAD_AT_ONCE: ReadonlySet<RoleName> = new Set(['miner', 'verifier', 'supervisor'])

/** Bytes of blobs kept in memory: some models and bundles of the reference tasks. */
const BLOB_CACHE_BYTES = 64 * 1024 * 1024

/**
 * @param emit for people, see `NodePorts`
 * @throws OperationError if a file cannot be read, the store is held by another process, or the address is taken
 */
export async function startNode(
  options: StartNodeOptions,
  emit: (name: string, fields: Readonly<Record<string, unknown>>) => void,
): Promise<StartedNode> {
  const genesis = await readGenesis(options.genesisFile)
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 })
  const keys = deriveKeys(await readSeedPhrase(join(options.dataDir, 'seed')))
  const { networkId } = genesisBlock(genesis)

  const store = await openLevelStore({ path: join(options.dataDir, 'chain'), sync: options.syncWrites })
  const blobs = await openBlobStore({ path: join(options.dataDir, 'blobs'), cacheBytesMax: BLOB_CACHE_BYTES })
  const compute = createCompute({ filler: genesis.params.filler })
  // Their first job must not wait for it; the thread loads while the network opens.
  if (THREAD_AT_ONCE.has(options.role)) compute.warmUp()
  try {
    const brain = createBrain({
      genesis,
      keys: {
        walletSecret: keys.walletKey,
        walletPublic: keys.walletPublic,
        ticketSeed: keys.ticketSeed,
        ticketPublic: keys.ticketPublic,
        blsSecret: keys.blsSecret,
        blsPublic: keys.blsPublic,
      },
      role: options.role,
      ticket: { ...DEVNET_TICKET, price: genesis.params.ticketPriceMin },
      fillerPauseMs: options.fillerPauseMs,
      checkpointEvery: options.checkpointEvery,
    })
    const node = await createNode(defaultNodeConfig, {
      brain,
      openNetwork: (handlers) =>
        createNetwork({ networkId, peerSeed: keys.peerSeed, listen: options.listen, bootstrap: options.bootstrap }, handlers),
      store,
      blobs,
      compute,
      clock: systemClock,
      emit,
    })
    return { node, brain, blobs, genesis, walletSecret: keys.walletKey }
  } catch (error) {
    await Promise.allSettled([store.close(), compute.close()])
    throw error
  }
}

/** A phrase that others can read is a phrase that others can spend: the file must belong to its owner alone. */
async function readSeedPhrase(file: string): Promise<string> {
  let text: string
  let mode: number
  try {
    text = await readFile(file, 'utf8')
    mode = (await stat(file)).mode
  } catch (cause) {
    throw new OperationError('not-found', `no seed phrase in ${file}: make one with \`pouw init\``, { cause })
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new OperationError('refused', `${file} can be read by others: run \`chmod 600 ${file}\``)
  }
  return text.trim()
}
