import type { ThreadStart } from './thread-start.ts'

export type { ThreadStart }

/** A module worker; the page must be cross-origin isolated, or its memory cannot be shared. */
export function startThread(start: ThreadStart): Promise<{ stop(): void }> {
  const worker = new Worker(new URL('./web-worker.ts', import.meta.url), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.addEventListener('error', (event) => reject(new Error(`thread ${start.thread} did not start: ${event.message}`)), { once: true })
    worker.addEventListener('message', () => resolve({ stop: () => worker.terminate() }), { once: true })
    worker.postMessage(start)
  })
}
