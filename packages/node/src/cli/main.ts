/** The `pouw` command: every subcommand lives in a file of its own and loads what it needs when it runs. */

import { OperationError } from '@pouw/primitives'
import { Command, CommanderError } from 'commander'
import { registerBench } from './bench.ts'
import { registerConformance } from './conformance.ts'
import { registerDevnet } from './devnet.ts'
import { EXIT, UsageError } from './exit.ts'
import { registerExport } from './export.ts'
import { registerInit } from './init.ts'
import { registerNode } from './node.ts'
import { registerSimulate } from './simulate.ts'
import { registerVerify } from './verify.ts'

const program = new Command('pouw')
  .description('A coin chain whose miners earn their lottery tickets by training neural networks, verified by bit-exact replay.')
  .exitOverride()
  .showHelpAfterError('(try --help)')
  .configureHelp({ showGlobalOptions: true })

for (const register of [
  registerDevnet,
  registerNode,
  registerInit,
  registerConformance,
  registerSimulate,
  registerVerify,
  registerExport,
  registerBench,
])
  register(program)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = codeOf(error)
}

function codeOf(error: unknown): number {
  // Commander has printed its message already; help and version are no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`)
    return EXIT.usage
  }
  if (error instanceof OperationError) {
    process.stderr.write(`${error.message}\n`)
    return EXIT.failed
  }
  process.stderr.write(`${(error as Error).stack ?? error}\n`)
  return EXIT.failed
}
