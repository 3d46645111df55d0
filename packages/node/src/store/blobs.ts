/**
 * Content-addressed bytes on disk: `<folder>/ab/cd/<sha-256>`, written beside and renamed, so that a name never stands for half a file.
 *
 * Reads check the hash: a file that rotted is dropped and counts as missing, since any peer can give the true bytes again.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256Hex } from '@pouw/crypto'
import { type Hex, OperationError } from '@pouw/primitives'
import { createLimit } from '../concurrency.ts'

export interface BlobStore {
  /** The bytes, or undefined if they are not here. They must not be changed. */
  get(hash: Hex): Promise<Uint8Array | undefined>
  /** Can be read back at once; on disk after `flush`. The caller vouches that `hash` is the SHA-256 of `bytes`. */
  put(hash: Hex, bytes: Uint8Array): void
  drop(hash: Hex): void
  has(hash: Hex): Promise<boolean>
  /** Resolves when every put and drop before it is on disk; rejects with OperationError `io` if one of them failed. */
  flush(): Promise<void>
}

export interface BlobStoreOptions {
  readonly path: string
  /** Most bytes kept in memory. */
  readonly cacheBytesMax: number
}

const WRITES_AT_ONCE = 8

/** Clears what an interrupted write left behind. @throws OperationError `io` if the folder cannot be made. */
export async function openBlobStore({ path, cacheBytesMax }: BlobStoreOptions): Promise<BlobStore> {
  const temporary = join(path, 'tmp')
  try {
    await rm(temporary, { recursive: true, force: true })
    await mkdir(temporary, { recursive: true })
  } catch (cause) {
    throw new OperationError('io', `cannot open the blob store in ${path}`, { cause })
  }

  const cache = createBytesCache(cacheBytesMax)
  /** Newest wish per hash that the disk does not show yet. `undefined` = to be dropped. */
  const pending = new Map<Hex, { bytes: Uint8Array | undefined }>()
  const active = new Map<Hex, Promise<void>>()
  const limit = createLimit(WRITES_AT_ONCE)
  const made = new Set<string>()
  let broken: OperationError | undefined

  return {
    async get(hash) {
      checkHash(hash)
      const wish = pending.get(hash)
      if (wish) return wish.bytes
      const cached = cache.get(hash)
      if (cached) return cached
      const bytes = await read(hash)
      if (!bytes) return undefined
      if (sha256Hex(bytes) !== hash) {
        drop(hash)
        return undefined
      }
      // A drop may have come while the disk was reading.
      if (!pending.has(hash)) cache.set(hash, bytes)
      return bytes
    },
    put(hash, bytes) {
      checkHash(hash)
      cache.set(hash, bytes)
      wish(hash, bytes)
    },
    drop(hash) {
      checkHash(hash)
      drop(hash)
    },
    async has(hash) {
      checkHash(hash)
      const wish = pending.get(hash)
      if (wish) return wish.bytes !== undefined
      if (cache.get(hash)) return true
      return stat(fileOf(hash)).then(
        (found) => found.isFile(),
        () => false,
      )
    },
    async flush() {
      await Promise.all(active.values())
      if (broken) throw broken
    },
  }

  function drop(hash: Hex): void {
    cache.delete(hash)
    wish(hash, undefined)
  }

  /** One writer per hash at a time; it loops until the disk shows the newest wish, so put and drop of one hash never overtake each other. */
  function wish(hash: Hex, bytes: Uint8Array | undefined): void {
    pending.set(hash, { bytes })
    if (active.has(hash)) return
    const work = limit(() => settle(hash)).catch((cause) => {
      active.delete(hash)
      broken = new OperationError('io', `a write to the blob store in ${path} failed: is the disk full?`, { cause })
    })
    active.set(hash, work)
  }

  async function settle(hash: Hex): Promise<void> {
    for (;;) {
      const wanted = pending.get(hash)
      if (!wanted) {
        // In the same turn as the look at `pending`: a wish that comes later finds no writer and starts one.
        active.delete(hash)
        return
      }
      if (wanted.bytes) await write(hash, wanted.bytes)
      else await rm(fileOf(hash), { force: true })
      if (pending.get(hash) === wanted) pending.delete(hash)
    }
  }

  async function write(hash: Hex, bytes: Uint8Array): Promise<void> {
    const file = fileOf(hash)
    const folder = dirname(file)
    if (!made.has(folder)) {
      await mkdir(folder, { recursive: true })
      made.add(folder)
    }
    const beside = join(temporary, `${hash}.${randomBytes(4).toString('hex')}`)
    await writeFile(beside, bytes)
    await rename(beside, file)
  }

  async function read(hash: Hex): Promise<Uint8Array | undefined> {
    try {
      const file = await readFile(fileOf(hash))
      return new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new OperationError('io', `cannot read blob ${hash}`, { cause: error })
    }
  }

  function fileOf(hash: Hex): string {
    return join(path, hash.slice(0, 2), hash.slice(2, 4), hash)
  }
}

/** A blob store that forgets with the process, for tests. */
export function createMemoryBlobs(): BlobStore {
  const blobs = new Map<Hex, Uint8Array>()
  return {
    get: async (hash) => blobs.get(hash),
    put: (hash, bytes) => void blobs.set(hash, bytes),
    drop: (hash) => void blobs.delete(hash),
    has: async (hash) => blobs.has(hash),
    flush: async () => {},
  }
}

/** Least recently used bytes leave first. Bytes larger than the whole cache are not kept. */
function createBytesCache(bytesMax: number) {
  const entries = new Map<Hex, Uint8Array>()
  let total = 0
  const remove = (hash: Hex) => {
    total -= entries.get(hash)?.byteLength ?? 0
    entries.delete(hash)
  }
  return {
    get(hash: Hex): Uint8Array | undefined {
      const bytes = entries.get(hash)
      if (bytes) {
        entries.delete(hash)
        entries.set(hash, bytes)
      }
      return bytes
    },
    set(hash: Hex, bytes: Uint8Array): void {
      remove(hash)
      if (bytes.byteLength > bytesMax) return
      entries.set(hash, bytes)
      total += bytes.byteLength
      for (const oldest of entries.keys()) {
        if (total <= bytesMax) break
        remove(oldest)
      }
    },
    delete: remove,
  }
}

/** Names come from peers: anything but 64 lower-case hex digits must never become a path. */
function checkHash(hash: Hex): void {
  if (!/^[0-9a-f]{64}$/.test(hash))
    throw new TypeError(`blob hash: expected 64 lower-case hex digits, received ${JSON.stringify(hash).slice(0, 80)}`)
}
