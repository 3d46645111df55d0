/** One process of a devnet: started, listened to line by line, ended. */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { NodeLine } from '../node-process.ts'

export interface Child {
  readonly name: string
  readonly pid: number | undefined
  /** Asks it to end (SIGTERM), insists after `patienceMs` (SIGKILL); resolves when it is gone. */
  stop(patienceMs: number): Promise<void>
  /** Resolves when the process is gone, whoever ended it. */
  readonly gone: Promise<ChildEnd>
}

export interface ChildEnd {
  readonly code: number | null
  readonly signal: string | null
  /** The last lines of its stderr. */
  readonly lastWords: readonly string[]
}

export interface ChildOptions {
  readonly name: string
  readonly program: string
  readonly arguments: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** What happened (all lines but the statuses) and stderr are appended here, for those who look for a fault afterwards. */
  readonly logFile?: string
  onLine(line: NodeLine): void
}

const LAST_WORDS_MAX = 20
const LOG_CHARS_MAX = 64_000_000
/** A child that writes longer lines has gone mad; what does not parse is passed over. */
const LINE_CHARS_MAX = 1_000_000

export function startChild(options: ChildOptions): Child {
  // stdin stays open for as long as we live: its end tells the child that its parent is dead, even after kill -9.
  const process = spawn(options.program, options.arguments, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env })
  process.stdin.on('error', () => {})

  const log = options.logFile ? createWriteStream(options.logFile, { flags: 'a' }) : undefined
  log?.on('error', () => {})
  let logged = 0
  const keep = (text: string) => {
    logged += text.length
    if (logged <= LOG_CHARS_MAX) log?.write(`${text}\n`)
  }
  createInterface({ input: process.stdout }).on('line', (text) => {
    const line = parseLine(text)
    if (!line) return
    if (line.kind !== 'status') keep(text)
    options.onLine(line)
  })
  const lastWords: string[] = []
  createInterface({ input: process.stderr }).on('line', (text) => {
    keep(text)
    lastWords.push(text.slice(0, 1_000))
    if (lastWords.length > LAST_WORDS_MAX) lastWords.shift()
  })

  const gone = new Promise<ChildEnd>((resolve) => {
    process.once('error', (error) => {
      lastWords.push(error.message)
      // A process that never started has no 'close' event to wait for.
      if (process.pid === undefined) resolve({ code: null, signal: null, lastWords })
    })
    process.once('close', (code, signal) => {
      log?.end()
      resolve({ code, signal, lastWords })
    })
  })

  return {
    name: options.name,
    pid: process.pid,
    gone,
    async stop(patienceMs) {
      if (process.exitCode !== null || process.signalCode !== null || process.pid === undefined) return void (await gone)
      process.kill('SIGTERM')
      const insist = setTimeout(() => process.kill('SIGKILL'), patienceMs)
      await gone
      clearTimeout(insist)
    },
  }
}

function parseLine(text: string): NodeLine | undefined {
  if (text.length > LINE_CHARS_MAX || !text.startsWith('{')) return undefined
  try {
    const line = JSON.parse(text)
    return typeof line?.kind === 'string' ? line : undefined
  } catch {
    return undefined
  }
}
