/** A real task block with all it takes to check it: mined by the production protocol in the simulator, on a net of the example's size. */
import type { Genesis } from '@pouw/chain'
import type { CertifiedBlock, Hex, TaskDocument } from '@pouw/primitives'
import { runScenario, type Scenario, type World } from '@pouw/sim'

export interface TaskBlock {
  readonly genesis: Genesis
  /** The blocks below it, height 1 first. */
  readonly ancestors: readonly CertifiedBlock[]
  readonly certified: CertifiedBlock
  readonly blobs: ReadonlyMap<Hex, Uint8Array>
  /** The moment it was checked at, ms since 1970. */
  readonly nowMs: number
  readonly seconds: number
}

/** Ends a run from within its progress call. */
class Found extends Error {
  readonly world: World
  readonly height: number
  constructor(world: World, height: number) {
    super('found')
    this.world = world
    this.height = height
  }
}

/**
 * @param example its model, rate and batch are kept; the data are synthetic, since the simulator reads no files
 * @throws Error if no task block comes within the scenario's limit
 */
export function mineTaskBlock(example: TaskDocument, say: (text: string) => void): TaskBlock {
  const dataset = {
    ...example.ml.dataset,
    name: 'bench',
    format: 'synthetic' as const,
    samples: 10 * BATCHES * example.ml.batch,
    files: [],
  }
  const scenario: Scenario = {
    name: 'bench',
    nodes: { miners: 3, supervisors: 4, verifiers: 4, evaluators: 4 },
    task: { ...example, ml: { ...example.ml, dataset, epochs: 40 }, workers: { ...example.workers, slotMs: SLOT_MS } },
    latencyMs: [5, 80],
    limitS: 3600,
    spacingS: 20,
    iterationMs: SLOT_MS,
    // Dear tries are few tries: the run should spend its time on training, not on hashes.
    flopsPerTry: 200_000,
    fillerPauseMs: 300,
  }
  const startedMs = performance.now()
  const seconds = () => (performance.now() - startedMs) / 1000
  let saidS = 0
  try {
    runScenario(scenario, 1, (world, virtualS) => {
      const { chain } = clientOf(world).brain
      const { height } = chain.tip()
      if (chain.block(chain.tip().id)?.block.work.kind === 'task') throw new Found(world, height)
      if (seconds() - saidS < 2) return
      saidS = seconds()
      say(`simulating up to a task block: ${saidS.toFixed(0)} s, virtual ${virtualS} s, height ${height}`)
    })
  } catch (error) {
    if (!(error instanceof Found)) throw error
    const { world, height } = error
    const { brain, config } = clientOf(world)
    const at = (h: number) => brain.chain.block(brain.chain.at(h)!.id)!
    return {
      genesis: config.genesis,
      ancestors: Array.from({ length: height - 1 }, (_, index) => at(index + 1)),
      certified: at(height),
      blobs: new Map(world.nodes.flatMap((node) => [...node.blobs])),
      nowMs: world.nowMs,
      seconds: seconds(),
    }
  }
  throw new Error(`no task block within ${scenario.limitS} virtual seconds`)
}

/** In each of the ten segments. */
const BATCHES = 10
const SLOT_MS = 1500

function clientOf(world: World): World['nodes'][number] {
  return world.nodes.find((node) => node.name === 'client')!
}
