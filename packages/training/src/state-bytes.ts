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

/**
 * `task || ticket || u32 sequence || numbers` (spec 10.2): the preimage of the model hash, so a model is its own content address. Numbers are binary32
 * little-endian, but for the first `halves`, which are bf16 (decision 0022).
 */
export function modelBytes(taskId: Hex, ticketId: Hex, sequence: number, weights: Float32Array, halves = 0): Uint8Array {
  return concatBytes(...modelParts(taskId, ticketId, sequence, weights, halves))
}

/** The same in parts, some of them views on the numbers. */
export function modelParts(taskId: Hex, ticketId: Hex, sequence: number, weights: Float32Array, halves = 0): Uint8Array[] {
  return [hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), ...numberBytes(weights, halves)]
}

/** SHA-256 of `modelBytes`, without building them. */
export function modelHash(taskId: Hex, ticketId: Hex, sequence: number, weights: Float32Array, halves = 0): Hex {
  return sha256Hex(...modelParts(taskId, ticketId, sequence, weights, halves))
}

/** `"POUW-RESIDUAL" || task || ticket || u32 sequence || numbers` (A13): the preimage of the residual hash. */
export function residualBytes(taskId: Hex, ticketId: Hex, sequence: number, residual: Float32Array, halves = 0): Uint8Array {
  return concatBytes(...residualParts(taskId, ticketId, sequence, residual, halves))
}

/** The same in parts, some of them views on the numbers. */
export function residualParts(taskId: Hex, ticketId: Hex, sequence: number, residual: Float32Array, halves = 0): Uint8Array[] {
  return [RESIDUAL_TAG, hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence), ...numberBytes(residual, halves)]
}

/** SHA-256 of `residualBytes`, without building them. */
export function residualHash(taskId: Hex, ticketId: Hex, sequence: number, residual: Float32Array, halves = 0): Hex {
  return sha256Hex(...residualParts(taskId, ticketId, sequence, residual, halves))
}

/**
 * Inverse of `modelBytes` for untrusted bytes: `undefined` unless they hold exactly this many finite numbers.
 * A state that is not finite can follow from no valid iteration (A6), so it is refused here, before any arithmetic.
 */
export function openModel(bytes: Uint8Array, numbers: number, halves = 0): ModelState | undefined {
  const opened = openState(bytes, numbers, halves)
  return opened && { ...opened.ids, weights: opened.values }
}

/** Inverse of `residualBytes` for untrusted bytes: `undefined` unless they hold exactly this many finite numbers. */
export function openResidual(bytes: Uint8Array, numbers: number, halves = 0): ResidualState | undefined {
  for (let i = 0; i < RESIDUAL_TAG.length; i++) if (bytes[i] !== RESIDUAL_TAG[i]) return undefined
  const opened = openState(bytes.subarray(RESIDUAL_TAG.length), numbers, halves)
  return opened && { ...opened.ids, residual: opened.values }
}

function openState(bytes: Uint8Array, numbers: number, halves: number) {
  if (bytes.length !== IDS_BYTES + 4 * numbers - 2 * halves) return undefined
  const values = new Float32Array(numbers)
  const view = new DataView(bytes.buffer, bytes.byteOffset + IDS_BYTES)
  const words = new Uint32Array(values.buffer)
  for (let i = 0; i < halves; i++) words[i] = view.getUint16(2 * i, true) << 16
  if (LITTLE_ENDIAN) new Uint8Array(values.buffer, 4 * halves).set(bytes.subarray(IDS_BYTES + 2 * halves))
  else for (let i = halves; i < numbers; i++) values[i] = view.getFloat32(4 * i - 2 * halves, true)
  // x - x is 0 for every finite x and NaN for the rest, so one sum tells.
  let nothing = 0
  for (let i = 0; i < numbers; i++) nothing += values[i]! - values[i]!
  if (nothing !== 0) return undefined
  return { ids: { taskId: readHex32(bytes, 0), ticketId: readHex32(bytes, 32), sequence: readU32(bytes, 64) }, values }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/**
 * The little-endian bytes of numbers of which the first `halves` travel as bf16: their upper two bytes.
 * @throws RangeError if one of those is no bf16 number, which would be lost
 */
function numberBytes(values: Float32Array, halves: number): Uint8Array[] {
  if (halves === 0) return [floatBytes(values)]
  const words = new Uint32Array(values.buffer, values.byteOffset, halves)
  const bytes = new Uint8Array(2 * halves)
  let lost = 0
  if (LITTLE_ENDIAN) {
    const upper = new Uint16Array(bytes.buffer)
    for (let i = 0; i < halves; i++) {
      upper[i] = words[i]! >>> 16
      lost |= words[i]!
    }
  } else {
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < halves; i++) {
      view.setUint16(2 * i, words[i]! >>> 16, true)
      lost |= words[i]!
    }
  }
  if ((lost & 0xffff) !== 0) throw new RangeError('state: expected bf16 numbers, received some of more bits')
  return [bytes, floatBytes(values.subarray(halves))]
}

/** The little-endian bytes of binary32 values: on nearly every machine a view, not a copy. */
export function floatBytes(values: Float32Array): Uint8Array {
  if (LITTLE_ENDIAN) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const bytes = new Uint8Array(values.byteLength)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true)
  return bytes
}
