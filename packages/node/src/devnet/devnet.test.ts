import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readGenesis } from '../networks/genesis-file.ts'
import { readNodeConfig } from '../node-config.ts'
import { startChild } from './child.ts'
import { type DevnetOptions, runDevnet } from './devnet.ts'
import { freePorts } from './free-ports.ts'
import { members, seedPhrase } from './plan.ts'

const program = fileURLToPath(new URL('./fake-node.ts', import.meta.url))
const taskFile = fileURLToPath(new URL('../../../../examples/tiny.yaml', import.meta.url))

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pouw-devnet-test-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(dataDir, { recursive: true, force: true })
})

async function run(more: Partial<DevnetOptions>, mode = '', signal = new AbortController().signal) {
  vi.stubEnv('FAKE_NODE', mode)
  const people = new PassThrough()
  const text = people.setEncoding('utf8').toArray()
  const result = await runDevnet(
    { taskFile, dataDir, miners: 3, supervisors: 4, verifiers: 4, evaluators: 2, restart: false, fillerPauseMs: 0, seed: 7n, ...more },
    { people: people as never, signal, program, startedMs: Date.now() },
  )
  people.end()
  return { ...result, text: (await text).join('') }
}

test('the first miner and the verifiers come first, the same seed makes the same phrases', () => {
  const names = members({ miners: 2, supervisors: 1, verifiers: 2, evaluators: 1 }, '/x').map(({ name }) => name)
  expect(names).toEqual(['miner-1', 'verifier-1', 'verifier-2', 'client', 'miner-2', 'supervisor-1', 'evaluator-1'])
  expect(seedPhrase(7n, 0)).toBe(seedPhrase(7n, 0))
  expect(new Set([seedPhrase(7n, 0), seedPhrase(7n, 1), seedPhrase(8n, 0)]).size).toBe(3)
})

test('ports are free and differ', async () => {
  const ports = await freePorts(20)
  expect(new Set(ports).size).toBe(20)
})

test('a devnet runs until its task settles and tells everything in one document', async () => {
  const { exitCode, summary, text } = await run({ exitWhen: { kind: 'settled' } })
  expect(exitCode).toBe(0)
  expect(summary).toMatchObject({
    taskId: 'ee'.repeat(32),
    status: 'SETTLED',
    testAccuracy: 0.9,
    testLoss: 0.4,
    bestModelFile: '/m',
    modelCardFile: '/c',
    height: 1,
    blocks: [{ height: 1, miner: 'cd'.repeat(32), iteration: 2, taskId: null, replayMs: null, verified: true }],
    miners: [{ ticket: 'aa', iterations: 3, accuracy: 0.9, paid: '7' }],
    payoutTotal: '7',
    escrowTotal: '8',
    confiscated: '0',
    refundToClient: '1',
    processes: 14,
  })
  expect(text).toContain('block 1')
})

test('each process gets its own seed, closed to others, and nothing of the rest', async () => {
  await run({ exitWhen: { kind: 'height', height: 1 } }, 'silent')
  const genesis = await readGenesis(join(dataDir, 'genesis.json'))
  expect(genesis.identities.filter(({ ticket }) => ticket).map(({ ticket }) => ticket!.role)).toEqual([1, 4, 4, 4, 4])
  const seeds = new Set<string>()
  for (const { name, role } of members({ miners: 3, supervisors: 4, verifiers: 4, evaluators: 2 }, dataDir)) {
    const folder = join(dataDir, name)
    seeds.add(await readFile(join(folder, 'seed'), 'utf8'))
    expect((await stat(join(folder, 'seed'))).mode & 0o077, name).toBe(0)
    const config = await readNodeConfig(join(folder, 'node.json'))
    expect(config, name).toMatchObject({ role, dataDir: folder, endWithStdin: true, genesisFile: join(dataDir, 'genesis.json') })
    expect(config.bootstrap.length, name).toBe(role === 'verifier' || name === 'miner-1' ? 4 : 5)
    expect(config.taskFile, name).toBe(role === 'client' ? taskFile : undefined)
  }
  expect(seeds.size).toBe(14)
})

test('a folder used before goes on with its genesis, and refuses other members', async () => {
  await run({ exitWhen: { kind: 'height', height: 1 } }, 'silent')
  const before = await readFile(join(dataDir, 'genesis.json'), 'utf8')
  await run({ exitWhen: { kind: 'height', height: 1 }, seed: 99n }, 'silent')
  expect(await readFile(join(dataDir, 'genesis.json'), 'utf8')).toBe(before)
  await expect(run({ miners: 4 }, 'silent')).rejects.toThrow('other members')
})

test('a process that dies ends the devnet with its last words', async () => {
  const { exitCode, summary, text } = await run({}, 'die')
  expect(exitCode).toBe(1)
  expect(text).toContain('something broke')
  expect(summary.trouble).toEqual([expect.stringMatching(/^supervisor-\d .* ended unexpectedly with code 1$/)])
})

test('with --restart a process that dies is started again, ten times at most', async () => {
  const { exitCode } = await run({ restart: true, exitWhen: { kind: 'settled' } }, 'die')
  expect(exitCode).toBe(0)
  const forever = await run({ restart: true, dataDir: join(dataDir, 'again') }, 'die')
  expect(forever.exitCode).toBe(1)
  expect(forever.summary.trouble as string[]).toContainEqual(expect.stringContaining('supervisor-1'))
  expect(forever.text.split('supervisor-1 (process').length - 1).toBeGreaterThan(1)
})

test('an operator who stops a devnet that had a goal did not reach it', async () => {
  const abort = new AbortController()
  setImmediate(() => abort.abort())
  expect((await run({ exitWhen: { kind: 'settled' } }, 'silent', abort.signal)).exitCode).toBe(1)
})

test('a task that wants more workers than there are is refused before anything starts', async () => {
  await expect(run({ supervisors: 1 })).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('--supervisors 4') })
})

test('a child that does not listen is killed', async () => {
  vi.stubEnv('FAKE_NODE', 'hang')
  await run({ exitWhen: { kind: 'height', height: 1 } }, 'silent')
  const ready = Promise.withResolvers<void>()
  const child = startChild({
    name: 'deaf',
    program: process.execPath,
    arguments: [program, 'node', '--config', join(dataDir, 'miner-1', 'node.json')],
    env: { ...process.env, FAKE_NODE: 'hang' },
    onLine: () => ready.resolve(),
  })
  await ready.promise
  await child.stop(50)
  expect(await child.gone).toMatchObject({ signal: 'SIGKILL' })
})

test('a program that is not there is reported, not thrown', async () => {
  const child = startChild({ name: 'ghost', program: '/nonexistent/program', arguments: [], onLine() {} })
  expect((await child.gone).lastWords.join()).toContain('ENOENT')
  await child.stop(10)
})
