import { equalBytes } from './bytes.ts'
import { sha256d } from './hashes.ts'

/**
 * The root of Bitcoin's transaction tree over raw (not reversed) 32-byte hashes: SHA256d of pairs, the last one
 * paired with itself where a level is odd.
 *
 * That doubling lets two lists share a root (CVE-2012-2459), so a list with two equal hashes in one pair, at any
 * level, gives `undefined`; so does an empty list, since every block has a coinbase.
 */
export function bitcoinMerkleRoot(hashes: readonly Uint8Array[]): Uint8Array | undefined {
  if (hashes.length === 0 || !hashes.every((hash) => hash.length === 32)) return undefined
  let level = hashes
  while (level.length > 1) {
    const parents: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i]!
      const right = level[i + 1]
      if (right !== undefined && equalBytes(left, right)) return undefined
      parents.push(sha256d(left, right ?? left))
    }
    level = parents
  }
  return level[0]!.slice()
}
