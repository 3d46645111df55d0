/** Runs the topics one after another and prints one table, or with --json one document. `pouw bench` starts this program. */
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FULL, QUICK } from './measure.ts'
import type { Row, Topic } from './row.ts'
import { table } from './table.ts'

const TOPICS: Readonly<Record<string, () => Promise<Topic>>> = {
  gemm: async () => (await import('./gemm.ts')).gemm,
  engine: async () => (await import('./engine.ts')).engine,
  iteration: async () => (await import('./iteration.ts')).iteration,
  block: async () => (await import('./block.ts')).block,
  crypto: async () => (await import('./crypto.ts')).crypto,
  store: async () => (await import('./store.ts')).store,
  p2p: async () => (await import('./p2p.ts')).p2p,
}

/** They wait for a disk or another process; the others compute all the time. */
const WAITING = new Set(['engine', 'store', 'p2p'])
/** Less of a processor than this, and the figures tell of other programs. */
const BUSY_SHARE = 0.9
const WRONG_USAGE = 2

const { topics, json, quick } = readArguments()
const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, node ${process.version}`
const rows: Row[] = []
const say = (text: string) => process.stderr.write(`${text}\n`)
const startedMs = performance.now()
for (const name of topics) {
  say(`${name} ...`)
  const topic = await TOPICS[name]!()
  const before = { cpuUs: cpuUs(), ms: performance.now() }
  rows.push(...(await topic({ effort: quick ? QUICK : FULL, quick, say: (text) => say(`  ${text}`) })))
  const share = (cpuUs() - before.cpuUs) / 1000 / (performance.now() - before.ms)
  if (!WAITING.has(name) && share < BUSY_SHARE)
    say(`  this machine is busy: the bench got ${Math.round(100 * share)} % of one core, so times are longer than they would be`)
}
say(`${((performance.now() - startedMs) / 1000).toFixed(0)} s${quick ? '; --quick: these figures are worth nothing' : ''}`)
const commit = readCommit()
if (json) process.stdout.write(`${JSON.stringify({ machine, commit, rows: rows.map(({ better: _, ...shown }) => shown) })}\n`)
else process.stdout.write(`${machine}, commit ${commit ?? 'unknown'}\n\n${table(rows)}`)

function readArguments(): { readonly topics: readonly string[]; readonly json: boolean; readonly quick: boolean } {
  const refuse = (reason: string): never => {
    process.stderr.write(`${reason}\ntopics: ${Object.keys(TOPICS).join(', ')}\n`)
    process.exit(WRONG_USAGE)
  }
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
    })
    const [topic, ...more] = positionals
    if (more.length > 0) return refuse(`expected one topic, received ${positionals.join(' ')}`)
    if (topic !== undefined && !Object.hasOwn(TOPICS, topic)) return refuse(`there is no topic ${topic}`)
    return { topics: topic === undefined ? Object.keys(TOPICS) : [topic], ...values }
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Of the checkout; `null` where there is none. */
function readCommit(): string | null {
  try {
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return null
  }
}
