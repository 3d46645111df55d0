/** A named run of the seeded world: so many nodes of each role, one task, from the first block to settlement. */
import { sha256, u32le, utf8 } from '@pouw/crypto'
import { deriveKeys, type Hex, type NetworkParams, newMnemonic, type TaskDocument } from '@pouw/primitives'
import { type BrainConfig, COIN, DEVNET_TICKET, devnetParams, type Job, makeGenesis, type RoleName } from '@pouw/protocol'
import { syntheticData } from '@pouw/training'
import { type CheckOutcome, createCheckers } from './checkers.ts'
import { createRestarts, type Restart } from './restarts.ts'
import { createWorld, type Step, type World } from './world.ts'

export interface Scenario {
  readonly name: string
  readonly nodes: { readonly miners: number; readonly supervisors: number; readonly verifiers: number; readonly evaluators: number }
  readonly task: TaskDocument
  readonly latencyMs: readonly [number, number]
  /** Virtual seconds after which the run counts as failed. */
  readonly limitS: number
  /** Virtual spacing of blocks, seconds. */
  readonly spacingS: number
  /** Virtual duration of one training iteration, ms; other jobs are modelled around it. */
  readonly iterationMs: number
  /** Arithmetic that earns one try at a block, in the task and in filler work alike (10.2). Default: the devnet's. */
  readonly flopsPerTry?: number
  /** Virtual rest of a miner between two runs of filler work, ms. Default: a fiftieth of the spacing. */
  readonly fillerPauseMs?: number
  /** Blocks that honest nodes may disagree about. Default: 2. */
  readonly forkDepthMax?: number
  /** Nodes that die and come back. */
  readonly restarts?: readonly Restart[]
}

export interface ScenarioReport {
  readonly name: string
  readonly seed: number
  readonly settled: boolean
  readonly taskState: string
  readonly virtualS: number
  readonly height: number
  readonly taskBlocks: number
  readonly events: number
  readonly accuracy: readonly { readonly ticket: Hex; readonly accuracy: number; readonly recorded: number }[]
  readonly digest: Hex
  /** The lowest and the highest tip: equal if all nodes agree. */
  readonly tips: readonly Hex[]
  /** When the client saw its task enter a state, in virtual seconds. */
  readonly phases: readonly { readonly state: string; readonly atS: number }[]
  /** The client's best chain; verifiers are those of the certificate. */
  readonly blocks: readonly {
    readonly height: number
    readonly atS: number
    readonly kind: 'task' | 'filler'
    readonly verifiers: number
  }[]
  readonly restarts: readonly { readonly node: string; readonly downAtS: number; readonly upAtS: number | null }[]
  readonly checks: readonly CheckOutcome[]
  /** The first thing that did not hold; the run ended there. */
  readonly broken: Broken | null
}

export interface Broken {
  readonly check: string
  readonly what: string
  readonly seed: number
  readonly step: number
  readonly atS: number
  readonly node: string
}

/** 2026-01-01T00:00:00Z: any fixed moment does, the clock is virtual. */
const START_S = 1_767_225_600
const START_MS = START_S * 1000
/** Seeds are hashed as 32 bits. */
export const SEED_MAX = 0xffff_ffff

/**
 * @param seed whole number from 0 to `SEED_MAX`
 * @param progress called once per virtual second, for people
 * @throws RangeError for a seed out of range or a restart of a node that is not there
 */
