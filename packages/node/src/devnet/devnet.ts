/**
 * A whole network on one machine: every identity is an operating-system process of its own with its own seed phrase, folder and port,
 * and talks to the others over TCP alone. This file makes the genesis, starts them, watches and ends them.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { peerIdOf } from '@pouw/p2p'
import { deriveKeys, OperationError } from '@pouw/primitives'
import { readTask } from '../data/read-task.ts'
import { makeGenesis } from '../networks/genesis.ts'
import { writeGenesis } from '../networks/genesis-file.ts'
import type { NodeProcessConfig } from '../node-config.ts'
import { type Child, startChild } from './child.ts'
import { freePorts } from './free-ports.ts'
import { type DevnetSize, type Member, members, seedPhrase } from './plan.ts'
import { advance, createProgress, height, type Progress } from './progress.ts'
import { summarise } from './summary.ts'
import { redraw, renderProgress } from './view.ts'

export interface DevnetOptions extends DevnetSize {
  readonly taskFile: string
  /** Default: a new folder under the system's temporary folder. A folder of an earlier devnet is taken up where it stopped. */
  readonly dataDir?: string
  /** Where the task's data files may lie besides the installed packages. */
  readonly dataFiles?: string
  /** Default: run until told to stop. */
  readonly exitWhen?: ExitCondition
  /** Same seed, same identities. Default: a random one. */
  readonly seed?: bigint
  /** Start a process again when it ends unexpectedly; without it the devnet ends then. */
  readonly restart: boolean
  readonly fillerPauseMs: number
}

export type ExitCondition = { readonly kind: 'settled' } | { readonly kind: 'height'; readonly height: number }

export interface DevnetIo {
  /** For people: where the live screen or the lines go. */
  readonly people: NodeJS.WriteStream
  /** Ends the devnet when aborted. */
  readonly signal: AbortSignal
  /** When the command was given, ms since 1970: what all times of the summary count from. */
  readonly startedMs: number
  /** The program that every process runs, called with `node --config FILE`; for tests. Default: this package's own. */
  readonly program?: string
}

export interface DevnetResult {
  /** 0: the condition was met, or the operator stopped a healthy devnet. 1: the task failed or a process died. */
  readonly exitCode: 0 | 1
  readonly summary: Record<string, unknown>
}

/** How often the live screen is drawn and the end condition looked at. */
const LOOK_MS = 250
/** How long the rest waits for the founders at most. */
const FOUNDERS_MS = 5_000
/** Pause before a process that died is started again, and how often that is done for one. */
const RESTART_MS = 500
const RESTARTS_MAX = 10
/** How long a process may take over its goodbye. */
const PATIENCE_MS = 3_000

