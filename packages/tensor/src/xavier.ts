import { createArena } from './arena.ts'
import { createBackend } from './backend.ts'
import type { BackendName } from './kernels.ts'

/** The parameter tensors of a model in flat order; offset and size count floats. */
export interface TensorLayout {
  readonly params: number
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly offset: number; readonly size: number }[]
}

/**
 * Initial weights (A25): weight = (2u - 1) * sqrt(magnitude * 2 / (in + out)), each step rounded to binary32; of vectors, those named `weight` (scales of
 * normalisations) are 1 and the others, biases, 0. With a shape [out, in, ...], in and out both count the extents after them, a kernel's window.
 *
 * u comes from Philox4x32-10 with the first 8 bytes of seedHash as two little-endian u32, and the tensor's position in
 * `model.tensors` as tensor number. Result: float32 `[params]`, equal bits for equal arguments on either backend.
 *
 * @param seedHash SHA-256 of the seed, 32 bytes
 * @param magnitude finite and > 0, rounded to binary32
 * @throws RangeError for a seed hash or magnitude out of range
 */
export function initXavier(model: TensorLayout, seedHash: Uint8Array, magnitude: number, backend: BackendName = 'wasm'): Float32Array {
  return createXavier(model, backend)(seedHash, magnitude)
}

/** The same as a function to keep: whoever draws weights again and again (filler runs) needs one instance of the kernels, not one a draw. */
export function createXavier(
  model: TensorLayout,
  backend: BackendName = 'wasm',
): (seedHash: Uint8Array, magnitude: number) => Float32Array {
  const arena = createArena()
  const at = arena.take(4 * Math.max(...model.tensors.map((tensor) => tensor.size)))
  const { memory, kernels } = createBackend(backend, arena.bytes)
  return (seedHash, magnitude) => {
    if (seedHash.length !== 32) throw new RangeError(`seed hash: expected 32 bytes, received ${seedHash.length}`)
    if (!(magnitude > 0 && Math.fround(magnitude) < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`magnitude: expected a positive finite number, received ${magnitude}`)
    }
    const view = new DataView(seedHash.buffer, seedHash.byteOffset, 8)
    const key0 = view.getUint32(0, true)
    const key1 = view.getUint32(4, true)
    const weights = new Float32Array(model.params)
    for (const [number, { name, shape, offset, size }] of model.tensors.entries()) {
      if (shape.length === 1) {
        if (name.endsWith('.weight')) weights.fill(1, offset, offset + size)
        continue
      }
      kernels.philoxUniform(at, size, key0, key1, number)
      const uniform = new Float32Array(memory, at, size)
      const fans = Math.fround((shape[0]! + shape[1]!) * shape.slice(2).reduce((window, extent) => window * extent, 1))
      const bound = Math.fround(Math.sqrt(Math.fround(Math.fround(Math.fround(magnitude) * 2) / fans)))
      // 2u - 1 is exact: u has 24 bits.
      for (let i = 0; i < size; i++) weights[offset + i] = Math.fround((2 * uniform[i]! - 1) * bound)
    }
    return weights
  }
}
