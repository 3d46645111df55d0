import type { Backend, BackendName } from './kernels.ts'
import { createReferenceBackend } from './reference/reference-backend.ts'
import { createWasmBackend } from './wasm-backend.ts'

/** @throws RangeError for an unknown backend, or for more memory than the platform gives */
export function createBackend(name: BackendName, bytes: number): Backend {
  if (name === 'wasm') return createWasmBackend(bytes)
  if (name === 'reference') return createReferenceBackend(bytes)
  throw new RangeError(`backend: expected wasm or reference, received ${String(name)}`)
}
