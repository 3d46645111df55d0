/** A world of fourteen simulated nodes that has settled a task, some of whose iterations mined blocks. */
import { runScenario } from '@pouw/sim'
import { smallScenario } from '../../sim/test/small-scenario.ts'

/** Whether an iteration wins a block is luck: the first of these seeds that has some is as good as any. */
const SEEDS = [2, 7, 11]

export function settledWorld() {
  const small = smallScenario(6)
  const scenario = {
    ...small,
    // Blocks follow soon on iterations, so that a short training holds several.
    task: { ...small.task, ml: { ...small.task.ml, staleness: 1 }, workers: { ...small.task.workers, slotMs: 250 } },
    latencyMs: [2, 20] as const,
    spacingS: 3,
    iterationMs: 250,
    fillerPauseMs: 600,
    limitS: 300,
  }
  for (const seed of SEEDS) {
    const { world, settled, taskBlocks } = runScenario(scenario, seed)
    if (settled && taskBlocks > 0) return world
  }
  throw new Error('no seed settled a task with blocks of its own')
}
