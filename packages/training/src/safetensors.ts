/**
 * A task's trained model in the safetensors format, as `writeSafetensors` says it, so that `loadModel` reads it alone; the metadata also say whose it is.
 *
 * The data lie in the order of the model hash: parameters layer by layer, then running statistics. Tensors are called as the model's declaration does,
 * `<layer>.weight` and so on; a version 1 document's layers are called `layers.<n>` there, as those of a torch.nn.Sequential. One model has one encoding, so the
 * file's hash names the model too.
 */
import { concatBytes, hexToBytes, u32le } from '@pouw/crypto'
import { modelNumbers, modelParams, modelSpec, type TaskDocument } from '@pouw/primitives'
import { readU32 } from './bytes-at.ts'
import { headerOf, PROFILE, writeSafetensors } from './exchange/model-safetensors.ts'
import { defineModel, type Model } from './layers/model.ts'
import { type ModelState, openModel } from './state-bytes.ts'

const LENGTH_BYTES = 8
/** Some 130 characters a tensor, as many tensors as a document of layers can name, and the layers. */
const HEADER_BYTES_MAX = 2 ** 20

/** @throws RangeError unless the numbers are as many as those of the document's model */
export function encodeSafetensors(document: TaskDocument, state: ModelState): Uint8Array {
  const params = modelParams(document)
  return writeSafetensors(
    fileModel(document),
    state.weights.subarray(0, params),
    state.weights.subarray(params),
    metadataOf(document, state),
  )
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
  const expected = headerOf(fileModel(document), metadataOf(document, named))
  if (expected.length !== header.length || expected.some((byte, index) => byte !== header[index])) return undefined
  const ids = concatBytes(hexToBytes(named.taskId), hexToBytes(named.ticketId), u32le(named.sequence))
  return openModel(concatBytes(ids, bytes.subarray(dataAt)), numbers)
}

type Named = Omit<ModelState, 'weights'>

function metadataOf({ profile }: TaskDocument, { taskId, ticketId, sequence }: Named): Record<string, string> {
  return {
    [PROFILE]: profile,
    'pouw.sequence': String(sequence),
    'pouw.task': taskId,
    'pouw.ticket': ticketId,
    'pouw.version': '1',
  }
}

/** The model as its file names it. */
function fileModel(document: TaskDocument): Model {
  const spec = modelSpec(document)
  if (document.version === 2) return defineModel(spec)
  return defineModel({ ...spec, layers: spec.layers.map((layer, n) => ({ ...layer, id: `layers.${n}` })) })
}

const HEX_32 = /^[0-9a-f]{64}$/
const NUMBER = /^(0|[1-9][0-9]{0,9})$/

/** Only what `metadataOf` needs to say it again; undefined if it is not there. */
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
