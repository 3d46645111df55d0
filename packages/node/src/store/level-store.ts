/**
 * The store on LevelDB. Key layout (UTF-8 keys, binary values):
 *
 *     s!<key>          a persisted value
 *     b!<block id>     canonical bytes of a certified block of the best chain
 *     h!<10 digits>    block id at that height
 *     t!               height of the tip, decimal
 *
 * Everything handed in while one write is under way goes into the next one as a single atomic batch (group commit): order is kept, a
 * block is never torn, and a burst of small values costs one write.
 */
import { mkdir } from 'node:fs/promises'
import { decodeCertifiedBlock, encodeCertifiedBlock, type Hex, OperationError } from '@pouw/primitives'
import { ClassicLevel } from 'classic-level'
import type { Store } from './store.ts'

export interface LevelStoreOptions {
  /** Folder of the database; made if missing. One process at a time may hold it. */
  readonly path: string
  /** Wait for the disk itself at every write, so that a power cut loses nothing either. Without it a write survives the death of the process only. */
  readonly sync: boolean
}

type Operation = { readonly type: 'put'; readonly key: string; readonly value: Uint8Array } | { readonly type: 'del'; readonly key: string }

/** @throws OperationError `io` if the folder cannot be opened, for instance since another process holds it. */
export async function openLevelStore(options: LevelStoreOptions): Promise<Store> {
  const level = new ClassicLevel<string, Uint8Array>(options.path, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await mkdir(options.path, { recursive: true })
    await level.open()
  } catch (cause) {
    throw failure(`cannot open the store in ${options.path}: is another node using this folder?`, cause)
  }

  let ids = await readHeights(level)
  let queue: Operation[] = []
  /** Settles when everything handed in so far is written. */
  let tail: Promise<void> = Promise.resolve()
  let scheduled = false
  let broken: OperationError | undefined
  let closed = false

  return {
    async load() {
      const stored = new Map<string, Uint8Array>()
      for await (const [key, value] of level.iterator({ gte: 's!', lt: 's"' })) stored.set(key.slice(2), own(value))
      const blocks = []
      for (const id of ids) {
        const bytes = await level.get(`b!${id}`)
        const block = bytes && decodeCertifiedBlock(own(bytes))
        if (!block) break
        blocks.push(block)
      }
      // The tip is written apart, so that a hole in the index of heights shows too.
      const lost = (await readTip(level)) - blocks.length
      if (lost > 0) {
        cutAbove(blocks.length)
        enqueue({ type: 'put', key: 't!', value: decimal(blocks.length) })
        await flush()
      }
      return { stored, blocks, lost }
    },

    persist(key, value) {
      enqueue(value ? { type: 'put', key: `s!${key}`, value } : { type: 'del', key: `s!${key}` })
    },

    saveBlock(id, height, certified) {
      if (!Number.isInteger(height) || height < 1 || height > ids.length + 1) {
        throw new RangeError(`saveBlock: height ${height} does not continue the stored chain of height ${ids.length}`)
      }
      const value = encodeCertifiedBlock(certified)
      cutAbove(height - 1)
      ids.push(id)
      enqueue({ type: 'put', key: `b!${id}`, value })
      enqueue({ type: 'put', key: heightKey(height), value: utf8(id) })
      enqueue({ type: 'put', key: 't!', value: decimal(height) })
    },

    flush,

    async close() {
      if (closed) return
      try {
        await flush()
      } finally {
        closed = true
        await level.close()
      }
    },
  }

  /** Blocks that leave the best chain leave the disk: whoever needs them again gets them handed in again by the fork choice. */
  function cutAbove(height: number): void {
    for (let h = ids.length; h > height; h--) {
      enqueue({ type: 'del', key: heightKey(h) })
      enqueue({ type: 'del', key: `b!${ids[h - 1]}` })
    }
    ids = ids.slice(0, height)
  }

  function enqueue(operation: Operation): void {
    if (closed) throw new OperationError('unavailable', 'the store is closed')
    if (broken) throw broken
    queue.push(operation)
    if (scheduled) return
    scheduled = true
    // Runs after the batch before it, one microtask later at least: a whole list of effects, and every key of one block, goes in together.
    tail = tail.then(writeBatch)
  }

  async function writeBatch(): Promise<void> {
    const batch = queue
    queue = []
    scheduled = false
    if (broken) return
    try {
      await level.batch(batch, { sync: options.sync })
    } catch (cause) {
      broken = failure(`a write to the store in ${options.path} failed: is the disk full?`, cause)
    }
  }

  async function flush(): Promise<void> {
    await tail
    if (broken) throw broken
  }
}

async function readTip(level: ClassicLevel<string, Uint8Array>): Promise<number> {
  const value = await level.get('t!')
  return value ? Number(new TextDecoder().decode(value)) : 0
}

async function readHeights(level: ClassicLevel<string, Uint8Array>): Promise<Hex[]> {
  const ids: Hex[] = []
  for await (const [key, value] of level.iterator({ gte: 'h!', lt: 'h"' })) {
    if (key !== heightKey(ids.length + 1)) break
    ids.push(new TextDecoder().decode(value))
  }
  return ids
}

/** LevelDB may hand out a view of a larger buffer; the rest of the node expects bytes that own their memory. */
function own(view: Uint8Array): Uint8Array {
  return new Uint8Array(view)
}

function heightKey(height: number): string {
  return `h!${String(height).padStart(10, '0')}`
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function decimal(value: number): Uint8Array {
  return utf8(String(value))
}

function failure(message: string, cause: unknown): OperationError {
  return new OperationError('io', message, { cause })
}
