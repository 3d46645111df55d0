/** The program of the compute thread: answers each job in turn. A bug ends the thread, and the node reports it. */
import { parentPort, workerData } from 'node:worker_threads'
import { createComputer } from '@pouw/protocol'
import type { ComputeReply, ComputeRequest } from './compute.ts'
import { createHashing } from './hashing.ts'
import { packMessage } from './transfer.ts'

const port = parentPort
if (!port) throw new TypeError('compute-thread: runs only as a worker thread')

const { digest } = createHashing()
const computer = createComputer({ filler: workerData.filler, nowUs: () => performance.now() * 1000, digest })

port.on('message', ({ id, job }: ComputeRequest) => {
  const { message, transfer } = packMessage({ id, result: computer.run(job) } satisfies ComputeReply, 'give')
  port.postMessage(message, transfer)
})
