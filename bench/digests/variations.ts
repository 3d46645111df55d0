/** The ways in which the same training is recorded, and what each of them found. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Profile, tileBits } from '@pouw/tensor'
import type { Digests } from '../../packages/training/test/digests/record.ts'
import { BROWSERS, recordInBrowser } from './browsers.ts'

export interface Recorded {
  /** By recipe; of one that the profile refuses, the refusal. */
  readonly found: Readonly<Record<string, Digests | string>>
  /** Of the engine that ran it. */
  readonly version: string
}

export interface Variation {
  readonly name: string
  /** Digests, or why there are none. */
  readonly result: Recorded | string
}

export interface Plan {
  readonly profile: Profile
  readonly threads: readonly number[]
  readonly steps: number
  /** The reference is some hundred times slower. */
  readonly referenceSteps: number
  /** Further programs of Node. */
  readonly nodes: readonly string[]
  readonly waitMs: number
}

/** Which compiler of V8 makes machine code of the kernels, and for which processor. */
const TIERS: Readonly<Record<string, readonly string[]>> = {
  'baseline compiler only (--liftoff-only)': ['--liftoff-only'],
  'optimising compiler only (--no-liftoff)': ['--no-liftoff'],
  'no change of compiler meanwhile (--no-wasm-dynamic-tiering)': ['--no-wasm-dynamic-tiering'],
  'without AVX (--no-enable-avx)': ['--no-enable-avx'],
  'tiles of 128 bits (--no-experimental-wasm-revectorize)': ['--no-experimental-wasm-revectorize'],
}
const RUN = fileURLToPath(new URL('./run.ts', import.meta.url))

/** One after another, so that a slow one is nobody else's burden. */
export async function* variations({ profile, threads: counts, steps, referenceSteps, nodes, waitMs }: Plan): AsyncGenerator<Variation> {
  const here = `Node ${process.version}`
  const tiles = `tiles of ${tileBits} bits, `
  const own = (args: readonly string[], program = process.execPath) => runNode(program, [...args, profile], waitMs)
  for (const threads of counts) yield { name: `${here}, ${tiles}threads: ${threads}`, result: await own([RUN, `${threads}`, `${steps}`]) }
  yield { name: `${here}, plain TypeScript, ${referenceSteps} steps`, result: await own([RUN, 'reference', `${referenceSteps}`]) }
  for (const [name, flags] of Object.entries(TIERS)) yield { name: `${here}, ${name}`, result: await own([...flags, RUN, '1', `${steps}`]) }
  for (const program of nodes)
    for (const threads of counts) {
      const result = await own([RUN, `${threads}`, `${steps}`], program)
      yield { name: `Node ${typeof result === 'string' ? program : result.version}, threads: ${threads}`, result }
    }
  for (const browser of BROWSERS) {
    const { found, why } = await recordInBrowser(browser, { threads: counts, steps, profile, waitMs: counts.length * waitMs })
    for (const threads of counts) {
      const result = found.get(threads) ?? why
      yield { name: `${browser.name}${typeof result === 'string' ? '' : ` ${release(result.version)}`}, threads: ${threads}`, result }
    }
  }
}

function runNode(program: string, args: readonly string[], waitMs: number): Promise<Recorded | string> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: waitMs }, (error, stdout, stderr) => {
      if (!error) return resolve(JSON.parse(stdout) as Recorded)
      const complaint = stderr.split('\n').find((line) => /^\S*Error\b|bad option/.test(line)) ?? error.message.split('\n')[0]!
      resolve(error.killed ? `no answer in ${waitMs / 1000} s` : complaint.trim())
    })
  })
}

/** The browser's own number in what it says of itself. */
function release(userAgent: string): string {
  return /(?:Firefox|Chrome)\/([\d.]+)/.exec(userAgent)?.[1] ?? userAgent
}
