/** A thread for tests: answers each job with what arrived, or dies when told to. */
import { parentPort } from 'node:worker_threads'
import type { ComputeRequest } from './compute.ts'

parentPort!.on('message', ({ id, job }: ComputeRequest) => {
  if (job.kind === 'close-run' && job.run === 'die') throw new Error('told to die')
  if (job.kind === 'close-run' && job.run === 'exit') process.exit(3)
  parentPort!.postMessage({ id, result: { kind: 'refused', code: 'run' in job ? job.run : job.kind, job } })
})
