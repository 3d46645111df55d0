/** The program of the hash thread: sleeps until there are requests, answers them in turn. */
import { hash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { answersAt, askedAt, digestAt, fromAt, type HashMemory, LOOKS, lengthAt, PLACES, REQUESTS } from './hashing.ts'

const port = parentPort
if (!port) throw new TypeError('hash-thread: runs only as a worker thread')

const shared = workerData as SharedArrayBuffer
const words = new Int32Array(shared)

// Not within the module itself: a thread that is ended while its modules are evaluated takes the process with it.
setImmediate(() => {
  const buffers: SharedArrayBuffer[] = []
  for (let seen = 0; ; seen = Atomics.load(words, REQUESTS)) {
    let found = false
    for (let place = 0; place < PLACES; place++) {
      const asked = Atomics.load(words, askedAt(place))
      if (asked === Atomics.load(words, answersAt(place))) continue
      found = true
      // Posted before it was asked for, so it is here.
      for (let posted = receiveMessageOnPort(port); posted; posted = receiveMessageOnPort(port)) {
        const { place: at, buffer } = posted.message as HashMemory
        buffers[at] = buffer
      }
      const bytes = new Uint8Array(buffers[place]!, Atomics.load(words, fromAt(place)), Atomics.load(words, lengthAt(place)))
      new Uint8Array(shared, digestAt(place), 32).set(hash('sha256', bytes, 'buffer'))
      Atomics.store(words, answersAt(place), asked)
      Atomics.notify(words, answersAt(place))
    }
    // Woken for bytes that are still being copied: to sleep again would take longer.
    for (let looks = found ? LOOKS : 0; looks < LOOKS && Atomics.load(words, REQUESTS) === seen; looks++);
    Atomics.wait(words, REQUESTS, seen)
  }
})