/** @throws OperationError if the task cannot be read or the folder cannot be written */
export async function runDevnet(options: DevnetOptions, io: DevnetIo): Promise<DevnetResult> {
  // Read here too, so that a misspelt task is refused before a dozen processes start.
  const task = await readTask(options.taskFile)
  const short = (['miners', 'supervisors', 'evaluators'] as const).find((role) => options[role] < task.workers[role])
  if (short) {
    throw new OperationError(
      'refused',
      `the task wants ${task.workers[short]} ${short}, the devnet has ${options[short]}: give --${short} ${task.workers[short]}`,
    )
  }
  const folder = options.dataDir ? resolve(options.dataDir) : await mkdtemp(join(tmpdir(), 'pouw-devnet-'))
  const compiled = compileOnce()
  const configs = await prepare(options, folder)
  const progress = createProgress(
    configs.map(({ member }) => member),
    io.startedMs,
  )
  const screen = createScreen(io.people, progress)
  screen.say(`devnet of ${configs.length} processes, files in ${folder}`)

  const children: Child[] = []
  const trouble: string[] = []
  const restarts = new Map<string, number>()
  const wake = Promise.withResolvers<'met' | 'failed' | 'stopped'>()
  let stopping = false
  const onAbort = () => wake.resolve('stopped')
  io.signal.addEventListener('abort', onAbort, { once: true })
  if (io.signal.aborted) onAbort()

  // The first miner and the verifiers alone can make block 1: they get the machine to themselves. The client, who has the data to read,
  // comes when they are up, everybody else when there is a block, and all in any case after a while.
  const founders = configs.slice(0, 1 + options.verifiers)
  const client = configs.filter(({ member }) => member.role === 'client')
  const others = configs.slice(founders.length).filter((config) => !client.includes(config))
  const ahead = new Set(founders.map(({ member }) => member.name))
  const founded = Promise.withResolvers<void>()
  const firstBlock = Promise.withResolvers<void>()
  const startWhen = async (moment: Promise<unknown>, group: typeof configs) => {
    await Promise.race([moment, later(FOUNDERS_MS), wake.promise])
    if (!stopping) group.forEach(start)
  }
  await compiled
  founders.forEach(start)
  void startWhen(founded.promise, client)
  void startWhen(firstBlock.promise, others)

  const drawing = setInterval(screen.draw, LOOK_MS)
  const outcome = await wake.promise
  stopping = true
  clearInterval(drawing)
  io.signal.removeEventListener('abort', onAbort)
  const summary = { ...summarise(progress, Date.now()), dataDir: folder, ...(trouble.length > 0 && { trouble }) }
  screen.say(outcome === 'met' ? 'done: ending all processes' : 'ending all processes')
  await Promise.all(children.map((child) => child.stop(PATIENCE_MS)))
  screen.end()
  const healthy = outcome === 'met' || (outcome === 'stopped' && trouble.length === 0)
  // Asked to run until something happened, and stopped before: that is not done.
  const early = outcome === 'stopped' && options.exitWhen !== undefined
  return { exitCode: healthy && !early ? 0 : 1, summary }

  function start(config: (typeof configs)[number]): void {
    const { member, file } = config
    const child = startChild({
      name: member.name,
      program: process.execPath,
      arguments: [io.program ?? LAUNCHER, 'node', '--config', file],
      logFile: join(member.dataDir, 'events.ndjson'),
      onLine(line) {
        const remark = advance(progress, member.name, line, Date.now())
        if (remark) screen.say(remark)
        if (line.kind === 'ready' && ahead.delete(member.name) && ahead.size === 0) founded.resolve()
        if (progress.blocks.size > 0) firstBlock.resolve()
        if (line.kind === 'model' || line.kind === 'status' || line.kind === 'event') look()
      },
    })
    children.push(child)
    void child.gone.then((end) => {
      progress.members.get(member.name)!.phase = 'gone'
      if (stopping) return
      const how = end.signal ? `by ${end.signal}` : `with code ${end.code}`
      const words = [`${member.name} (process ${child.pid}) ended unexpectedly ${how}`, ...end.lastWords.map((word) => `    ${word}`)]
      for (const word of words) screen.say(word)
      trouble.push(words[0]!)
      const before = restarts.get(member.name) ?? 0
      if (!options.restart || before >= RESTARTS_MAX) return wake.resolve('failed')
      restarts.set(member.name, before + 1)
      setTimeout(() => !stopping && start(config), RESTART_MS)
    })
  }

  function look(): void {
    const { exitWhen } = options
    if (exitWhen?.kind === 'height' && height(progress) >= exitWhen.height) wake.resolve('met')
    if (exitWhen?.kind === 'settled') {
      if (progress.model) wake.resolve('met')
      else if (progress.task?.state === 'FAILED') wake.resolve('failed')
    }
  }
}

