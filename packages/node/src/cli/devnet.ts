import { fileURLToPath } from 'node:url'
import { type Command, InvalidArgumentError } from 'commander'
import type { DevnetOptions, ExitCondition } from '../devnet/devnet.ts'
import { seedNumber, wholeNumber } from './options.ts'

const DEFAULT_TASK = fileURLToPath(new URL('../../../../examples/mnist-mlp.yaml', import.meta.url))

interface Flags extends Omit<DevnetOptions, 'taskFile' | 'dataFiles'> {
  readonly data?: string
  readonly json?: boolean
  readonly restart: boolean
  readonly fillerPause: number
}

export function registerDevnet(program: Command): void {
  program
    .command('devnet')
    .description('start a network of real processes on this machine, train a task on it, settle it')
    .argument('[task]', 'task document (YAML)', DEFAULT_TASK)
    .option('--miners <n>', 'miner processes', wholeNumber(1), 3)
    .option('--supervisors <n>', 'supervisor processes', wholeNumber(0), 4)
    .option('--verifiers <n>', 'verifier processes', wholeNumber(4), 4)
    .option('--evaluators <n>', 'evaluator processes', wholeNumber(0), 4)
    .option('--data-dir <folder>', 'where the processes keep their files; a folder used before goes on where it stopped')
    .option('--data <folder>', 'where the data files of the task may lie')
    .option('--exit-when <condition>', '`settled` or `height:N`; without it the devnet runs until Ctrl-C', exitCondition)
    .option('--seed <n>', 'same seed, same identities', seedNumber)
    .option('--filler-pause <ms>', 'rest of a miner between two filler runs', wholeNumber(0), 250)
    .option('--restart', 'start a process again when it dies, instead of ending the devnet', false)
    .option('--json', 'one JSON document on stdout at the end; text for people goes to stderr')
    .addHelpText('after', '\nExample:\n  $ pouw devnet examples/tiny.yaml --exit-when settled --json')
    .action(run)
}

async function run(taskFile: string, { data, json, fillerPause, ...flags }: Flags): Promise<void> {
  const { runDevnet } = await import('../devnet/devnet.ts')
  const { toJson } = await import('../json.ts')
  const abort = new AbortController()
  const stop = () => abort.abort()
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const { exitCode, summary } = await runDevnet(
    { ...flags, taskFile, fillerPauseMs: fillerPause, ...(data && { dataFiles: data }) },
    { people: json ? process.stderr : process.stdout, signal: abort.signal, startedMs: Math.round(performance.timeOrigin) },
  )
  if (json) process.stdout.write(`${toJson(summary)}\n`)
  process.exitCode = exitCode
}

export function exitCondition(text: string): ExitCondition {
  if (text === 'settled') return { kind: 'settled' }
  const height = /^height:(\d{1,9})$/.exec(text)?.[1]
  if (height === undefined) throw new InvalidArgumentError('expected `settled` or `height:N`.')
  return { kind: 'height', height: Number(height) }
}
