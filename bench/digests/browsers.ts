/** Records in headless browsers: serves a page that imports the packages, and waits for what it posts. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Profile } from '@pouw/tensor'
import { rolldown } from 'rolldown'
import type { Recorded } from './variations.ts'

export interface Browser {
  readonly name: string
  /** Tried in order. */
  readonly commands: readonly string[]
  args(folder: string, url: string): readonly string[]
}

export const BROWSERS: readonly Browser[] = [
  {
    name: 'Chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    args: (folder, url) => ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', `--user-data-dir=${folder}`, url],
  },
  {
    name: 'Firefox',
    commands: ['firefox-esr', 'firefox'],
    args: (folder, url) => ['--headless', '--no-remote', '--profile', folder, url],
  },
]

interface Answer extends Recorded {
  readonly on?: number
  readonly error?: string
}

/** Threads share memory only on a page that is isolated from other origins. */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const WORKER = new URL('../../packages/tensor/src/threads/web-worker.ts', import.meta.url)
const ANSWER_BYTES_MAX = 1_000_000

export interface BrowserPlan {
  readonly threads: readonly number[]
  readonly steps: number
  readonly profile: Profile
  readonly waitMs: number
}

/** What the browser found for each number of threads, and why for some it found nothing. */
export async function recordInBrowser(
  browser: Browser,
  { threads, steps, profile, waitMs }: BrowserPlan,
): Promise<{ readonly found: ReadonlyMap<number, Recorded>; readonly why: string }> {
  const found = new Map<number, Recorded>()
  const query = `threads=${threads.join(',')}&steps=${steps}&profile=${profile}`
  const why = await askBrowser(browser, { page: new URL('./page.ts', import.meta.url), query, waitMs }, (given) => {
    const answer = given as Answer
    if (answer.error !== undefined) return answer.error
    found.set(answer.on!, answer)
    return threads.every((count) => found.has(count)) ? '' : undefined
  })
  return { found, why }
}

export interface PagePlan {
  /** The module that the page runs; it posts its answers. */
  readonly page: URL
  readonly query: string
  readonly waitMs: number
}

/**
 * Opens a page in a headless browser and hands on what it posts, until `take` says that this was all: '' or what went wrong. Answers that, or why the browser
 * said nothing.
 */
export async function askBrowser(
  browser: Browser,
  { page, query, waitMs }: PagePlan,
  take: (answer: unknown) => string | undefined,
): Promise<string> {
  const files = new Map([
    ['/', { type: 'text/html', text: '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>' }],
    ['/page.js', { type: 'text/javascript', text: await bundle(page) }],
    // Beside the page, where the bundled `new URL('./web-worker.ts', import.meta.url)` looks for it.
    ['/web-worker.ts', { type: 'text/javascript', text: await bundle(WORKER) }],
  ])
  let finish: (why: string) => void = () => {}
  const finished = new Promise<string>((resolve) => {
    finish = resolve
  })
  const server = createServer((request, response) => {
    if (request.method !== 'POST') return serve(files, request, response)
    readBody(request).then(
      (text) => {
        response.writeHead(204, HEADERS).end()
        const why = take(JSON.parse(text))
        if (why !== undefined) finish(why)
      },
      (error) => finish(String(error)),
    )
  })
  const origin = await listen(server)
  const folder = mkdtempSync(join(tmpdir(), 'pouw-browser-'))
  const url = `${origin}/?${query}`
  try {
    for (const command of browser.commands) {
      // A group of its own, so that all of its processes can be ended together.
      const child = spawn(command, browser.args(folder, url), { stdio: 'ignore', detached: true })
      const stop = () => {
        for (const signal of SIGNALS) process.off(signal, stopAndLeave)
        if (child.pid !== undefined) end(child.pid)
      }
      // Nobody else ends a group of its own: Ctrl-C must not leave a browser behind.
      const stopAndLeave = (signal: NodeJS.Signals) => {
        stop()
        process.kill(process.pid, signal)
      }
      for (const signal of SIGNALS) process.on(signal, stopAndLeave)
      const missing = new Promise<'missing'>((resolve) => child.once('error', () => resolve('missing')))
      const ended = new Promise<string>((resolve) => child.once('exit', (code) => resolve(`it ended with ${code}`)))
      const late = new Promise<string>((resolve) => setTimeout(resolve, waitMs, `no answer in ${waitMs / 1000} s`).unref())
      const outcome = await Promise.race([finished, missing, ended, late])
      stop()
      if (outcome !== 'missing') return outcome
    }
    return `none of ${browser.commands.join(', ')} is installed`
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** One module for browsers, with everything that it imports. */
async function bundle(module: URL): Promise<string> {
  const made = await rolldown({
    input: fileURLToPath(module),
    platform: 'browser',
    logLevel: 'silent',
  })
  const { output } = await made.generate({ format: 'esm', codeSplitting: false })
  return output[0].code
}

function serve(files: ReadonlyMap<string, { type: string; text: string }>, request: IncomingMessage, response: ServerResponse): void {
  const file = files.get(new URL(request.url ?? '/', 'http://localhost').pathname)
  if (!file) return void response.writeHead(404, HEADERS).end()
  response.writeHead(200, { ...HEADERS, 'content-type': `${file.type}; charset=utf-8` }).end(file.text)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request.setEncoding('utf8')) {
    text += piece
    if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer is too long')
  }
  return text
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  )
}

function end(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
