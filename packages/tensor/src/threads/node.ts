import { Worker } from 'node:worker_threads'
import type { ThreadStart } from './thread-start.ts'

export type { ThreadStart }

/** A worker thread that does not keep the process alive. */
export function startThread(start: ThreadStart): Promise<{ stop(): void }> {
  const worker = new Worker(new URL('./node-worker.ts', import.meta.url), { workerData: start })
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', () => {
      worker.unref()
      resolve({ stop: () => void worker.terminate() })
    })
  })
}