/** Loads once what all processes will load, and leaves its compiled form where they look for it. */
async function compileOnce(): Promise<void> {
  await import('../node-process.ts')
  flushCompileCache()
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** The program every process runs: beside this package's sources, so that a devnet runs what it was started from. */
const LAUNCHER = fileURLToPath(new URL('../../bin/pouw.js', import.meta.url))

/** Writes what each process needs and nothing more: its seed phrase is in its own folder, readable by its owner alone. */
async function prepare(options: DevnetOptions, folder: string): Promise<{ member: Member; file: string }[]> {
  const list = members(options, folder)
  await mkdir(folder, { recursive: true })
  const seed = options.seed ?? BigInt(`0x${randomBytes(8).toString('hex')}`)
  const phrases: string[] = []
  for (const [index, member] of list.entries()) {
    await mkdir(member.dataDir, { recursive: true, mode: 0o700 })
    phrases.push(await keepSeed(join(member.dataDir, 'seed'), seedPhrase(seed, index)))
  }

  const genesisFile = join(folder, 'genesis.json')
  const genesis = makeGenesis({ roles: list.map(({ role }) => role), seedPhrases: phrases, nowS: Math.floor(Date.now() / 1000) })
  // A folder that has a genesis is a devnet that goes on: its chain hangs on that genesis.
  if (!(await exists(genesisFile))) await writeGenesis(genesisFile, genesis)
  else
    await assertSameMembers(
      genesisFile,
      genesis.identities.map(({ walletPublic }) => walletPublic),
    )

  const ports = await freePorts(list.length)
  const addresses = await Promise.all(
    phrases.map(async (phrase, i) => `/ip4/127.0.0.1/tcp/${ports[i]}/p2p/${await peerIdOf(deriveKeys(phrase).peerSeed)}`),
  )
  // Everybody dials the ones that start first; the rest is found through them.
  const bootstrap = addresses.slice(0, 1 + options.verifiers)
  return Promise.all(
    list.map(async (member, i) => {
      const config: NodeProcessConfig = {
        genesisFile,
        role: member.role,
        dataDir: member.dataDir,
        listen: [`/ip4/127.0.0.1/tcp/${ports[i]}`],
        bootstrap: bootstrap.filter((address) => address !== addresses[i]),
        fillerPauseMs: options.fillerPauseMs,
        checkpointEvery: CHECKPOINT_EVERY,
        // The network dies with the machine anyhow; what must survive is the death of a process.
        syncWrites: false,
        endWithStdin: true,
        ...(member.role === 'client' && { taskFile: resolve(options.taskFile) }),
        ...(member.role === 'client' && options.dataFiles && { dataFiles: resolve(options.dataFiles) }),
      }
      const file = join(member.dataDir, 'node.json')
      await writeFile(file, `${JSON.stringify(config, null, 2)}\n`)
      return { member, file }
    }),
  )
}

/** A restarted miner repeats at most this many iterations. */
const CHECKPOINT_EVERY = 50

/** Writes the phrase unless the folder has one, and answers the one that is there. */
async function keepSeed(file: string, phrase: string): Promise<string> {
  try {
    await writeFile(file, `${phrase}\n`, { mode: 0o600, flag: 'wx' })
    return phrase
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return (await readFile(file, 'utf8')).trim()
    throw new OperationError('io', `cannot write ${file}`, { cause: error })
  }
}

async function assertSameMembers(genesisFile: string, owners: readonly string[]): Promise<void> {
  const known = JSON.parse(await readFile(genesisFile, 'utf8')).identities?.map(
    (identity: { walletPublic: string }) => identity.walletPublic,
  )
  if (JSON.stringify(known) === JSON.stringify(owners)) return
  throw new OperationError(
    'refused',
    `${genesisFile} belongs to a devnet of other members: use another --data-dir, or the same numbers of roles as then`,
  )
}

async function exists(file: string): Promise<boolean> {
  return readFile(file).then(
    () => true,
    () => false,
  )
}

/** Lines for people; on a terminal with a live picture below them. */
function createScreen(people: NodeJS.WriteStream, progress: Progress) {
  const live = people.isTTY === true
  let drawn = 0
  const draw = () => {
    if (!live) return
    const lines = renderProgress(progress, Date.now(), (people.columns ?? 100) - 1)
    people.write(redraw(lines, drawn))
    drawn = lines.length
  }
  return {
    draw,
    say(text: string) {
      if (live && drawn > 0) people.write(redraw([], drawn))
      drawn = 0
      const seconds = ((Date.now() - progress.startedMs) / 1000).toFixed(1).padStart(6)
      people.write(`${seconds} s  ${text}\n`)
      draw()
    },
    end() {
      drawn = 0
    },
  }
}
