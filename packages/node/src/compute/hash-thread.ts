/** The program of the hash thread: sleeps until there are requests, answers them in turn. */
import { hash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { answersAt, digestAt, type HashRequest, REQUESTS } from './hashing.ts'

const port = parentPort
if (!port) throw new TypeError('hash-thread: runs only as a worker thread')

const shared = workerData as SharedArrayBuffer
const words = new Int32Array(shared)

// Not within the module itself: a thread that is ended while its modules are evaluated takes the process with it.
setImmediate(() => {
  for (let seen = 0; ; ) {
    const { message } = (receiveMessageOnPort(port) ?? {}) as { readonly message?: HashRequest }
    if (!message) {
      Atomics.wait(words, REQUESTS, seen)
      seen = Atomics.load(words, REQUESTS)
      continue
    }
    const { buffer, length, place } = message
    new Uint8Array(shared, digestAt(place), 32).set(hash('sha256', new Uint8Array(buffer, 0, length), 'buffer'))
    Atomics.add(words, answersAt(place), 1)
    Atomics.notify(words, answersAt(place))
  }
})
