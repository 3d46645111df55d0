import { setFlagsFromString } from 'node:v8'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import type { Wide } from './wide.ts'

/**
 * Versions of V8 whose revectorisation was found to compile these modules, to the right bits, and to be worth it. It is an experiment of V8's: with other
 * functions, or of another version, it may end the process.
 */
const TRIED = ['13.6.', '14.1.', '14.6.']
const ON = ['--experimental-wasm-revectorize', '--no-liftoff', '--no-wasm-lazy-compilation']
const OFF = ['--no-experimental-wasm-revectorize', '--liftoff', '--wasm-lazy-compilation']
/** Flags by which somebody says himself how WebAssembly is compiled, and for which processor. */
const OWN = /^--(no[-_]?)?(experimental[-_])?(wasm|liftoff|enable[-_](avx|sse|fma))/
const KEY = '@pouw/tensor wide'

/**
 * Modules compiled at once by V8's optimising compiler with its revectorisation, which joins pairs of 128-bit operations where the processor has AVX2. The flags
 * stand for these modules only. `undefined` where V8 is another or was built without it, or somebody has given it such flags himself.
 */
export function compileWide(sources: readonly Uint8Array<ArrayBuffer>[]): readonly WebAssembly.Module[] | undefined {
  const { v8_enable_wasm_simd256_revec: built } = process.config.variables as { readonly v8_enable_wasm_simd256_revec?: number }
  if (built !== 1 || process.arch !== 'x64' || !TRIED.some((version) => process.versions.v8.startsWith(version))) return undefined
  if (process.execArgv.some((flag) => OWN.test(flag))) return undefined
  for (const flag of ON) setFlagsFromString(flag)
  try {
    return sources.map((bytes) => new WebAssembly.Module(bytes))
  } finally {
    for (const flag of OFF) setFlagsFromString(flag)
  }
}

/** What the main thread found is handed down to all threads: flags are the process's, and nothing else may be compiled under them. */
export function inheritWide(find: () => Wide | undefined): Wide | undefined {
  if (!isMainThread) return getEnvironmentData(KEY) as Wide | undefined
  const wide = find()
  setEnvironmentData(KEY, wide)
  return wide
}

/** The shortest time of a few tries: other programs only make it longer. */
export function leastMs(work: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 4; round++) {
    const started = performance.now()
    work()
    least = Math.min(least, performance.now() - started)
  }
  return least
}
