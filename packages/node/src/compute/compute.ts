/**
 * The heavy arithmetic in a thread of its own, so that training never delays a message.
 *
 * Jobs run one after the other in the order they were handed in. The thread starts with the first job, and again with the first job after
 * a crash; what it held in memory (open runs) is gone then, and the protocol opens its runs again from its checkpoints.
 */
import { Worker } from 'node:worker_threads'
import { type NetworkParams, OperationError } from '@pouw/primitives'
import type { Job, JobResult } from '@pouw/protocol'
import { packMessage } from './transfer.ts'

export interface Compute {
  /** @throws OperationError `unavailable` (retryable) if the thread died before it answered, `aborted` after `close`. */
  run(job: Job): Promise<JobResult>
  /** Starts the thread now instead of with the first job, for a node whose first job must not wait for it. */
  warmUp(): void
  /** Ends the thread at once; unanswered jobs are aborted. */
  close(): Promise<void>
}

export interface ComputeOptions {
  readonly filler: NetworkParams['filler']
  /** The program of the thread; for tests. */
  readonly program?: URL
}

/** What goes to the thread and what comes back. */
export interface ComputeRequest {
  readonly id: number
  readonly job: Job
}
export interface ComputeReply {
  readonly id: number
  readonly result: JobResult
}

const PROGRAM = new URL(`./compute-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export function createCompute(options: ComputeOptions): Compute {
  let thread: Worker | undefined
  let nextId = 1
  let closed = false
  const pending = new Map<number, { resolve(result: JobResult): void; reject(error: OperationError): void }>()

  return {
    run(job) {
      if (closed) return Promise.reject(new OperationError('aborted', 'the compute thread is closed'))
      const id = nextId++
      // The protocol may keep the bytes of a job, so they are copied; the copy is then moved instead of copied once more.
      const { message, transfer } = packMessage({ id, job } satisfies ComputeRequest, 'copy')
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject })
        thread ??= start()
        thread.postMessage(message, transfer)
      })
    },
    warmUp() {
      if (!closed) thread ??= start()
    },
    async close() {
      closed = true
      failAll(new OperationError('aborted', 'the compute thread was closed before the job ended'))
      await thread?.terminate()
    },
  }

  function start(): Worker {
    const worker = new Worker(options.program ?? PROGRAM, { workerData: { filler: options.filler }, name: 'compute' })
    worker.on('message', ({ id, result }: ComputeReply) => {
      pending.get(id)?.resolve(result)
      pending.delete(id)
    })
    worker.on('error', (cause) => gone(worker, cause))
    worker.on('messageerror', (cause) => gone(worker, cause))
    worker.on('exit', (code) => gone(worker, new Error(`the thread ended with code ${code}`)))
    return worker
  }

  function gone(worker: Worker, cause: Error): void {
    if (thread !== worker) return
    thread = undefined
    void worker.terminate()
    failAll(new OperationError('unavailable', `the compute thread died: ${cause.message}`, { cause }))
  }

  function failAll(error: OperationError): void {
    const jobs = [...pending.values()]
    pending.clear()
    for (const job of jobs) job.reject(error)
  }
}
