import { parentPort, workerData } from 'node:worker_threads'
import { serveThread } from './thread-start.ts'

serveThread(workerData, () => parentPort!.postMessage('ready'))
