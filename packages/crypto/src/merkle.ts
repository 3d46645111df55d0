import { equalBytes } from './bytes.ts'
import { sha256 } from './hashes.ts'
import { createMerkleTree, type MerkleTree } from './merkle-tree.ts'

/** The Merkle tree hash of RFC 6962 2.1 over leaf *data*: 32 bytes. No leaves: SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return treeOf(leaves).root()
}

/**
 * The audit path of a leaf, from the leaf up, RFC 6962 2.1.1.
 * @throws RangeError if there is no leaf at this index
 */
export function merkleProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  return treeOf(leaves).proof(index, leaves.length)
}

/**
 * Whether the leaf *data* is at this index of a tree of this size and root, RFC 9162 2.1.3.2. The path must have
 * exactly the length that index and size require. Never throws; indices and sizes that are not integers are `false`.
 */
export function verifyMerkleProof(leaf: Uint8Array, index: number, size: number, proof: readonly Uint8Array[], root: Uint8Array): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  // Divisions in place of shifts: sizes beyond 32 bits are numbers too.
  let position = index
  let last = size - 1
  let hash = sha256(LEAF, leaf)
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== 32) return false
    if (position % 2 === 1 || position === last) {
      hash = sha256(NODE, sibling, hash)
      while (position % 2 === 0 && position !== 0) {
        position /= 2
        last = Math.floor(last / 2)
      }
    } else {
      hash = sha256(NODE, hash, sibling)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalBytes(hash, root)
}

const LEAF = new Uint8Array([0x00])
const NODE = new Uint8Array([0x01])

function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = createMerkleTree()
  for (const leaf of leaves) tree.append(leaf)
  return tree
}
