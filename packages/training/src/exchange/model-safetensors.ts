/**
 * Any model in the safetensors format: parameters and running statistics by name, and the spec, so that a file restores its model alone.
 *
 *     u64 little-endian length of the header || header (JSON, padded with spaces to 8 bytes) || tensors, little-endian
 *
 * A task's models on the chain are such files, too, and also say whose they are (`encodeSafetensors`).
 */
import { concatBytes, u64le } from '@pouw/crypto'
import type { Tensor } from '@pouw/primitives'
import { readU32 } from '../bytes-at.ts'
import { initialStates } from '../layers/initial-states.ts'
import type { Model } from '../layers/model.ts'
import { floatBytes } from '../state-bytes.ts'
import { floatsOfHalves, floatsOfTruncated } from './half-floats.ts'
import { halvesOf } from './onnx-tensor.ts'

/** Numbers of a model: f32 `[params]`, and its running statistics. */
export interface ModelNumbers {
  readonly weights: Float32Array
  readonly states: Float32Array
}

const LENGTH_BYTES = 8
const ALIGNMENT = 8
/** Some 130 characters a tensor and twice as many for its layer: far beyond 4096 layers. */
const HEADER_BYTES_MAX = 2 ** 24
/** Where the metadata have the spec, as JSON, and the profile in which the model was trained. */
export const SPEC = 'pouw.model'
export const PROFILE = 'pouw.profile'

/**
 * A model as a file: f32 tensors `<layer>.weight` and so on, in the order of the flat arrays, running statistics last; the spec is in the
 * metadata. Equal models give equal bytes.
 *
 * @throws RangeError if the numbers are not as many as the model's
 */
export function saveSafetensors(model: Model, weights: Float32Array, states: Float32Array = initialStates(model.declared)): Uint8Array {
  return writeSafetensors(model, weights, states)
}

/** The same with more in the metadata, behind the spec. */
export function writeSafetensors(
  model: Model,
  weights: Float32Array,
  states: Float32Array,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { declared } = model
  if (weights.length !== declared.parameterCount)
    throw new RangeError(`saveSafetensors: expected ${declared.parameterCount} weights, received ${weights.length}`)
  if (states.length !== declared.stateCount)
    throw new RangeError(`saveSafetensors: expected ${declared.stateCount} states, received ${states.length}`)
  const header = headerOf(model, metadata)
  return concatBytes(u64le(header.length), header, floatBytes(weights), floatBytes(states))
}

