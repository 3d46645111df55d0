/**
 * A trained model in the safetensors format, which every common framework reads:
 *
 *     u64 little-endian length of the header || header (JSON, padded with spaces to 8 bytes) || tensors, little-endian
 *
 * Tensor `layers.<n>.weight` has the shape [nodes, inputs], row major, `layers.<n>.bias` [nodes], as in a torch.nn.Linear; the data lie in
 * layer order, weight then bias, which is the order of the model hash. One model has one encoding, so the file's hash names the model too.
 */
import { concatBytes, hexToBytes, u32le, u64le } from '@pouw/crypto'
import type { TaskDocument } from '@pouw/primitives'
import { readU32 } from './bytes-at.ts'
import { modelOf } from './model.ts'
import { floatBytes, type ModelState, openModel } from './state-bytes.ts'

/** A dense layer by its shape. */
export interface LayerShape {
  readonly inputs: number
  readonly nodes: number
}

/** What a file holds: the state that the model hash is over, and the shapes of its layers in order. */
export interface SafetensorsModel extends ModelState {
  readonly layers: readonly LayerShape[]
}

const LENGTH_BYTES = 8
const ALIGNMENT = 8
const LAYERS_MAX = 64
/** Two tensors of at most some 120 characters for each layer, and the ids. */
const HEADER_BYTES_MAX = 64 * 1024
/** As many as a map word can point at (spec 9.2). */
const PARAMS_MAX = 2 ** 31
const FILE_BYTES_MAX = LENGTH_BYTES + HEADER_BYTES_MAX + 4 * PARAMS_MAX

/** Shapes of the layers that a task document describes. */
export function layerShapes(document: TaskDocument): LayerShape[] {
  let inputs = document.ml.dataset.features
  return document.ml.model.layers.map(({ nodes }) => {
    const shape = { inputs, nodes }
    inputs = nodes
    return shape
  })
}

/** @throws RangeError unless the weights are those of the document's model */
export function encodeSafetensors(document: TaskDocument, state: ModelState): Uint8Array {
  const { params } = modelOf(document)
  if (state.weights.length !== params)
    throw new RangeError(`encodeSafetensors: expected ${params} weights, received ${state.weights.length}`)
  const header = headerBytes(layerShapes(document), state)
  return concatBytes(u64le(header.length), header, floatBytes(state.weights))
}

/** Inverse of `encodeSafetensors` for untrusted bytes: `undefined` unless they are exactly one encoded model of finite weights. */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsModel | undefined {
  if (bytes.length < LENGTH_BYTES || bytes.length > FILE_BYTES_MAX || readU32(bytes, 4) !== 0) return undefined
  const headerLength = readU32(bytes, 0)
  const dataAt = LENGTH_BYTES + headerLength
  if (headerLength > HEADER_BYTES_MAX || dataAt > bytes.length) return undefined
  const header = bytes.subarray(LENGTH_BYTES, dataAt)
  const named = readHeader(header)
  if (!named) return undefined
  // Everything the header may say follows from shapes and ids; comparing bytes refuses the rest: other names, offsets, order, padding.
  const expected = headerBytes(named.layers, named)
  if (expected.length !== header.length || expected.some((byte, index) => byte !== header[index])) return undefined
  const params = named.layers.reduce((sum, { inputs, nodes }) => sum + (inputs + 1) * nodes, 0)
  const ids = concatBytes(hexToBytes(named.taskId), hexToBytes(named.ticketId), u32le(named.sequence))
  const state = openModel(concatBytes(ids, bytes.subarray(dataAt)), params)
  return state && { ...state, layers: named.layers }
}

type Named = Omit<SafetensorsModel, 'weights'>

function headerBytes(layers: readonly LayerShape[], { taskId, ticketId, sequence }: Omit<ModelState, 'weights'>): Uint8Array {
  const entries: [string, unknown][] = [
    [
      '__metadata__',
      { format: 'pt', 'pouw.sequence': String(sequence), 'pouw.task': taskId, 'pouw.ticket': ticketId, 'pouw.version': '1' },
    ],
  ]
  let offset = 0
  const tensor = (name: string, shape: number[]) => {
    const end = offset + 4 * shape.reduce((product, size) => product * size, 1)
    entries.push([name, { data_offsets: [offset, end], dtype: 'F32', shape }])
    offset = end
  }
  layers.forEach(({ inputs, nodes }, index) => {
    tensor(`layers.${index}.weight`, [nodes, inputs])
    tensor(`layers.${index}.bias`, [nodes])
  })
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify(Object.fromEntries(entries))
  // The names and ids are ASCII, so characters are bytes.
  return new TextEncoder().encode(text.padEnd(Math.ceil(text.length / ALIGNMENT) * ALIGNMENT, ' '))
}

const HEX_32 = /^[0-9a-f]{64}$/
const NUMBER = /^(0|[1-9][0-9]{0,9})$/

/** Only what `headerBytes` needs to say it again; undefined if it is not there. */
function readHeader(header: Uint8Array): Named | undefined {
  let plain: unknown
  try {
    plain = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch {
    return undefined
  }
  const tensors = asMap(plain)
  const metadata = asMap(tensors?.__metadata__)
  if (!tensors || !metadata) return undefined
  const taskId = metadata['pouw.task']
  const ticketId = metadata['pouw.ticket']
  const sequence = metadata['pouw.sequence']
  if (typeof taskId !== 'string' || typeof ticketId !== 'string' || typeof sequence !== 'string') return undefined
  if (!HEX_32.test(taskId) || !HEX_32.test(ticketId) || !NUMBER.test(sequence) || Number(sequence) >= 2 ** 32) return undefined
  const layers: LayerShape[] = []
  let params = 0
  for (;;) {
    const shape = asMap(tensors[`layers.${layers.length}.weight`])?.shape
    if (shape === undefined) break
    if (layers.length === LAYERS_MAX || !Array.isArray(shape) || shape.length !== 2) return undefined
    const [nodes, inputs] = shape as unknown[]
    if (!isCount(nodes) || !isCount(inputs)) return undefined
    params += (inputs + 1) * nodes
    if (params > PARAMS_MAX) return undefined
    layers.push({ inputs, nodes })
  }
  return layers.length === 0 ? undefined : { taskId, ticketId, sequence: Number(sequence), layers }
}

function asMap(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < PARAMS_MAX
}
