import { kernelBytes } from '../build/kernels.js'
import type { Backend, Kernels } from './kernels.ts'

const pageBytes = 65536
const compiled = new WebAssembly.Module(kernelBytes)

/** A fresh instance with its own memory of at least `bytes`, zeroed; it never grows again, so views on it stay valid. */
export function createWasmBackend(bytes: number): Backend {
  const exports = new WebAssembly.Instance(compiled).exports as unknown as Kernels & { memory: WebAssembly.Memory }
  const missing = Math.ceil(bytes / pageBytes) - exports.memory.buffer.byteLength / pageBytes
  if (missing > 0) exports.memory.grow(missing)
  return { memory: exports.memory.buffer as ArrayBuffer, kernels: exports }
}
