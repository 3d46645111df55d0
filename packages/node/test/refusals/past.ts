/**
 * A network's past, made in the seeded world: chain, history and blobs up to a moment in which real nodes can take over.
 *
 * The target is trivial here, so that a forged header is never refused for its hash: what refuses it must be the check under test.
 */
import { genesisBlock } from '@pouw/chain'
import { sha256, u32le, utf8 } from '@pouw/crypto'
import { type CertifiedBlock, deriveKeys, type Hex, newMnemonic } from '@pouw/primitives'
import { type BrainConfig, COIN, DEVNET_TICKET, devnetParams, makeGenesis, type RoleName } from '@pouw/protocol'
import { createWorld, type World } from '@pouw/sim'
import { syntheticData } from '@pouw/training'
import { smallScenario } from '../../../sim/test/small-scenario.ts'

const START_S = 1_767_225_600
const LIMIT_S = 900

const ROLES: readonly RoleName[] = [
  ...Array<RoleName>(3).fill('miner'),
  ...Array<RoleName>(4).fill('verifier'),
  'client',
  ...Array<RoleName>(4).fill('supervisor'),
  ...Array<RoleName>(2).fill('evaluator'),
]

const { task } = smallScenario(3)
/** Blocks are cheap here, so the task's deadline is far. */
const document = { ...task, workers: { ...task.workers, deadline: 5000, slotMs: 500 } }

export type OperatorKeys = BrainConfig['keys'] & { readonly peerSeed: Uint8Array }

export interface Identity {
  readonly role: RoleName
  readonly config: BrainConfig
  readonly keys: OperatorKeys
}

/** The moment before `next`: everything below it is on the chain, `next` itself is valid and not yet known. */
export interface Moment {
  readonly nowMs: number
  readonly blocks: readonly CertifiedBlock[]
  readonly next: CertifiedBlock
}

export interface Past {
  readonly networkId: Hex
  readonly identities: readonly Identity[]
  readonly world: World
  /** Before a block that the task's own work found. */
  readonly training: Moment
  /** Before the block that pays everybody. */
  readonly settling: Moment
  /** Bytes by SHA-256, whoever of the world holds them. */
  blob(hash: Hex): Uint8Array | undefined
}

export function makePast(seed = 7): Past {
  const seedPhrases = ROLES.map((_, index) => newMnemonic(sha256(utf8('refusals'), u32le(seed), u32le(index)).slice(0, 16)))
  const params = {
    ...devnetParams(START_S),
    name: 'refusals',
    // Just below 2^256: every hash meets it, and ASERT, whose half life is a year, leaves it there.
    genesisBits: 0x2100ffff,
    limitBits: 0x2100ffff,
    halfLifeS: 31_536_000,
    slotMs: document.workers.slotMs,
    // The task is small, and must be worth a try.
    flopsPerTry: 100_000,
    // Wide enough for a test that stops the virtual clock and goes on with a real one.
    maxAheadS: 3600,
    proposalMs: 3_600_000,
    verifyMs: 120_000,
  }
  const genesis = makeGenesis({ roles: ROLES, seedPhrases, nowS: START_S, params })
  const identities = ROLES.map((role, index): Identity => {
    const derived = deriveKeys(seedPhrases[index]!)
    const keys = { ...derived, walletSecret: derived.walletKey }
    const config: BrainConfig = {
      genesis,
      keys,
      role,
      ticket: { ...DEVNET_TICKET, price: COIN },
      fillerPauseMs: 3_000,
      checkpointEvery: 100,
    }
    return { role, config, keys }
  })

  const world = createWorld({
    seed,
    startMs: START_S * 1000,
    latencyMs: [5, 40],
    // Every hash wins here, so what paces the chain is the time that mining takes.
    durationMs: (job) => (job.kind === 'mine-filler' ? 3_000 : job.kind === 'iterate' || job.kind === 'replay' ? 100 : 5),
  })
  for (const [index, { role, config }] of identities.entries()) world.add(`${role}-${index}`, config)
  const client = world.nodes.find((node) => node.name.startsWith('client'))!
  const data = syntheticData(document)
  world.command(client.name, { kind: 'submit-task', document, data })

  const { chain } = client.brain
  /** Stops as soon as the client's tip is such a block, and takes the moment before it. */
  function momentOf(what: string, fits: (block: CertifiedBlock) => boolean): Moment {
    const arrived = world.run(
      () => {
        const tip = chain.block(chain.tip().id)
        return tip !== undefined && fits(tip)
      },
      (START_S + LIMIT_S) * 1000,
    )
    if (!arrived) throw new Error(`seed ${seed}: no ${what} within ${LIMIT_S} virtual seconds`)
    const blocks = Array.from({ length: chain.tip().height }, (_, index) => chain.block(chain.at(index + 1)!.id)!)
    return { nowMs: world.nowMs, blocks: blocks.slice(0, -1), next: blocks.at(-1)! }
  }
  const training = momentOf('block of the task', ({ block }) => block.work.kind === 'task')
  const settling = momentOf('settlement', () => chain.view().tasks()[0]?.state === 'SETTLED')
  return {
    networkId: genesisBlock(genesis).networkId,
    identities,
    world,
    training,
    settling,
    blob: (hash) => {
      for (const node of world.nodes) {
        const bytes = node.blobs.get(hash)
        if (bytes) return bytes
      }
      return undefined
    },
  }
}
