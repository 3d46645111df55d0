import type { Command } from 'commander'
import { EXIT, UsageError } from './exit.ts'

export function registerConformance(program: Command): void {
  program
    .command('conformance')
    .description('run published cases through the production code')
    .argument('<suite>', 'merkle, schnorr, bls, record, nonce, update-map, ...')
    .argument('<file>', 'cases (JSON)')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ pouw conformance nonce nonce.json')
    .action(run)
}

async function run(name: string, file: string, flags: { json?: boolean }): Promise<void> {
  const { readFile } = await import('node:fs/promises')
  const { SUITES } = await import('../conformance/suites.ts')
  const { MalformedCase } = await import('../conformance/input.ts')
  const { runSuite } = await import('../conformance/run.ts')

  const load = SUITES.get(name)
  if (!load) throw new UsageError(`unknown suite ${name}: expected one of ${[...SUITES.keys()].join(', ')}`)
  let content: unknown
  try {
    content = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`)
  }
  try {
    const result = runSuite(name, await load(), content)
    if (flags.json) {
      const cases = result.cases.map(({ id, ok, got }) => ({ id, ok, got }))
      process.stdout.write(`${JSON.stringify({ ...result, cases })}\n`)
    }
    const people = flags.json ? process.stderr : process.stdout
    for (const { id, difference } of result.cases) {
      if (!difference) continue
      people.write(`${id}  ${difference.field}  expected ${JSON.stringify(difference.expected)}  got ${JSON.stringify(difference.got)}\n`)
    }
    people.write(`${result.passed} passed, ${result.failed} failed\n`)
    process.exitCode = result.failed === 0 ? EXIT.done : EXIT.failed
  } catch (error) {
    if (error instanceof MalformedCase) throw new UsageError(error.message)
    throw error
  }
}
