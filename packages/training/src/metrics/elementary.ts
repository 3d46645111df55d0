import { type BackendName, createArena, createBackend } from '@pouw/tensor'

/** The tensor package's binary32 exponentials (docs/arithmetic/transcendentals.md), within 1.03 units in the last place. */
export function exponentials(values: Float32Array, backend: BackendName = 'wasm'): Float32Array {
  return elementary('expArray', values, backend)
}

/** Its natural logarithms. */
export function logarithms(values: Float32Array, backend: BackendName = 'wasm'): Float32Array {
  return elementary('logArray', values, backend)
}

function elementary(name: 'expArray' | 'logArray', values: Float32Array, backend: BackendName): Float32Array {
  const padded = Math.ceil(values.length / 4) * 4
  const arena = createArena()
  const at = arena.take(4 * padded)
  const { memory, kernels, close } = createBackend(backend, arena.bytes)
  const place = new Float32Array(memory, at, padded).fill(1)
  place.set(values)
  kernels[name](at, at, padded)
  close()
  return place.slice(0, values.length)
}
