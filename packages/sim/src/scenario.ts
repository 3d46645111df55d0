/** A named run of the seeded world: so many nodes of each role, one task, from the first block to settlement. */
import { sha256, u32le, utf8 } from '@pouw/crypto'
import { deriveKeys, type Hex, newMnemonic, type TaskDocument } from '@pouw/primitives'
import { type BrainConfig, COIN, DEVNET_TICKET, devnetParams, type Job, makeGenesis, type RoleName } from '@pouw/protocol'
import { syntheticDataset } from '@pouw/training'
import { createWorld, type World } from './world.ts'

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
}

/** 2026-01-01T00:00:00Z: any fixed moment does, the clock is virtual. */
const START_S = 1_767_225_600

/** @param progress called about once per virtual second, for people */
export function runScenario(
  scenario: Scenario,
  seed: number,
  progress: (world: World, line: string) => void = () => {},
): ScenarioReport & { readonly world: World } {
  const world = createWorld({
    seed,
    startMs: START_S * 1000,
    latencyMs: scenario.latencyMs,
    durationMs: (job) => durationMs(job, scenario.iterationMs),
  })
  const { nodes } = scenario
  const roles: RoleName[] = [
    ...Array<RoleName>(nodes.miners).fill('miner'),
    ...Array<RoleName>(nodes.verifiers).fill('verifier'),
    'client',
    ...Array<RoleName>(nodes.supervisors).fill('supervisor'),
    ...Array<RoleName>(nodes.evaluators).fill('evaluator'),
  ]
  const seedPhrases = roles.map((_, index) => newMnemonic(sha256(utf8('POUW-SIM-SEED'), u32le(seed), u32le(index)).slice(0, 16)))
  const params = {
    ...devnetParams(START_S),
    name: 'sim',
    spacingS: scenario.spacingS,
    halfLifeS: 4 * scenario.spacingS,
    slotMs: scenario.task.workers.slotMs,
  }
  const genesis = makeGenesis({ roles, seedPhrases, nowS: START_S, params })
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
      fillerPauseMs: Math.max(20, scenario.spacingS * 20),
      checkpointEvery: 100,
    }
    world.add(role === 'client' ? role : `${role}-${count}`, config)
  }
  const { dataset } = scenario.task.ml
  const data = syntheticDataset(dataset.name, dataset.samples, dataset.features, dataset.classes)
  world.command('client', { kind: 'submit-task', document: scenario.task, data })

  const client = world.nodes.find((node) => node.name === 'client')!
  const limitMs = (START_S + scenario.limitS) * 1000
  const done = () =>
    client.brain.result() !== undefined ||
    client.brain.chain
      .view()
      .tasks()
      .some((task) => task.state === 'FAILED')
  let settled = false
  for (let next = START_S * 1000 + 1000; next <= limitMs && !settled; next += 1000) {
    settled = world.run(done, next)
    progress(world, progressLine(world))
  }
  const { chain } = client.brain
  const [task] = chain.view().tasks()
  let taskBlocks = 0
  for (let height = 1; height <= chain.tip().height; height++)
    if (chain.block(chain.at(height)!.id)!.block.work.kind === 'task') taskBlocks++
  return {
    name: scenario.name,
    seed,
    settled: task?.state === 'SETTLED',
    taskState: task?.state ?? 'NONE',
    virtualS: (world.nowMs - START_S * 1000) / 1000,
    height: chain.tip().height,
    taskBlocks,
    events: world.events,
    accuracy: task?.report?.miners.map(({ ticket, accuracy, recorded }) => ({ ticket, accuracy, recorded })) ?? [],
    digest: world.digest(),
    tips: [...new Set(world.nodes.map((node) => node.brain.chain.tip().id))],
    world,
  }
}

function progressLine(world: World): string {
  const client = world.nodes.find((node) => node.name === 'client')!
  const status = client.brain.status()
  const task = status.tasks[0]
  const trained = world.nodes.flatMap((node) => {
    const { training } = node.brain.status()
    return training ? [`${training.sequence}/${training.due} ${(100 * training.accuracy).toFixed(0)}%`] : []
  })
  return `height ${status.height}  task ${task?.state ?? '-'}  slot ${task?.lastSlot ?? '-'}  ${trained.join('  ')}`
}

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
