import { concatBytes, hexToBytes, merkleRoot, sha256, shuffle, u32le, u64le, utf8 } from '@pouw/crypto'
import { answersOf, type Hex, type TaskDocument } from '@pouw/primitives'
import { readHex32, readU32 } from './bytes-at.ts'

const TAG = 0x00
const SALT_AT = 10
const DATA_AT = 42

/** Segment numbers in the order the task block's hash gives them: the first are trained on, the rest stay with the client. */
export interface Split {
  readonly training: number[]
  readonly test: number[]
}

/**
 * Which committed segments train and which test (spec 5.3 (3), A25): a shuffle keyed by the task block, which nobody knew when the
 * commitments were made. The order of `training` is the order in which batches are numbered.
 * @throws RangeError unless 0 <= testSegments <= segments <= 255
 */
export function splitSegments(taskBlockHash: Hex, taskId: Hex, segments: number, testSegments: number): Split {
  if (!Number.isInteger(segments) || segments < 0 || segments > 255)
    throw new RangeError(`splitSegments: expected 0..255 segments, got ${segments}`)
  if (!Number.isInteger(testSegments) || testSegments < 0 || testSegments > segments)
    throw new RangeError(`splitSegments: expected 0..${segments} test segments, got ${testSegments}`)
  const order = shuffle(segments, sha256(utf8('POUW-SPLIT'), hexToBytes(taskBlockHash), hexToBytes(taskId)))
  return { training: order.slice(0, segments - testSegments), test: order.slice(segments - testSegments) }
}

/** A committed piece of the client's data; `data` may be a view into the bytes it was opened from. */
export interface Segment {
  readonly index: number
  readonly salt: Uint8Array
  readonly data: Uint8Array
}

/**
 * `0x00 || u8 index || u64 length || salt || data` (spec 5.3 (2)). The commitment is the SHA-256 of these bytes, so a segment is its own
 * content address; the salt keeps low-entropy data from being guessed out of its commitment.
 * @throws RangeError unless index is a byte and the salt has 32 bytes
 */
export function segmentBytes(index: number, salt: Uint8Array, data: Uint8Array): Uint8Array {
  if (!Number.isInteger(index) || index < 0 || index > 255) throw new RangeError(`segmentBytes: expected an index in 0..255, got ${index}`)
  if (salt.length !== 32) throw new RangeError(`segmentBytes: expected a salt of 32 bytes, got ${salt.length}`)
  return concatBytes(new Uint8Array([TAG, index]), u64le(data.length), salt, data)
}

/** Inverse of `segmentBytes` for untrusted bytes: `undefined` unless they are exactly one segment. */
export function openSegment(bytes: Uint8Array): Segment | undefined {
  if (bytes.length < DATA_AT || bytes[0] !== TAG) return undefined
  // Length is u64 on the wire; anything that does not fit the bytes at hand is refused, so the high half must be zero.
  if (readU32(bytes, 6) !== 0 || readU32(bytes, 2) !== bytes.length - DATA_AT) return undefined
  return { index: bytes[1]!, salt: bytes.slice(SALT_AT, DATA_AT), data: bytes.subarray(DATA_AT) }
}

/** Samples of one segment in the stored type (u8): features `[count, features]` row by row, labels `[count, answers]`. */
export interface SegmentData {
  readonly count: number
  readonly features: Uint8Array
  readonly labels: Uint8Array
}

/** Whether a segment has the features and answers of a document for each of its samples. */
export function holds({ count, features, labels }: SegmentData, doc: TaskDocument): boolean {
  return features.length === count * doc.ml.dataset.features && labels.length === count * answersOf(doc)
}

/**
 * `u32 count || features by sample || labels by sample` (A25).
 * @throws RangeError if the arrays do not hold `count` samples
 */
export function encodeSegmentData(data: SegmentData): Uint8Array {
  const fits = ({ length }: Uint8Array) => (data.count === 0 ? length === 0 : length % data.count === 0)
  if (!fits(data.features) || !fits(data.labels) || data.labels.length < data.count)
    throw new RangeError(`encodeSegmentData: expected features and labels of ${data.count} samples`)
  return concatBytes(u32le(data.count), data.features, data.labels)
}

/** Inverse of `encodeSegmentData` for untrusted bytes: `undefined` unless the length is exactly that of `count` samples. Views, no copy. */
export function decodeSegmentData(bytes: Uint8Array, featuresPerSample: number, answersPerSample = 1): SegmentData | undefined {
  if (bytes.length < 4) return undefined
  const count = readU32(bytes, 0)
  if (bytes.length !== 4 + count * (featuresPerSample + answersPerSample)) return undefined
  const labelsAt = 4 + count * featuresPerSample
  return { count, features: bytes.subarray(4, labelsAt), labels: bytes.subarray(labelsAt) }
}

/** RFC 6962 root over the 32-byte commitments as leaf data, in segment order (A25); record 01 carries it. */
export function segmentsRoot(commitments: readonly Hex[]): Hex {
  return readHex32(merkleRoot(commitments.map(hexToBytes)), 0)
}
