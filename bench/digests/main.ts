/**
 * Records the training of the recipes in every way that this machine has, and compares all digests with the committed ones.
 *
 *     node bench/digests/main.ts [--node PROGRAM]... [--profile NAME]... [--threads N,N] [--steps N] [--record]
 *
 * Exit code: 0 if all that could be recorded is equal, 1 if anything differs or nothing could be recorded, 2 for wrong usage.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Profile } from '@pouw/tensor'
import { RECIPES } from '../../packages/training/test/digests/recipes.ts'
import { type Digests, recordAll } from '../../packages/training/test/digests/record.ts'
import { type Variation, variations } from './variations.ts'

const FILE = fileURLToPath(new URL('../../packages/training/test/digests/digests.json', import.meta.url))
const STEPS = 1000
const REFERENCE_STEPS = 100
const WAIT_MS = 600_000
/** The last is more than many machines have cores. */
const THREADS = '1,2,4'
const THREADS_MAX = 64
const PROFILES: readonly Profile[] = ['f32', 'bf16x', 'int8x']

/** By profile, recipe, number of steps. */
type Committed = Record<string, Readonly<Record<string, Digests>>>

const { steps, nodes, profiles, threads, recording } = readArguments()
const committed = JSON.parse(readFileSync(FILE, 'utf8')) as Committed
const lines: string[][] = []
let [differences, recorded] = [0, 0]
for (const profile of profiles) await compare(profile)
process.stdout.write(table([['profile', 'variation', ...RECIPES, 'equal'], ...lines]))
if (recorded > 0 && differences === 0 && recording) {
  writeFileSync(FILE, `${JSON.stringify(committed, null, 2)}\n`)
  process.stdout.write(`recorded in ${FILE}\n`)
}
process.stdout.write(`${recorded} of ${lines.length} variations, ${differences} with other bits\n`)
process.exitCode = recorded > 0 && differences === 0 ? 0 : 1

async function compare(profile: Profile): Promise<void> {
  const refused =
    (await whyRefused(profile)) ?? (recording || committed[profile] ? undefined : 'no digests of it are committed; --record makes them')
  if (refused !== undefined) return void lines.push([profile, 'all', ...RECIPES.map(() => '-'), `SKIPPED: ${refused}`])
  let expected = recording ? undefined : committed[profile]
  for await (const { name, result } of variations({
    profile,
    threads,
    steps,
    referenceSteps: Math.min(steps, REFERENCE_STEPS),
    nodes,
    waitMs: WAIT_MS,
  })) {
    process.stderr.write(`${profile}, ${name}${typeof result === 'string' ? `: SKIPPED, ${result}` : ''}\n`)
    // A new record is what the first variation found; the others are held to it.
    if (recording && expected === undefined && typeof result !== 'string') {
      expected = Object.fromEntries(
        Object.entries(result.found).filter((entry): entry is [string, Digests] => typeof entry[1] !== 'string'),
      )
      committed[profile] = expected
    }
    lines.push([profile, ...lineOf(name, result, expected ?? {})])
  }
}

/** What this engine says to a profile that trains no recipe. */
async function whyRefused(profile: Profile): Promise<string | undefined> {
  const found = Object.values(await recordAll({ steps: 1, on: 1, profile }))
  const refusals = found.filter((digests) => typeof digests === 'string')
  return refusals.length === found.length ? refusals[0] : undefined
}

/** A cell shows the last digest of its recipe, or the first number of steps after which bits differ; a refusal is equal if no digest is expected. */
function lineOf(name: string, result: Variation['result'], expected: Readonly<Record<string, Digests>>): string[] {
  if (typeof result === 'string') return [name, ...RECIPES.map(() => '-'), `SKIPPED: ${result}`]
  recorded++
  let equal = true
  const cells = RECIPES.map((recipe) => {
    const found = result.found[recipe]!
    if (typeof found === 'string') {
      if (expected[recipe]) equal = false
      return 'refused'
    }
    const marks = Object.keys(found)
    const other = marks.find((mark) => found[mark] !== expected[recipe]?.[mark])
    if (other !== undefined || marks.length === 0) equal = false
    return other === undefined ? (found[marks.at(-1)!]?.slice(0, 8) ?? 'none') : `differs at ${other}`
  })
  if (!equal) differences++
  return [name, ...cells, equal ? 'yes' : 'NO']
}

function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => (column === rows[0]!.length - 1 ? 0 : cells[column]!.length))))
  return rows
    .map((cells) => `${cells.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .join('\n')
    .concat('\n')
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        profile: { type: 'string', multiple: true, default: [...PROFILES] },
        threads: { type: 'string', default: THREADS },
        node: { type: 'string', multiple: true, default: [] },
        steps: { type: 'string', default: `${STEPS}` },
        record: { type: 'boolean', default: false },
      },
    })
    const steps = Number(values.steps)
    if (!Number.isInteger(steps) || steps < 3) throw new RangeError(`--steps: expected a whole number from 3, received ${values.steps}`)
    if (values.record && steps !== STEPS) throw new RangeError(`--record: expected all ${STEPS} steps, received --steps ${values.steps}`)
    for (const profile of values.profile)
      if (!PROFILES.includes(profile as Profile)) throw new RangeError(`--profile: expected ${PROFILES.join(', ')}, received ${profile}`)
    const threads = values.threads.split(',').map(Number)
    if (!threads.every((count) => Number.isInteger(count) && count >= 1 && count <= THREADS_MAX))
      throw new RangeError(`--threads: expected whole numbers up to ${THREADS_MAX} with commas between, received ${values.threads}`)
    return { steps, threads, nodes: values.node, profiles: values.profile as readonly Profile[], recording: values.record }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(2)
  }
}
