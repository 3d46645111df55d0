import { concatBytes, hexToBytes, sha256Hex, u32le, utf8 } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'
import { readHex32, readU32 } from './bytes-at.ts'

const RESIDUAL_TAG = utf8('POUW-RESIDUAL')
const IDS_BYTES = 68

/** A model at the end of iteration `sequence` (0: the initial one): all parameters in flat order, then its running statistics. */
export interface ModelState {
  readonly taskId: Hex
  readonly ticketId: Hex
  readonly sequence: number
  readonly weights: Float32Array
}

/** A residual at the end of iteration `sequence` in the order of the parameters, then what the optimiser keeps, array by array. */
export interface ResidualState {
  readonly taskId: Hex
  readonly ticketId: Hex
  readonly sequence: number
  readonly residual: Float32Array
}

/** `task || ticket || u32 sequence || f32 little-endian` (spec 10.2): the preimage of the model hash, so a model is its own content address. */
export function modelBytes(taskId: Hex, ticketId: Hex, sequence: number, weights: Float32Array): Uint8Array {
  return concatBytes(hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), floatBytes(weights))
}

/** SHA-256 of `modelBytes`, without building them. */
export function modelHash(taskId: Hex, ticketId: Hex, sequence: number, weights: Float32Array): Hex {
  return sha256Hex(hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), floatBytes(weights))
}

/** `"POUW-RESIDUAL" || task || ticket || u32 sequence || f32 little-endian` (A13): the preimage of the residual hash. */
export function residualBytes(taskId: Hex, ticketId: Hex, sequence: number, residual: Float32Array): Uint8Array {
  return concatBytes(RESIDUAL_TAG, hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), floatBytes(residual))
}

/** SHA-256 of `residualBytes`, without building them. */
export function residualHash(taskId: Hex, ticketId: Hex, sequence: number, residual: Float32Array): Hex {
  return sha256Hex(RESIDUAL_TAG, hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), floatBytes(residual))
}

/**
 * Inverse of `modelBytes` for untrusted bytes: `undefined` unless they hold exactly this many finite numbers.
 * A state that is not finite can follow from no valid iteration (A6), so it is refused here, before any arithmetic.
 */
export function openModel(bytes: Uint8Array, numbers: number): ModelState | undefined {
  const opened = openState(bytes, numbers)
  return opened && { ...opened.ids, weights: opened.values }
}

/** Inverse of `residualBytes` for untrusted bytes: `undefined` unless they hold exactly this many finite numbers. */
export function openResidual(bytes: Uint8Array, numbers: number): ResidualState | undefined {
  for (let i = 0; i < RESIDUAL_TAG.length; i++) if (bytes[i] !== RESIDUAL_TAG[i]) return undefined
  const opened = openState(bytes.subarray(RESIDUAL_TAG.length), numbers)
  return opened && { ...opened.ids, residual: opened.values }
}

function openState(bytes: Uint8Array, params: number) {
  if (bytes.length !== IDS_BYTES + 4 * params) return undefined
  const values = new Float32Array(params)
  if (LITTLE_ENDIAN) new Uint8Array(values.buffer).set(bytes.subarray(IDS_BYTES))
  else {
    const view = new DataView(bytes.buffer, bytes.byteOffset + IDS_BYTES, 4 * params)
    for (let i = 0; i < params; i++) values[i] = view.getFloat32(4 * i, true)
  }
  // x - x is 0 for every finite x and NaN for the rest, so one sum tells.
  let nothing = 0
  for (let i = 0; i < params; i++) nothing += values[i]! - values[i]!
  if (nothing !== 0) return undefined
  return { ids: { taskId: readHex32(bytes, 0), ticketId: readHex32(bytes, 32), sequence: readU32(bytes, 64) }, values }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** The little-endian bytes of binary32 values: on nearly every machine a view, not a copy. */
export function floatBytes(values: Float32Array): Uint8Array {
  if (LITTLE_ENDIAN) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const bytes = new Uint8Array(values.byteLength)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true)
  return bytes
}
