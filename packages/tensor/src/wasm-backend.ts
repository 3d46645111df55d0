import { startThread, type ThreadStart } from '#threads'
import { kernelBytes, threadedKernelBytes } from '../build/kernels.js'
import type { Backend, Kernels } from './kernels.ts'
import { installTiles, type Widened } from './wide/tiles.ts'
import { wide } from './wide/wide.ts'

const pageBytes = 65536
const compiled = new WebAssembly.Module(kernelBytes)

type Exports = Kernels & Widened & { readonly memory: WebAssembly.Memory; dismiss(): void }

/** A fresh instance with its own memory of at least `bytes`, zeroed; it never grows again, so views on it stay valid. */
export function createWasmBackend(bytes: number): Backend {
  const exports = new WebAssembly.Instance(compiled).exports as unknown as Exports
  const missing = Math.ceil(bytes / pageBytes) - exports.memory.buffer.byteLength / pageBytes
  if (missing > 0) exports.memory.grow(missing)
  if (wide) installTiles(exports, wide.single, exports.memory)
  return { memory: exports.memory.buffer as ArrayBuffer, kernels: exports, threads: 1, close() {} }
}

/**
 * The same over shared memory, with `threads - 1` workers that sleep between runs. Needs SharedArrayBuffer: in a browser a page
 * that is cross-origin isolated.
 *
 * @throws RangeError unless threads is 2 to 64
 */
export async function createThreadedBackend(bytes: number, threads: number): Promise<Backend> {
  if (!Number.isInteger(threads) || threads < 2 || threads > 64) throw new RangeError(`threads: expected 2 to 64, received ${threads}`)
  const pages = Math.max(1, Math.ceil(bytes / pageBytes))
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true })
  const module = new WebAssembly.Module(threadedKernelBytes)
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
  if (wide) installTiles(exports, wide.threaded, memory)
  const others: { stop(): void }[] = []
  try {
    for (let thread = 1; thread < threads; thread++)
      others.push(await startThread({ module, wide: wide?.threaded, memory, thread, threads }))
  } catch (error) {
    for (const other of others) other.stop()
    throw error
  }
  return {
    // Views on shared memory work like others; what they may not be given to (crypto, decoders) copies first.
    memory: memory.buffer as unknown as ArrayBuffer,
    kernels: { ...exports, run: exports.run },
    threads,
    close() {
      exports.dismiss()
      for (const other of others) other.stop()
    },
  }
}

export type { ThreadStart }
