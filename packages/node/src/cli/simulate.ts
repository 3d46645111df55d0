import { type Command, InvalidArgumentError } from 'commander'
import { EXIT } from './exit.ts'

interface Flags {
  readonly seed: number
  readonly json?: boolean
}

/** As in `@pouw/sim`, which is loaded only when the command runs. */
const SEED_MAX = 2 ** 32 - 1

export function registerSimulate(program: Command): void {
  program
    .command('simulate')
    .description('run a scenario in one process under a virtual clock and network; a seed replays it effect by effect')
    .argument('<scenario>', 'scenario (YAML)')
    .option('--seed <number>', `fixes every delay and key of the run, 0 to ${SEED_MAX}`, parseSeed, 1)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Progress goes to stderr, a line a second at most. Checkers look after every step (money, forks, penalties,
payments, settlement, double signatures); the first that fails ends the run and is printed with seed and step.
Exit code: 0 the task settled and all checkers held, 1 it did not, 2 wrong usage.

Example:
  $ pouw simulate examples/happy-path.yaml --seed 7
  $ pouw simulate examples/restarts.yaml --json`,
    )
    .action(run)
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (!/^\d{1,10}$/.test(text) || seed > SEED_MAX) throw new InvalidArgumentError(`expected a whole number from 0 to ${SEED_MAX}.`)
  return seed
}

async function run(file: string, { seed, json }: Flags): Promise<void> {
  const { readScenario } = await import('../simulate/scenario-file.ts')
  const { summary } = await import('../simulate/summary.ts')
  const { progressLine, runScenario } = await import('@pouw/sim')
  const scenario = await readScenario(file)
  const startedMs = performance.now()
  const elapsedS = () => (performance.now() - startedMs) / 1000
  let saidS = 0
  const { world: _, ...report } = runScenario(scenario, seed, (world, virtualS) => {
    if (elapsedS() - saidS < 1) return
    saidS = elapsedS()
    process.stderr.write(`${saidS.toFixed(0).padStart(4)} s  virtual ${virtualS.toFixed(0).padStart(5)} s  ${progressLine(world)}\n`)
  })
  const wallS = elapsedS()
  const result = { ...report, wallS, timesRealTime: report.virtualS / wallS }
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result))
  process.exitCode = report.settled ? EXIT.done : EXIT.failed
}
