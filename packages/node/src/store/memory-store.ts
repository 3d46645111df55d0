import { decodeCertifiedBlock, encodeCertifiedBlock, type Hex, OperationError } from '@pouw/primitives'
import type { Store } from './store.ts'

/** What stays when a memory store is closed: open another store over it to play a restart. */
export interface MemoryDisk {
  readonly values: Map<string, Uint8Array>
  /** Certified blocks as bytes, height 1 first. */
  readonly chain: { id: Hex; bytes: Uint8Array }[]
}

export function createMemoryDisk(): MemoryDisk {
  return { values: new Map(), chain: [] }
}

/** A store that forgets with the process, for tests; keeps the same promises as the one on disk and passes the same suite. */
export function openMemoryStore(disk: MemoryDisk = createMemoryDisk()): Store {
  let pending: (() => void)[] = []
  let height = disk.chain.length
  let closed = false

  const enqueue = (operation: () => void) => {
    if (closed) throw new OperationError('unavailable', 'the store is closed')
    pending.push(operation)
  }
  const flush = async () => {
    const batch = pending
    pending = []
    for (const operation of batch) operation()
  }

  return {
    async load() {
      const blocks = disk.chain.map(({ bytes }) => decodeCertifiedBlock(bytes)!)
      return { stored: new Map(disk.values), blocks, lost: 0 }
    },
    persist(key, value) {
      enqueue(() => (value ? disk.values.set(key, value) : disk.values.delete(key)))
    },
    saveBlock(id, at, certified) {
      if (!Number.isInteger(at) || at < 1 || at > height + 1) {
        throw new RangeError(`saveBlock: height ${at} does not continue the stored chain of height ${height}`)
      }
      const bytes = encodeCertifiedBlock(certified)
      height = at
      enqueue(() => disk.chain.splice(at - 1, disk.chain.length, { id, bytes }))
    },
    flush,
    async close() {
      if (closed) return
      await flush()
      closed = true
    },
  }
}
