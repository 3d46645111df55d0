import { sha256 } from './hashes.ts'

/**
 * An RFC 6962 tree that grows at the right: appending hashes two nodes on average, roots and proofs of the present
 * or any earlier size take O(log n) stored nodes. About two stored hashes per leaf.
 */
export interface MerkleTree {
  /** Adds leaf data (not its hash). */
  append(leaf: Uint8Array): void
  readonly size: number
  root(): Uint8Array
  /** The root when the tree had this size. @throws RangeError unless it is an integer in 0 .. size */
  rootAt(size: number): Uint8Array
  /** The root as if this leaf were appended; the tree stays as it is. */
  rootWith(leaf: Uint8Array): Uint8Array
  /** The audit path, from the leaf up, in the tree of the first `size` leaves. @throws RangeError unless 0 <= index < size <= the present size */
  proof(index: number, size: number): Uint8Array[]
}

const LEAF = new Uint8Array([0x00])
const NODE = new Uint8Array([0x01])

export function createMerkleTree(): MerkleTree {
  // levels[k][i] is the hash over the leaves i * 2^k .. (i+1) * 2^k - 1; only complete subtrees are kept.
  const levels: Uint8Array[][] = [[]]

  function append(leaf: Uint8Array): void {
    let node = sha256(LEAF, leaf)
    for (let level = 0; ; level++) {
      if (levels.length === level) levels.push([])
      const nodes = levels[level]!
      nodes.push(node)
      if (nodes.length % 2 === 1) return
      node = sha256(NODE, nodes[nodes.length - 2]!, node)
    }
  }

  const size = () => levels[0]!.length

  /** The tree hash over `count` >= 1 leaves from `start`, which is a multiple of a power of two >= count. */
  function hashOf(start: number, count: number): Uint8Array {
    const level = 31 - Math.clz32(count)
    const width = 2 ** level
    if (width === count) return levels[level]![start / width]!
    return sha256(NODE, hashOf(start, width), hashOf(start + width, count - width))
  }

  function rootAt(count: number): Uint8Array {
    if (!Number.isInteger(count) || count < 0 || count > size())
      throw new RangeError(`merkle tree: expected a size in 0..${size()}, got ${count}`)
    return count === 0 ? sha256() : hashOf(0, count).slice()
  }

  function rootWith(leaf: Uint8Array): Uint8Array {
    // The new leaf ends the rightmost path, whose left siblings are the complete subtrees at the ones of the size.
    let node = sha256(LEAF, leaf)
    for (const nodes of levels) if (nodes.length % 2 === 1) node = sha256(NODE, nodes[nodes.length - 1]!, node)
    return node
  }

  function proof(index: number, count: number): Uint8Array[] {
    if (!Number.isInteger(count) || count > size() || !Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`merkle tree: expected 0 <= index < size <= ${size()}, got index ${index}, size ${count}`)
    }
    const fromRoot: Uint8Array[] = []
    let start = 0
    let rest = count
    while (rest > 1) {
      const left = largestPowerOfTwoBelow(rest)
      if (index - start < left) {
        fromRoot.push(hashOf(start + left, rest - left).slice())
        rest = left
      } else {
        fromRoot.push(hashOf(start, left).slice())
        start += left
        rest -= left
      }
    }
    return fromRoot.reverse()
  }

  return {
    append,
    get size() {
      return size()
    },
    root: () => rootAt(size()),
    rootAt,
    rootWith,
    proof,
  }
}

/** The largest power of two smaller than n, for 2 <= n < 2^31: where RFC 6962 splits. */
function largestPowerOfTwoBelow(n: number): number {
  return 2 ** (31 - Math.clz32(n - 1))
}
