import { concatBytes, u64le } from '@pouw/crypto'
import { type ModelSpec, modelSchema, type Tensor } from '@pouw/primitives'
import { readU32 } from '../bytes-at.ts'
import { defineModel } from '../layers/model.ts'
import { floatBytes } from '../state-bytes.ts'
import type { TrainedModel } from '../train/predict.ts'

/** Header of a model file; frameworks write some hundred bytes a tensor. */
const HEADER_BYTES_MAX = 16 * 1024 * 1024
const PROFILES = ['f32', 'bf16x', 'int8x'] as const
/** Bytes of a number in the types that are read. */
const TYPES: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2 }

/**
 * A trained model in the safetensors format: its tensors by name (`<layer>.weight` and so on, then running statistics), binary32, and its spec as JSON in the
 * metadata, so that `loadModel` needs nothing else. Equal models give equal bytes.
 */
export function saveModel({ model, weights, statistics, profile }: TrainedModel): Uint8Array {
  const { parameters, states } = model.declared
  let at = 0
  const entries = [...parameters, ...states].map(({ name, shape, size }) => {
    const entry = { dtype: 'F32', shape, data_offsets: [at, at + 4 * size] }
    at += 4 * size
    return [name, entry] as const
  })
  const metadata = { format: 'pt', 'pouw.model': JSON.stringify(model.spec), 'pouw.profile': profile }
  const text = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }))
  const header = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20)
  header.set(text)
  return concatBytes(u64le(header.length), header, floatBytes(weights), floatBytes(statistics))
}

/**
 * Reads a safetensors file. Its tensors may be F32, BF16 or F16 and in any order; others than the model's are refused.
 *
 * @param spec of a file that does not bring one (another program wrote it): tensors must have the names of its declaration
 * @throws RangeError for bytes that are no such file, or tensors that are not the model's, by name
 */
export function loadModel(bytes: Uint8Array, spec?: ModelSpec): TrainedModel {
  const { header, data } = split(bytes)
  const { __metadata__: metadata, ...tensors } = header
  const notes = asMap(metadata) ?? {}
  const model = defineModel(spec ?? writtenSpec(notes['pouw.model']))
  const profile = PROFILES.find((name) => name === notes['pouw.profile']) ?? 'f32'
  const { parameters, states, parameterCount, stateCount } = model.declared
  const [weights, statistics] = [new Float32Array(parameterCount), new Float32Array(stateCount)]
  for (const [home, wanted] of [
    [weights, parameters],
    [statistics, states],
  ] as const)
    for (const tensor of wanted) readTensor(tensor, tensors[tensor.name], data, home.subarray(tensor.offset, tensor.offset + tensor.size))
  const known = new Set([...parameters, ...states].map(({ name }) => name))
  for (const name of Object.keys(tensors))
    if (!known.has(name)) throw new RangeError(`model file: tensor ${name}: expected none of this name`)
  return { model, weights, statistics, profile }
}

function split(bytes: Uint8Array): { readonly header: Record<string, unknown>; readonly data: Uint8Array } {
  const length = bytes.length < 8 || readU32(bytes, 4) !== 0 ? Number.POSITIVE_INFINITY : readU32(bytes, 0)
  if (length > HEADER_BYTES_MAX || 8 + length > bytes.length) throw new RangeError('model file: expected the safetensors format')
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)))
  } catch {
    // Said below.
  }
  const map = asMap(header)
  if (!map) throw new RangeError('model file: expected a header of JSON')
  return { header: map, data: bytes.subarray(8 + length) }
}

function writtenSpec(text: unknown): ModelSpec {
  if (typeof text !== 'string')
    throw new RangeError('model file: expected the model in its metadata (pouw.model); hand its spec to loadModel')
  try {
    return modelSchema(JSON.parse(text), 'model')
  } catch (error) {
    throw new RangeError(`model file: metadata pouw.model: ${(error as Error).message}`)
  }
}

/** Copies one tensor's numbers out of the file, as binary32; all three types convert exactly. */
function readTensor({ name, shape, size }: Tensor, entry: unknown, data: Uint8Array, to: Float32Array): void {
  const refuse = (what: string, received: unknown): never => {
    throw new RangeError(`model file: tensor ${name}: expected ${what}, received ${String(received).slice(0, 80)}`)
  }
  const found = asMap(entry) ?? refuse('an entry', entry)
  const width = typeof found.dtype === 'string' && Object.hasOwn(TYPES, found.dtype) ? TYPES[found.dtype]! : undefined
  if (width === undefined) return refuse(Object.keys(TYPES).join(', '), found.dtype)
  if (!Array.isArray(found.shape) || found.shape.join() !== shape.join()) return refuse(`shape [${shape}]`, `[${found.shape}]`)
  const offsets = found.data_offsets
  const [from, to_] = Array.isArray(offsets) ? (offsets as unknown[]) : []
  if (!Number.isSafeInteger(from) || (from as number) < 0 || to_ !== (from as number) + width * size || to_ > data.length)
    return refuse(`${width * size} bytes inside the file`, `[${offsets}]`)
  const view = new DataView(data.buffer, data.byteOffset + (from as number), width * size)
  for (let i = 0; i < size; i++) {
    if (width === 4) to[i] = view.getFloat32(4 * i, true)
    else if (found.dtype === 'BF16') to[i] = floatOf(view.getUint16(2 * i, true) << 16)
    else to[i] = halfOf(view.getUint16(2 * i, true))
  }
}

/** IEEE 754 binary16, exact in binary32. */
function halfOf(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? (sign * fraction) / 16777216 : sign * (1 + fraction / 1024) * floatOf((exponent + 112) << 23)
}

function floatOf(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits >>> 0)
  return view.getFloat32(0)
}

function asMap(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}
