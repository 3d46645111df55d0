/** The example task of 109,386 parameters as the topics use it: its document at any batch size, its data, its batches. */
import { fileURLToPath } from 'node:url'
import { sha256Hex, utf8 } from '@pouw/crypto'
import type { TaskDocument } from '@pouw/primitives'
import { batchBytes } from '@pouw/training'
import { loadDataset } from '../packages/node/src/data/load-dataset.ts'
import { readTask } from '../packages/node/src/data/read-task.ts'

export const TASK_ID = sha256Hex(utf8('bench task'))
export const TICKET_ID = sha256Hex(utf8('bench ticket'))

export async function readExample(): Promise<TaskDocument> {
  return readTask(fileURLToPath(new URL('../examples/mnist-mlp.yaml', import.meta.url)))
}

/** The same task with another batch size; tau grows with it, since it is in units of summed gradient. */
export function withBatch(document: TaskDocument, batch: number): TaskDocument {
  const { ml } = document
  const tau = Math.fround((ml.optimizer.tau * batch) / ml.batch)
  return { ...document, ml: { ...ml, batch, optimizer: { ...ml.optimizer, tau } } }
}

export interface ExampleData {
  /** Rows `[batch, features]` and their labels. */
  batch(index: number): { readonly features: Uint8Array; readonly labels: Uint8Array; readonly bytes: Uint8Array }
}

/** Batches of the document's size, one after another and from the start again; the last, incomplete one is left out. */
export async function loadExample(document: TaskDocument): Promise<ExampleData> {
  const { features, labels } = await loadDataset(document)
  const { batch, dataset } = document.ml
  const batches = Math.floor(dataset.samples / batch)
  return {
    batch(index) {
      const first = (index % batches) * batch
      const part = {
        features: features.subarray(first * dataset.features, (first + batch) * dataset.features),
        labels: labels.subarray(first, first + batch),
      }
      return { ...part, bytes: batchBytes(TASK_ID, index % batches, part.features, part.labels) }
    },
  }
}
