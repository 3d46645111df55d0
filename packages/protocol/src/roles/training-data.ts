/**
 * A supervisor's copy of the training data: segments fetched by their commitments, cut into batches, served by content address
 * (spec 5.3, 8.1).
 *
 * Which segments train follows from the task block alone, so a candidate begins before the group is known: moving the data takes longer
 * than the blocks in between.
 */
import { type Hex, sampleBytes, type TaskDocument, trainingBatches } from '@pouw/primitives'
import { segmentsRoot, splitSegments } from '@pouw/training'
import type { Context } from '../context.ts'
import { encodeHashes } from '../framing.ts'

/** Domain byte, index, number of samples, salt: what stands before a segment's samples. */
const SEGMENT_OVERHEAD = 1 + 1 + 8 + 32 + 4

export interface BatchTable {
  readonly hashes: readonly Hex[]
  /** SHA-256 of the hashes one after the other: where the table can be fetched. */
  readonly tableHash: Hex
}

export interface TrainingData {
  readonly taskId: Hex
  /** The task block that decided which segments train; another one after a reorganisation. */
  readonly blockId: Hex
  /** The client's TASK_DOC; commitments of another root than the task's are passed over. */
  onCommitments(commitments: readonly Hex[]): void
  /** Calls back once all batches are served, at once if they are. */
  whenReady(use: (table: BatchTable) => void): void
  close(): void
}

export function createTrainingData(
  context: Context,
  task: { readonly id: Hex; readonly blockId: Hex; readonly document: TaskDocument; readonly record: { readonly segmentsRoot: Hex } },
): TrainingData {
  const { id: taskId, document } = task
  const { dataset } = document.ml
  const waiting: ((table: BatchTable) => void)[] = []
  let fetching = false
  let closed = false
  let table: BatchTable | undefined

  return {
    taskId,
    blockId: task.blockId,
    onCommitments(commitments) {
      if (fetching || segmentsRoot([...commitments]) !== task.record.segmentsRoot) return
      fetching = true
      fetchSegments(commitments)
    },
    whenReady(use) {
      if (table) use(table)
      else waiting.push(use)
    },
    close() {
      closed = true
    },
  }

  function fetchSegments(commitments: readonly Hex[]): void {
    const { training } = splitSegments(task.blockId, taskId, dataset.segments, dataset.testSegments)
    const bytesMax = SEGMENT_OVERHEAD + Math.ceil(dataset.samples / dataset.segments) * sampleBytes(document)
    const client = () => [context.peerOf(taskId)].filter((peer) => peer !== undefined)
    context.emit('data-wanted', { taskId, segments: training.length })
    const segments: Uint8Array[] = []
    let missing = training.length
    training.forEach((segment, place) => {
      const keep = () => !closed
      context.fetch(commitments[segment]!, client, bytesMax, keep, (bytes) => {
        segments[place] = bytes
        if (--missing === 0) cut(segments)
      })
    })
  }

  function cut(segments: readonly Uint8Array[]): void {
    context.emit('data-arrived', { taskId, segments: segments.length })
    context.compute({ kind: 'cut-batches', document, taskId, segments }, (result) => {
      if (closed) return
      if (result.kind !== 'cut-batches' || result.hashes.length !== trainingBatches(document))
        return context.emit('data-refused', { taskId })
      result.batches.forEach((bytes, index) => {
        context.effect({ kind: 'put-blob', hash: result.hashes[index]!, bytes })
      })
      table = { hashes: result.hashes, tableHash: context.putBlob(encodeHashes(result.hashes)) }
      context.emit('data-ready', { taskId, batches: result.hashes.length })
      for (const use of waiting.splice(0)) use(table)
    })
  }
}
