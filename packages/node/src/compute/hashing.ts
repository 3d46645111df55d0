/**
 * SHA-256 in a thread of its own, for a thread that computes meanwhile and may block: it takes a hash up where it needs it, without going through its event
 * loop. (WebCrypto answers through the loop, which costs as much as hashing half a megabyte.)
 */
import { Worker } from 'node:worker_threads'
import { concatBytes, sha256Hex } from '@pouw/crypto'
import type { Hex } from '@pouw/primitives'

export interface Hashing {
  /**
   * Begins a hash over the concatenation of the parts, which are copied, and answers what waits for it. Small ones, and those that find no place, are
   * done at once.
   */
  digest(...parts: Uint8Array[]): () => Hex
  close(): void
}

/** What is posted to the thread: the memory of a place, before anything is asked for there. All else goes through shared words, since a message costs as much as 30 kB. */
export interface HashMemory {
  readonly place: number
  readonly buffer: SharedArrayBuffer
}

/** Below this a copy and a wake-up cost more than the hash. */
const APART_FROM = 131_072
/** A place keeps a copy of what it hashes: larger states would take more memory than the time is worth. */
const COPY_BYTES_MAX = 2 ** 28
const WORD = 8
/** Hashes under way at once: an iteration has two, a replay three. */
export const PLACES = 4
/** How often a hash is looked for before the thread sleeps: some 0.2 ms. */
export const LOOKS = 20_000
/** Longest time that a hash is waited for: then the thread is taken for dead, and this one hashes for itself. */
const WAIT_MS = 2000

// Words of the shared memory: how many requests there were; by place, how many hashes were asked for and answered, where the last one's bytes begin and how many they are.
// Then 32 bytes a place.
export const REQUESTS = 0
export const askedAt = (place: number): number => 1 + 4 * place
export const answersAt = (place: number): number => 2 + 4 * place
export const fromAt = (place: number): number => 3 + 4 * place
export const lengthAt = (place: number): number => 4 + 4 * place
export const digestAt = (place: number): number => 4 * (1 + 4 * PLACES) + 32 * place
const SHARED_BYTES = digestAt(PLACES)

export function createHashing(program: URL = PROGRAM): Hashing {
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const words = new Int32Array(shared)
  /** `take` fetches the hash under way, which makes the place free: whoever began it may never ask for it. */
  const places = Array.from({ length: PLACES }, () => ({
    buffer: new SharedArrayBuffer(0),
    asked: 0,
    take: undefined as (() => Hex) | undefined,
  }))
  let thread: Worker | undefined
  let dead = false

  function start(): Worker {
    const made = new Worker(program, { workerData: shared })
    made.unref()
    // Whoever waits finds out by the clock; nothing is lost.
    made.on('error', () => {
      dead = true
    })
    return made
  }

  return {
    digest(...parts) {
      const size = parts.reduce((sum, part) => sum + part.length, 0)
      const number = dead ? -1 : places.findIndex(({ take, asked }, i) => !take || Atomics.load(words, answersAt(i)) === asked)
      const place = places[number]
      place?.take?.()
      if (size < APART_FROM || size > COPY_BYTES_MAX || !place) {
        const hash = sha256Hex(...parts)
        return () => hash
      }
      thread ??= start()
      // It wakes up while its bytes are copied.
      announce()
      if (place.buffer.byteLength < size + WORD) {
        place.buffer = new SharedArrayBuffer(size + WORD)
        thread.postMessage({ place: number, buffer: place.buffer } satisfies HashMemory)
      }
      const from = alignedStart(parts)
      const bytes = new Uint8Array(place.buffer, from, size)
      let at = 0
      for (const part of parts) {
        bytes.set(part, at)
        at += part.length
      }
      const turn = ++place.asked
      Atomics.store(words, fromAt(number), from)
      Atomics.store(words, lengthAt(number), size)
      Atomics.store(words, askedAt(number), turn)
      announce()
      let hash: Hex | undefined
      const take = () => {
        if (hash !== undefined) return hash
        hash = answered(number, turn) ? hexOf(new Uint8Array(shared, digestAt(number), 32)) : sha256Hex(concatBytes(bytes))
        place.take = undefined
        return hash
      }
      place.take = take
      return take
    },
    close() {
      dead = true
      void thread?.terminate()
    },
  }

  function announce(): void {
    Atomics.add(words, REQUESTS, 1)
    Atomics.notify(words, REQUESTS)
  }

  function answered(place: number, turn: number): boolean {
    // To be woken takes as long as hashing 100 kB, so the last stretch is waited for awake.
    for (let looks = 0; looks < LOOKS && Atomics.load(words, answersAt(place)) !== turn; looks++);
    for (let seen = Atomics.load(words, answersAt(place)); seen !== turn; seen = Atomics.load(words, answersAt(place))) {
      if (!dead && Atomics.wait(words, answersAt(place), seen, WAIT_MS) !== 'timed-out') continue
      dead = true
      return false
    }
    return true
  }
}

/** Where parts have to begin so that the longest keeps its place within a word: to shared memory V8 copies such bytes in words, others one by one, an eighth as fast. */
function alignedStart(parts: readonly Uint8Array[]): number {
  let [start, longest, at] = [0, 0, 0]
  for (const { byteOffset, length } of parts) {
    if (length > longest) [start, longest] = [(byteOffset - at) & (WORD - 1), length]
    at += length
  }
  return start
}

function hexOf(bytes: Uint8Array): Hex {
  return Buffer.from(bytes).toString('hex')
}

const PROGRAM = new URL(`./hash-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
