import type { Command } from 'commander'
import { EXIT } from './exit.ts'
import { wholeNumber } from './options.ts'

interface Flags {
  readonly seed: number
  readonly json?: boolean
}

export function registerSimulate(program: Command): void {
  program
    .command('simulate')
    .description('run a scenario in one process under a virtual clock and network; a seed replays it effect by effect')
    .argument('<scenario>', 'scenario (YAML)')
    .option('--seed <number>', 'fixes every delay and key of the run', wholeNumber(0), 1)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ pouw simulate examples/happy-path.yaml --seed 7')
    .action(run)
}

async function run(file: string, { seed, json }: Flags): Promise<void> {
  const { readScenario } = await import('../simulate/scenario-file.ts')
  const { runScenario } = await import('@pouw/sim')
  const scenario = await readScenario(file)
  const startedMs = performance.now()
  const { world: _, ...report } = runScenario(scenario, seed, (world, line) => {
    process.stderr.write(
      `${String(Math.round((performance.now() - startedMs) / 100) / 10).padStart(6)} s  event ${world.events}  ${line}\n`,
    )
  })
  const wallS = (performance.now() - startedMs) / 1000
  const result = { ...report, wallS, timesRealTime: report.virtualS / wallS }
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
  else {
    const models = report.accuracy.map(({ accuracy, recorded }) => `${(100 * accuracy).toFixed(2)} % after ${recorded} iterations`)
    process.stdout.write(
      `${report.name}, seed ${seed}: task ${report.taskState} at height ${report.height} after ${report.virtualS} virtual seconds\n` +
        `models: ${models.join(', ')}\n` +
        `${report.taskBlocks} task blocks, ${report.events} events, ${wallS.toFixed(1)} s of real time (${result.timesRealTime.toFixed(1)} times real time)\n` +
        `digest of all effects: ${report.digest}\n`,
    )
  }
  process.exitCode = report.settled ? EXIT.done : EXIT.failed
}
