/**
 * The IDX format of the MNIST family: two zero bytes, a type (8 = unsigned byte), the number of dimensions, one big-endian u32 per
 * dimension, then the values, the last dimension running fastest.
 */
export interface IdxFile {
  readonly shape: readonly number[]
  /** A view into the given bytes. */
  readonly values: Uint8Array
}

const UNSIGNED_BYTE = 8

/** Reads an IDX file of unsigned bytes; undefined if it is none, or if header and length disagree. */
export function readIdx(bytes: Uint8Array): IdxFile | undefined {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== UNSIGNED_BYTE) return undefined
  const dimensions = bytes[3]!
  const headerBytes = 4 + 4 * dimensions
  if (dimensions === 0 || bytes.length < headerBytes) return undefined
  const header = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const shape = Array.from({ length: dimensions }, (_, d) => header.getUint32(4 + 4 * d))
  const values = bytes.subarray(headerBytes)
  return shape.reduce((product, size) => product * size, 1) === values.length ? { shape, values } : undefined
}
