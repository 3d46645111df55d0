/**
 * A trained model in the safetensors format, which every common framework reads:
 *
 *     u64 little-endian length of the header || header (JSON, padded with spaces to 8 bytes) || tensors, little-endian
 *
 * The data lie in the order of the model hash: parameters layer by layer, then running statistics. Tensors are called as the model's declaration does,
 * `<layer>.weight` and so on; those of a version 1 document `layers.<n>.weight` with the shape [nodes, inputs], row major, and `layers.<n>.bias`
 * [nodes], as in a torch.nn.Linear. One model has one encoding, so the file's hash names the model too.
 */
import { concatBytes, hexToBytes, u32le, u64le } from '@pouw/crypto'
import { modelNumbers, type TaskDocument, type Tensor } from '@pouw/primitives'
import { readU32 } from './bytes-at.ts'
import { modelOf } from './model.ts'
import { floatBytes, type ModelState, openModel } from './state-bytes.ts'

const LENGTH_BYTES = 8
const ALIGNMENT = 8
/** Some 130 characters a tensor, and as many tensors as a document of layers can name. */
const HEADER_BYTES_MAX = 2 ** 20

/** @throws RangeError unless the numbers are as many as those of the document's model */
export function encodeSafetensors(document: TaskDocument, state: ModelState): Uint8Array {
  const numbers = modelNumbers(document)
  if (state.weights.length !== numbers)
    throw new RangeError(`encodeSafetensors: expected ${numbers} weights, received ${state.weights.length}`)
  const header = headerBytes(document, state)
  return concatBytes(u64le(header.length), header, floatBytes(state.weights))
}

/** Inverse of `encodeSafetensors` for untrusted bytes: `undefined` unless they are exactly one encoded model of the document, of finite numbers. */
export function decodeSafetensors(document: TaskDocument, bytes: Uint8Array): ModelState | undefined {
  if (bytes.length < LENGTH_BYTES || readU32(bytes, 4) !== 0) return undefined
  const headerLength = readU32(bytes, 0)
  const dataAt = LENGTH_BYTES + headerLength
  const numbers = modelNumbers(document)
  if (headerLength > HEADER_BYTES_MAX || bytes.length !== dataAt + 4 * numbers) return undefined
  const header = bytes.subarray(LENGTH_BYTES, dataAt)
  const named = readNames(header)
  if (!named) return undefined
  // Everything else that the header may say follows from the document; comparing bytes refuses the rest: other names, shapes, offsets, order, padding.
  const expected = headerBytes(document, named)
  if (expected.length !== header.length || expected.some((byte, index) => byte !== header[index])) return undefined
  const ids = concatBytes(hexToBytes(named.taskId), hexToBytes(named.ticketId), u32le(named.sequence))
  return openModel(concatBytes(ids, bytes.subarray(dataAt)), numbers)
}

type Named = Omit<ModelState, 'weights'>

function headerBytes(document: TaskDocument, { taskId, ticketId, sequence }: Named): Uint8Array {
  const entries: [string, unknown][] = [
    [
      '__metadata__',
      { format: 'pt', 'pouw.sequence': String(sequence), 'pouw.task': taskId, 'pouw.ticket': ticketId, 'pouw.version': '1' },
    ],
  ]
  let offset = 0
  for (const { name, shape, size } of tensorsOf(document)) {
    entries.push([name, { data_offsets: [offset, offset + 4 * size], dtype: 'F32', shape }])
    offset += 4 * size
  }
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const padded = new Uint8Array(Math.ceil(text.length / ALIGNMENT) * ALIGNMENT).fill(0x20)
  padded.set(text)
  return padded
}

/** All tensors of a model's file, in the order of their data. */
function tensorsOf(document: TaskDocument): readonly Pick<Tensor, 'name' | 'shape' | 'size'>[] {
  const { parameters, states } = modelOf(document).declared
  if (document.version === 2) return [...parameters, ...states]
  // A layer of version 1 has a weight and a bias.
  return parameters.map(({ shape, size }, i) => ({ name: `layers.${Math.floor(i / 2)}.${i % 2 === 0 ? 'weight' : 'bias'}`, shape, size }))
}

const HEX_32 = /^[0-9a-f]{64}$/
const NUMBER = /^(0|[1-9][0-9]{0,9})$/

/** Only what `headerBytes` needs to say it again; undefined if it is not there. */
function readNames(header: Uint8Array): Named | undefined {
  let plain: unknown
  try {
    plain = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch {
    return undefined
  }
  const metadata = asMap(asMap(plain)?.__metadata__)
  const taskId = metadata?.['pouw.task']
  const ticketId = metadata?.['pouw.ticket']
  const sequence = metadata?.['pouw.sequence']
  if (typeof taskId !== 'string' || typeof ticketId !== 'string' || typeof sequence !== 'string') return undefined
  if (!HEX_32.test(taskId) || !HEX_32.test(ticketId) || !NUMBER.test(sequence) || Number(sequence) >= 2 ** 32) return undefined
  return { taskId, ticketId, sequence: Number(sequence) }
}

function asMap(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}
