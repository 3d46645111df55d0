import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { runDevnet } from '../src/devnet/devnet.ts'

const taskFile = fileURLToPath(new URL('../../../examples/tiny.yaml', import.meta.url))
const PAUSE_MS = 700
/** Among the supervisors is the one who leads. */
const VICTIMS = [
  'miner-2',
  'supervisor-1',
  'verifier-1',
  'supervisor-2',
  'client',
  'supervisor-3',
  'evaluator-1',
  'supervisor-4',
  'miner-1',
]

let folder: string
afterAll(() => rm(folder, { recursive: true, force: true }))

test('whoever is killed without warning in the middle of a task comes back and the task settles', { timeout: 240_000 }, async () => {
  folder = await mkdtemp(join(tmpdir(), 'pouw-kill-'))
  const people = new PassThrough().setEncoding('utf8')
  let text = ''
  const training = new Promise<void>((resolve) =>
    people.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('is TRAINING')) resolve()
    }),
  )
  const devnet = runDevnet(
    {
      taskFile,
      dataDir: folder,
      miners: 3,
      supervisors: 4,
      verifiers: 4,
      evaluators: 2,
      restart: true,
      fillerPauseMs: 100,
      seed: 11n,
      exitWhen: { kind: 'settled' },
    },
    { people: people as never, signal: AbortSignal.timeout(220_000), startedMs: Date.now() },
  )
  await Promise.race([training, devnet])
  const killed: number[] = []
  for (const name of VICTIMS) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    const pid = await processOf(name)
    killed.push(pid)
    process.kill(pid, 'SIGKILL')
  }
  const { summary, exitCode } = await devnet

  expect(exitCode, text.slice(-2000)).toBe(0)
  expect(summary.status).toBe('SETTLED')
  // Each of them died of it, and each came back under another process.
  expect(summary.trouble).toEqual(VICTIMS.map((name, index) => `${name} (process ${killed[index]}) ended unexpectedly by SIGKILL`))
  for (const [index, name] of VICTIMS.entries()) expect(await processOf(name), name).not.toBe(killed[index])
  expect(summary.testAccuracy).toBeGreaterThan(0.9)
  expect(BigInt(summary.payoutTotal as string) + BigInt(summary.refundToClient as string)).toBe(BigInt(summary.escrowTotal as string))
})

/** The process that last said it was ready. */
async function processOf(name: string): Promise<number> {
  const lines = (await readFile(join(folder, name, 'events.ndjson'), 'utf8')).split('\n')
  const ready = lines.filter((line) => line.includes('"kind":"ready"')).at(-1)!
  return JSON.parse(ready).pid
}