export function runScenario(
  scenario: Scenario,
  seed: number,
  progress: (world: World, virtualS: number) => void = () => {},
): ScenarioReport & { readonly world: World } {
  if (!Number.isInteger(seed) || seed < 0 || seed > SEED_MAX)
    throw new RangeError(`seed: expected a whole number up to ${SEED_MAX}, received ${seed}`)
  const { nodes } = scenario
  const roles: RoleName[] = [
    ...Array<RoleName>(nodes.miners).fill('miner'),
    ...Array<RoleName>(nodes.verifiers).fill('verifier'),
    'client',
    ...Array<RoleName>(nodes.supervisors).fill('supervisor'),
    ...Array<RoleName>(nodes.evaluators).fill('evaluator'),
  ]
  const seedPhrases = roles.map((_, index) => newMnemonic(sha256(utf8('POUW-SIM-SEED'), u32le(seed), u32le(index)).slice(0, 16)))
  const genesis = makeGenesis({ roles, seedPhrases, nowS: START_S, params: paramsOf(scenario) })
  const checkers = createCheckers(genesis, scenario.forkDepthMax ?? 2)
  const phases: { state: string; atS: number }[] = []
  const broken: Broken[] = []
  const world = createWorld({
    seed,
    startMs: START_MS,
    latencyMs: scenario.latencyMs,
    durationMs: (job) => durationMs(job, scenario.iterationMs),
    onStep,
  })
  const counts = new Map<RoleName, number>()
  for (const [index, role] of roles.entries()) {
    const count = (counts.get(role) ?? 0) + 1
    counts.set(role, count)
    const keys = deriveKeys(seedPhrases[index]!)
    const config: BrainConfig = {
      genesis,
      keys: { ...keys, walletSecret: keys.walletKey },
      role,
      ticket: { ...DEVNET_TICKET, price: COIN },
      fillerPauseMs: scenario.fillerPauseMs ?? Math.max(20, scenario.spacingS * 20),
      checkpointEvery: 100,
    }
    world.add(role === 'client' ? role : `${role}-${count}`, config)
  }
  world.command('client', { kind: 'submit-task', document: scenario.task, data: syntheticData(scenario.task) })
  const allNodes = world.nodes
  const client = allNodes.find((node) => node.name === 'client')!
  const restarts = createRestarts(world, scenario.restarts ?? [], START_MS, () => phases)

  const limitMs = START_MS + scenario.limitS * 1000
  let over = false
  for (let next = START_MS + 1000; !over && world.nowMs < limitMs && next <= limitMs; ) {
    const stop = Math.min(next, restarts.nextMs() ?? next)
    over = world.run(done, stop)
    if (over) break
    restarts.perform(stop)
    if (stop < next) continue
    next += 1000
    progress(world, (world.nowMs - START_MS) / 1000)
  }

  const { chain } = client.brain
  const [task] = chain.view().tasks()
  const blocks = Array.from({ length: chain.tip().height }, (_, index) => {
    const entry = chain.at(index + 1)!
    const certified = chain.block(entry.id)!
    return {
      height: entry.height,
      atS: entry.header.time - START_S,
      kind: certified.block.work.kind,
      verifiers: certified.certificate.length,
    }
  })
  return {
    name: scenario.name,
    seed,
    settled: task?.state === 'SETTLED' && client.brain.result() !== undefined && broken.length === 0,
    taskState: task?.state ?? 'NONE',
    virtualS: (world.nowMs - START_MS) / 1000,
    height: chain.tip().height,
    taskBlocks: blocks.filter((block) => block.kind === 'task').length,
    events: world.events,
    accuracy: task?.report?.miners.map(({ ticket, accuracy, recorded }) => ({ ticket, accuracy, recorded })) ?? [],
    digest: world.digest(),
    tips: [...new Set(allNodes.map((node) => node.brain.chain.tip().id))],
    phases,
    blocks,
    restarts: restarts.done(),
    checks: checkers.outcomes(),
    broken: broken[0] ?? null,
    world,
  }

  /** The model has arrived and every killed node is back, or the task failed, or something broke. */
  function done(): boolean {
    if (broken.length > 0) return true
    const state = phases.at(-1)?.state
    return state === 'FAILED' || (state === 'SETTLED' && client.brain.result() !== undefined && restarts.nextMs() === undefined)
  }

  function onStep({ step, atMs, node, effects }: Step): void {
    if (broken.length > 0) return
    const fault = checkers.look(node, allNodes, effects)
    if (fault) broken.push({ ...fault, seed, step, atS: (atMs - START_MS) / 1000, node: node.name })
    if (node !== client) return
    for (const effect of effects) {
      if (effect.kind !== 'emit' || effect.name !== 'task-state') continue
      const state = String(effect.fields.state)
      // A client that restarts tells its task's state again.
      if (phases.at(-1)?.state !== state) phases.push({ state, atS: (atMs - START_MS) / 1000 })
    }
  }
}

/** One line about where the run stands. */
export function progressLine(world: World): string {
  const client = world.nodes.find((node) => node.name === 'client')!
  const status = client.brain.status()
  const task = status.tasks[0]
  const trained = world.nodes.flatMap((node) => {
    const { training } = node.brain.status()
    return training ? [`${training.sequence}/${training.due} ${(100 * training.accuracy).toFixed(0)}%`] : []
  })
  const down = world.nodes.filter((node) => !node.isUp).map((node) => `${node.name} is down`)
  return [`height ${status.height}`, `task ${task?.state ?? '-'}`, ...trained, ...down].join('  ')
}

/** The devnet's rules at the scenario's pace: what the devnet counts in seconds of its two-second spacing keeps its number of spacings. */
function paramsOf({ spacingS, flopsPerTry, task }: Scenario): NetworkParams {
  const devnet = devnetParams(START_S)
  return {
    ...devnet,
    name: 'sim',
    spacingS,
    halfLifeS: 4 * spacingS,
    proposalMs: 5000 * spacingS,
    verifyMs: 4000 * spacingS,
    slotMs: task.workers.slotMs,
    genesisBits: GENESIS_BITS,
    flopsPerTry: flopsPerTry ?? devnet.flopsPerTry,
    // Filler work small enough that a simulation spends its time on the task: four iterations of a net of 2,410 weights.
    filler: {
      ...devnet.filler,
      iterations: 4,
      samples: 4 * devnet.filler.batch,
      features: 64,
      hidden: [32],
      dataSeed: 'pouw sim filler',
      // A small net has small gradients; an iteration with an empty map has no tries.
      tau: 0.125,
    },
  }
}

/** 2^243, about 8,200 tries: at a scenario's pace some blocks' worth of one miner's filler work. */
const GENESIS_BITS = 0x1f07ffff

/** Modelled, not measured: the virtual machine's speed must not depend on the real one. */
function durationMs(job: Job, iterationMs: number): number {
  switch (job.kind) {
    case 'iterate':
    case 'replay':
      return iterationMs
    case 'mine-filler':
    case 'replay-filler':
      return 5
    case 'evaluate':
    case 'commit-data':
    case 'cut-batches':
      return 100
    default:
      return 1
  }
}
