import { bytesToHex, concatBytes, hexToBytes, merkleRoot, sha256Hex, u32le } from '@pouw/crypto'
import { answersOf, type Hex, type TaskDocument } from '@pouw/primitives'
import { readHex32, readU32 } from './bytes-at.ts'
import { holds, type SegmentData } from './segments.ts'

const TAG = 0x01
const FEATURES_AT = 37

/** One mini-batch in the stored type (u8): features `[batch, features]` row by row, labels `[batch, answers]`. */
export interface Batch {
  readonly taskId: Hex
  readonly index: number
  readonly features: Uint8Array
  readonly labels: Uint8Array
}

/** A batch as it is stored and fetched: `hash` is the SHA-256 of `bytes`. */
export interface CutBatch {
  readonly hash: Hex
  readonly bytes: Uint8Array
}

/** `0x01 || task || u32 index || features || labels` (spec 8.1); the batch hash is the SHA-256 of these bytes. */
export function batchBytes(taskId: Hex, index: number, features: Uint8Array, labels: Uint8Array): Uint8Array {
  return concatBytes(new Uint8Array([TAG]), hexToBytes(taskId), u32le(index), features, labels)
}

/** Inverse of `batchBytes` for untrusted bytes: `undefined` unless they hold exactly `batch` samples. Views, no copy. */
export function openBatch(bytes: Uint8Array, featuresPerSample: number, batch: number, answersPerSample = 1): Batch | undefined {
  const labelsAt = FEATURES_AT + batch * featuresPerSample
  if (bytes.length !== labelsAt + batch * answersPerSample || bytes[0] !== TAG) return undefined
  return {
    taskId: readHex32(bytes, 1),
    index: readU32(bytes, 33),
    features: bytes.subarray(FEATURES_AT, labelsAt),
    labels: bytes.subarray(labelsAt),
  }
}

/**
 * All batches of a task (spec 8.1, A25): the segments in training order, each cut into full batches (its rest is dropped), numbered through.
 * @throws RangeError if a segment's features do not fit the document
 */
export function cutBatches(taskId: Hex, segments: readonly SegmentData[], doc: TaskDocument): CutBatch[] {
  const { batch, dataset } = doc.ml
  const answers = answersOf(doc)
  const cut: CutBatch[] = []
  for (const segment of segments) {
    if (!holds(segment, doc))
      throw new RangeError(`cutBatches: expected ${dataset.features} features and ${answers} answers for each of ${segment.count} samples`)
    for (let first = 0; first + batch <= segment.count; first += batch) {
      const features = segment.features.subarray(first * dataset.features, (first + batch) * dataset.features)
      const bytes = batchBytes(taskId, cut.length, features, segment.labels.subarray(first * answers, (first + batch) * answers))
      cut.push({ hash: sha256Hex(bytes), bytes })
    }
  }
  return cut
}

/** RFC 6962 root over the 32-byte batch hashes as leaf data, by batch number; ASSIGNMENT carries it. */
export function batchRoot(hashes: readonly Hex[]): Hex {
  return bytesToHex(merkleRoot(hashes.map(hexToBytes)))
}