/** The header of a model's file, padded. */
export function headerOf({ declared, spec }: Model, metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries: [string, unknown][] = [['__metadata__', { format: 'pt', [SPEC]: JSON.stringify(spec), ...metadata }]]
  let offset = 0
  for (const { name, shape, size } of [...declared.parameters, ...declared.states]) {
    entries.push([name, { dtype: 'F32', shape, data_offsets: [offset, offset + 4 * size] }])
    offset += 4 * size
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const header = new Uint8Array(Math.ceil(text.length / ALIGNMENT) * ALIGNMENT).fill(0x20)
  header.set(text)
  if (header.length > HEADER_BYTES_MAX)
    throw new RangeError(`saveSafetensors: expected a header of at most ${HEADER_BYTES_MAX} bytes, received ${header.length}`)
  return header
}

/**
 * The numbers of a model from a file of any program, which must hold exactly its tensors: F32, F16 or BF16, the last two widened without loss.
 * Bytes are untrusted.
 *
 * @throws RangeError that names the layer, the shape that was expected and the one that was received; or what is no such file
 */
export function loadSafetensors(model: Model, bytes: Uint8Array): ModelNumbers {
  return numbersOf(model, openSafetensors(bytes))
}

interface Stored {
  readonly dtype: Stored16
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

type Stored16 = keyof typeof BYTES
const BYTES = { F32: 4, F16: 2, BF16: 2 } as const

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, Stored>
  readonly metadata: ReadonlyMap<string, string>
  /** Bytes of each tensor, among all of them. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  readonly size: number
}

export function openSafetensors(bytes: Uint8Array): SafetensorsFile {
  const length = bytes.length < LENGTH_BYTES || readU32(bytes, 4) !== 0 ? Number.POSITIVE_INFINITY : readU32(bytes, 0)
  if (length > Math.min(HEADER_BYTES_MAX, bytes.length - LENGTH_BYTES))
    throw new RangeError(
      `safetensors: expected a header of at most ${HEADER_BYTES_MAX} bytes within the file, received ${bytes.length} bytes`,
    )
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
  const data = bytes.subarray(LENGTH_BYTES + length)
  const tensors = new Map<string, Stored>()
  const ranges: (readonly [from: number, to: number])[] = []
  const metadata = new Map<string, string>()
  for (const [name, entry] of Object.entries(asMap(header, 'header'))) {
    const fields = asMap(entry, name)
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(fields)) if (typeof value === 'string') metadata.set(key, value)
      continue
    }
    const { dtype, shape, data_offsets: offsets } = fields
    if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype))
      throw new RangeError(`tensor ${name}: expected dtype F32, F16 or BF16, received ${String(dtype).slice(0, 20)}`)
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2)
      throw new RangeError(`tensor ${name}: expected a shape and two offsets of whole numbers`)
    const [from, to] = offsets as [number, number]
    const size = shape.reduce((all, extent) => all * extent, BYTES[dtype as Stored16])
    if (from > to || to > data.length || to - from !== size)
      throw new RangeError(`tensor ${name}: expected ${size} bytes within ${data.length}, received ${from} to ${to}`)
    ranges.push([from, to])
    tensors.set(name, { dtype: dtype as Stored16, shape, bytes: data.subarray(from, to) })
  }
  return { tensors, metadata, ranges, size: data.length }
}

/** @throws RangeError if the tensors are not the model's */
export function numbersOf({ declared }: Model, { tensors, ranges, size: bytes }: SafetensorsFile): ModelNumbers {
  const known = new Set<string>()
  for (const { layer, parameters, states } of declared.layers) {
    for (const { name, shape } of [...parameters, ...states]) {
      const given = tensors.get(name)?.shape
      if (!given || given.length !== shape.length || given.some((extent, i) => extent !== shape[i]))
        throw new RangeError(`layer ${layer.id}: ${name}: expected shape [${shape}], received ${given ? `[${given}]` : 'no such tensor'}`)
      known.add(name)
    }
  }
  for (const name of tensors.keys()) if (!known.has(name)) throw new RangeError(`tensor ${name}: expected tensors of the model only`)
  // The format wants every byte in exactly one tensor.
  let end = 0
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (from !== end) throw new RangeError(`safetensors: expected the next tensor at byte ${end}, received ${from}`)
    end = to
  }
  if (end !== bytes) throw new RangeError(`safetensors: expected ${end} bytes of tensors, received ${bytes}`)
  const read = (all: readonly Tensor[], count: number): Float32Array => {
    const values = new Float32Array(count)
    const words = new Uint32Array(values.buffer)
    for (const { name, offset } of all) words.set(wordsOf(tensors.get(name)!), offset)
    return values
  }
  return { weights: read(declared.parameters, declared.parameterCount), states: read(declared.states, declared.stateCount) }
}

/** Binary32 words, so that every NaN keeps its bits. */
function wordsOf({ dtype, bytes }: Stored): Uint32Array {
  if (dtype !== 'F32') return new Uint32Array((dtype === 'F16' ? floatsOfHalves : floatsOfTruncated)(halvesOf(bytes)).buffer)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const words = new Uint32Array(bytes.length / 4)
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i, true)
  return words
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new RangeError('safetensors: expected a header of JSON in UTF-8')
  }
}

function asMap(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RangeError(`${name}: expected a map`)
  return value as Readonly<Record<string, unknown>>
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= 8 && value.every((one) => Number.isSafeInteger(one) && one >= 0)
}
