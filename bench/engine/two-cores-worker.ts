import { parentPort } from 'node:worker_threads'
import { createPeakProbe } from '../peak.ts'
import { sustained } from './two-cores.ts'

const probe = createPeakProbe()
parentPort!.on('message', (ms: number) => parentPort!.postMessage(sustained(probe.sample, ms)))
