import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { OperationError } from '@pouw/primitives'
import { type Command, Option } from 'commander'
import { EXIT } from './exit.ts'

interface Flags {
  readonly json?: boolean
  readonly quick?: boolean
}

/** The benches belong to the checkout, not to the installed package: they measure the sources where they stand. */
const BENCH = fileURLToPath(new URL('../../../../bench/main.ts', import.meta.url))
const STOPPED = 128
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure this machine: speed of the parts, and whether they keep their bounds')
    .argument('[topic]', 'gemm, engine, iteration, block, crypto, store or p2p; all without it')
    .option('--json', 'one JSON document on stdout')
    .addOption(new Option('--quick', 'so few repetitions that only the shape of the output means something').hideHelp())
    .addHelpText(
      'after',
      `
Progress goes to stderr. Close other programs: a busy machine measures itself. All topics take one or two minutes.
Exit code: 0 measured (whether bounds are met stands in the table), 1 it could not be, 2 wrong usage.

Example:
  $ pouw bench iteration
  $ pouw bench --json > bench.json`,
    )
    .action((topic: string | undefined, flags: Flags) => run(topic, flags))
}

/** Runs the benches as a child with the same Node; they end with this process, whoever ends it. */
export async function run(topic: string | undefined, { json, quick }: Flags, program = BENCH): Promise<void> {
  if (!existsSync(program)) {
    throw new OperationError(
      'not-found',
      `there is no ${program}: pouw bench measures a checkout of the sources, and this is an installed package`,
    )
  }
  const args = [program, ...(topic === undefined ? [] : [topic]), ...(json ? ['--json'] : []), ...(quick ? ['--quick'] : [])]
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  const passOn = (signal: NodeJS.Signals) => void child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, passOn)
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(code ?? (signal ? STOPPED + constants.signals[signal] : EXIT.failed)))
  })
  for (const signal of SIGNALS) process.off(signal, passOn)
}
