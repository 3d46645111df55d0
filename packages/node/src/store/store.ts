import type { CertifiedBlock, Hex } from '@pouw/primitives'

/**
 * The durable memory of a node: small named values, and the best chain.
 *
 * Writes are handed in without waiting and become durable in the order they were handed in; a crash at any moment keeps a prefix of them.
 * The body asks for `flush()` only before bytes leave the machine (A22: a sender makes a message durable before it sends it).
 */
export interface Store {
  /** What an earlier life left behind. Call once, before the first write. */
  load(): Promise<StoredState>
  /** Sets a value, or deletes it with `undefined`. The bytes must not change afterwards. */
  persist(key: string, value: Uint8Array | undefined): void
  /**
   * Puts a block at its height of the best chain and cuts off everything above, in one atomic batch.
   *
   * @throws RangeError if the height leaves a gap above the stored chain; heights start at 1, since genesis is not stored.
   */
  saveBlock(id: Hex, height: number, certified: CertifiedBlock): void
  /** Resolves when everything handed in before this call survives the death of the process; rejects with an OperationError if it never will. */
  flush(): Promise<void>
  /** Flushes and lets go of the disk. */
  close(): Promise<void>
}

export interface StoredState {
  readonly stored: Map<string, Uint8Array>
  /** The best chain in ascending height, from 1, without gaps. */
  readonly blocks: CertifiedBlock[]
  /** Blocks that could not be read back: the chain was cut below them and the node fetches them again from its peers. */
  readonly lost: number
}
