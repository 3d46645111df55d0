/** Tensors of ONNX files: made for the writer, and checked and read for the reader. */
import { floatBytes } from '../state-bytes.ts'
import { floatsOfHalves, floatsOfTruncated } from './half-floats.ts'
import { type OnnxTensor, TYPE } from './onnx-messages.ts'

const none = { floatData: [], int32Data: [], int64Data: [], doubleData: [], externalData: [] }

export function rawTensor(dims: readonly number[], dataType: number, rawData: Uint8Array): OnnxTensor {
  return { ...none, dims, dataType, rawData }
}

/** f32 `[...dims]`; on nearly every machine the bytes are a view, so the numbers must not change until the file is written. */
export function floatTensor(dims: readonly number[], values: Float32Array): OnnxTensor {
  return rawTensor(dims, TYPE.float, floatBytes(values))
}

/** i64 `[values]`, or a scalar for a single number. Values are whole and within 32 bits, or as large as 2^53. */
export function intTensor(values: readonly number[] | number): OnnxTensor {
  const list = typeof values === 'number' ? [values] : values
  const view = new DataView(new ArrayBuffer(8 * list.length))
  // "To the end" is 2^63 - 1, which a number rounds up.
  for (const [i, value] of list.entries()) view.setBigInt64(8 * i, BigInt(Math.min(value, 2 ** 63 - 1024)), true)
  return rawTensor(typeof values === 'number' ? [] : [list.length], TYPE.int64, new Uint8Array(view.buffer))
}

/** Numbers of one constant: as many as a value of a graph may have. */
const elementsMax = 2 ** 30
/** Axes of a constant, and so the whole numbers that a node takes as an argument: shapes, axes and ranges. */
const AXES_MAX = 8

const BYTES: ReadonlyMap<number | undefined, number> = new Map([
  [TYPE.float, 4],
  [TYPE.float16, 2],
  [TYPE.bfloat16, 2],
  [TYPE.int32, 4],
  [TYPE.int64, 8],
  [TYPE.double, 8],
  [TYPE.bool, 1],
  [TYPE.uint8, 1],
  [TYPE.int8, 1],
])

/** How many numbers a tensor has. @throws RangeError if its data lie elsewhere, or are not as many as its shape says */
export function checkTensor(tensor: OnnxTensor): number {
  if (tensor.dataLocation === 1 || tensor.externalData.length > 0)
    throw new RangeError('expected data in this file, received external data')
  if (tensor.dims.length > AXES_MAX) throw new RangeError(`expected at most ${AXES_MAX} axes, received ${tensor.dims.length}`)
  let size = 1
  for (const extent of tensor.dims) {
    if (!Number.isSafeInteger(extent) || extent < 0 || extent > elementsMax)
      throw new RangeError(`expected whole extents, received [${tensor.dims}]`)
    size *= extent
    if (size > elementsMax) throw new RangeError(`expected at most ${elementsMax} numbers, received [${tensor.dims}]`)
  }
  const bytes = BYTES.get(tensor.dataType)
  if (bytes === undefined) throw new RangeError(`expected floats or whole numbers, received data type ${tensor.dataType}`)
  const given = tensor.rawData ? tensor.rawData.length / bytes : listOf(tensor).length
  if (given !== size) throw new RangeError(`expected ${size} numbers for [${tensor.dims}], received ${given}`)
  return size
}

function listOf(tensor: OnnxTensor): readonly number[] {
  if (tensor.dataType === TYPE.float) return tensor.floatData
  if (tensor.dataType === TYPE.double) return tensor.doubleData
  return tensor.dataType === TYPE.int64 ? tensor.int64Data : tensor.int32Data
}

/** A copy as binary32, every number kept exactly. @throws RangeError for other types than f32, f16 and bf16 */
export function readFloats(tensor: OnnxTensor): Float32Array {
  const size = checkTensor(tensor)
  const { dataType, rawData: raw } = tensor
  if (dataType === TYPE.float) {
    if (!raw) return Float32Array.from(tensor.floatData)
    const values = new Float32Array(size)
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
    // Words, since a NaN may lose its bits on its way through a number.
    const words = new Uint32Array(values.buffer)
    for (let i = 0; i < size; i++) words[i] = view.getUint32(4 * i, true)
    return values
  }
  if (dataType !== TYPE.float16 && dataType !== TYPE.bfloat16)
    throw new RangeError(`expected numbers of type f32, f16 or bf16, received data type ${dataType}`)
  const halves = raw ? halvesOf(raw) : Uint16Array.from(tensor.int32Data)
  return dataType === TYPE.float16 ? floatsOfHalves(halves) : floatsOfTruncated(halves)
}

/** 16-bit words of little-endian bytes. */
export function halvesOf(bytes: Uint8Array): Uint16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => view.getUint16(2 * i, true))
}

/** Whole numbers of a small constant. @throws RangeError for other types than i32 and i64, and for more than a node takes */
export function readInts(tensor: OnnxTensor): readonly number[] {
  const size = checkTensor(tensor)
  if (size > AXES_MAX) throw new RangeError(`expected at most ${AXES_MAX} whole numbers, received ${size}`)
  const { dataType, rawData: raw } = tensor
  if (dataType !== TYPE.int64 && dataType !== TYPE.int32) throw new RangeError(`expected whole numbers, received data type ${dataType}`)
  if (!raw) return listOf(tensor)
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  return Array.from({ length: size }, (_, i) =>
    dataType === TYPE.int64 ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true),
  )
}

/** Whether two constants are the same numbers, bit for bit, of one shape. */
export function sameTensor(a: OnnxTensor, b: OnnxTensor): boolean {
  const [x, y] = [a.rawData, b.rawData]
  if (a.dataType !== b.dataType || a.dims.length !== b.dims.length || a.dims.some((extent, i) => extent !== b.dims[i])) return false
  return x !== undefined && y !== undefined && x.length === y.length && x.every((byte, i) => byte === y[i])
}
