/** Real nodes (LevelDB, blobs on disk, worker threads, libp2p over TCP) that go on where the virtual past ends, and who attacks them. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, sha256Hex } from '@pouw/crypto'
import { createNetwork, type Network } from '@pouw/p2p'
import { type Block, blockId, type CertifiedBlock, encodeBlock, type Hex, printHash } from '@pouw/primitives'
import { type Brain, createBrain, type RoleName } from '@pouw/protocol'
import { createCompute } from '../../src/compute/compute.ts'
import { createNode, defaultNodeConfig, type RunningNode } from '../../src/node.ts'
import { openBlobStore } from '../../src/store/blobs.ts'
import { openLevelStore } from '../../src/store/level-store.ts'
import type { Clock } from '../../src/timers.ts'
import { signMessage } from './forge.ts'
import type { Identity, Moment, OperatorKeys, Past } from './past.ts'

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const CACHE_BYTES = 16 * 1024 * 1024

interface Emitted {
  readonly name: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface StagedNode {
  readonly role: RoleName
  readonly brain: Brain
  readonly node: RunningNode
  readonly network: Network
  readonly emitted: readonly Emitted[]
}

export interface Attacker {
  readonly network: Network
  /** Serves these bytes by their SHA-256. */
  serve(bytes: Uint8Array): Hex
  /** Tells everybody that the ticket of these keys is to be found here. */
  hello(ticketId: Hex, taskId: Hex, keys: OperatorKeys): Promise<void>
  publish(block: Block): Promise<Hex>
  /** This peer's score at every node, the ban as -100. */
  scores(): number[]
}

export interface Stage {
  readonly nodes: readonly StagedNode[]
  attacker(): Promise<Attacker>
  /** Waits for something that the nodes' events or states show. @throws Error that names it, after half a minute */
  until(what: string, holds: () => boolean): Promise<void>
  /** How a node refused, or a quorum rejected, this block: `check:code` or `check:quorum`. */
  refusals(node: StagedNode, id: Hex): string[]
  stop(): Promise<void>
}

/** @param roles which identities of the past run as real nodes; all of them know the moment's blocks */
export async function openStage(past: Past, moment: Moment, roles: readonly RoleName[]): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'pouw-refusals-'))
  const startedMs = performance.now()
  const clock: Clock = {
    now: () => Math.floor(moment.nowMs + performance.now() - startedMs),
    after(delayMs, callback) {
      const handle = setTimeout(callback, delayMs)
      return () => clearTimeout(handle)
    },
  }
  const nodes: StagedNode[] = []
  const attackers: Network[] = []
  const left = [...past.identities]
  for (const role of roles) {
    const at = left.findIndex((identity) => identity.role === role)
    nodes.push(await openNode(left.splice(at, 1)[0]!, moment.blocks, join(folder, `${role}-${nodes.length}`)))
  }
  await until('all nodes meet', () => nodes.every(({ node }) => node.peers() === nodes.length - 1))

  return {
    nodes,
    until,
    refusals(node, id) {
      const hash = printHash(id)
      return node.emitted.flatMap(({ name, fields }) => {
        if (fields.hash !== hash) return []
        if (name === 'block-refused') return [`${fields.check}:${fields.code}`]
        return name === 'block-rejected' ? [`${fields.check}:quorum`] : []
      })
    },
    async attacker() {
      const blobs = new Map<Hex, Uint8Array>()
      const network = await createNetwork(
        {
          networkId: past.networkId,
          peerSeed: randomBytes(32),
          listen: LOOPBACK,
          bootstrap: nodes.map(({ node }) => node.addresses[0]!),
          // An attacker keeps no limits but his own.
          limits: { frameBytes: 2 ** 27, gossipBytes: 2 ** 27, requestBytes: 2 ** 27, queueBytes: 2 ** 28 },
        },
        {
          gossip: () => 'ignore',
          message: () => {},
          request: async (service, payload) => (service === 'blob' ? blobs.get(bytesToHex(payload)) : undefined),
        },
      )
      attackers.push(network)
      const scores = nodes.map(() => 0)
      for (const [index, node] of nodes.entries()) {
        node.network.on('penalty', ({ peerId, score }) => {
          if (peerId === network.peerId) scores[index] = score
        })
      }
      const ready = new Set<string>()
      network.on('peer:ready', ({ peerId }) => ready.add(peerId))
      await until('the attacker is heard', () => ready.size === nodes.length)
      return {
        network,
        serve(bytes) {
          const hash = sha256Hex(bytes)
          blobs.set(hash, bytes)
          return hash
        },
        hello: (ticketId, taskId, keys) =>
          network.publish(
            'task',
            signMessage(
              past.networkId,
              // Later than anything the ticket said in the past, and than an earlier attacker in its name.
              {
                kind: 'HELLO',
                taskId,
                sender: ticketId,
                sequence: 2 ** 31 + attackers.length,
                peerId: network.peerId,
                addresses: [...network.addresses],
              },
              keys,
            ),
          ),
        async publish(block) {
          await network.publish('block', encodeBlock(block))
          return blockId(block)
        },
        scores: () => [...scores],
      }
    },
    async stop() {
      await Promise.all([...attackers.map((network) => network.stop()), ...nodes.map(({ node }) => node.stop())])
      await rm(folder, { recursive: true, force: true })
    },
  }

  async function openNode({ role, config, keys }: Identity, blocks: readonly CertifiedBlock[], dataDir: string): Promise<StagedNode> {
    const path = join(dataDir, 'chain')
    const earlier = await openLevelStore({ path, sync: false })
    for (const [index, certified] of blocks.entries()) earlier.saveBlock(blockId(certified.block), index + 1, certified)
    await earlier.close()
    const emitted: Emitted[] = []
    const brain = createBrain(config)
    let network: Network | undefined
    const node = await createNode(defaultNodeConfig, {
      brain,
      store: await openLevelStore({ path, sync: false }),
      blobs: await openBlobStore({ path: join(dataDir, 'blobs'), cacheBytesMax: CACHE_BYTES }),
      compute: createCompute({ filler: config.genesis.params.filler }),
      clock,
      emit: (name, fields) => void emitted.push({ name, fields }),
      async openNetwork(handlers) {
        const bootstrap = nodes.map((other) => other.node.addresses[0]!)
        network = await createNetwork({ networkId: past.networkId, peerSeed: keys.peerSeed, listen: LOOPBACK, bootstrap }, handlers)
        return network
      },
    })
    return { role, brain, node, network: network!, emitted }
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 20) {
    if (waitedMs > 30_000) throw new Error(`half a minute passed, but not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
