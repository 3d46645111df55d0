import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CT_LEAVES, CT_PATHS, CT_ROOTS } from '../test/vectors/rfc6962-merkle.ts'
import { bytesToHex, concatBytes, hexToBytes, u32le } from './bytes.ts'
import { sha256 } from './hashes.ts'
import { merkleProof, merkleRoot, verifyMerkleProof } from './merkle.ts'
import { createMerkleTree } from './merkle-tree.ts'

const leavesOf = (n: number) => Array.from({ length: n }, (_, i) => u32le(i))

/** The definition of RFC 6962 2.1, word by word. */
function definition(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return sha256(new Uint8Array([0]), leaves[0]!)
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return sha256(new Uint8Array([1]), definition(leaves.slice(0, k)), definition(leaves.slice(k)))
}

test('certificate-transparency vectors', () => {
  const leaves = CT_LEAVES.map((leaf) => hexToBytes(leaf))
  expect(bytesToHex(merkleRoot([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  for (const [i, root] of CT_ROOTS.entries()) expect(bytesToHex(merkleRoot(leaves.slice(0, i + 1))), `${i + 1} leaves`).toBe(root)
  for (const [index, size, path] of CT_PATHS) {
    const proof = merkleProof(leaves.slice(0, size), index)
    expect(proof.map(bytesToHex), `leaf ${index} of ${size}`).toEqual(path)
    expect(verifyMerkleProof(leaves[index]!, index, size, proof, hexToBytes(CT_ROOTS[size - 1]!))).toBe(true)
  }
})

test('a growing tree knows every earlier root and proof', () => {
  const leaves = leavesOf(70)
  const tree = createMerkleTree()
  for (const [i, leaf] of leaves.entries()) {
    tree.append(leaf)
    expect(tree.size).toBe(i + 1)
    expect(tree.root(), `${i + 1} leaves`).toEqual(definition(leaves.slice(0, i + 1)))
  }
  for (let size = 0; size <= 70; size++) {
    const root = tree.rootAt(size)
    expect(root, `size ${size}`).toEqual(definition(leaves.slice(0, size)))
    for (let index = 0; index < size; index++) {
      expect(verifyMerkleProof(leaves[index]!, index, size, tree.proof(index, size), root), `leaf ${index} of ${size}`).toBe(true)
    }
  }
})

test('rootWith is the root after appending, and appends nothing', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.uint8Array({ maxLength: 40 }), (size, leaf) => {
      const leaves = leavesOf(size)
      const tree = createMerkleTree()
      for (const each of leaves) tree.append(each)
      const before = tree.root()
      const root = tree.rootWith(leaf)
      expect(root).toEqual(definition([...leaves, leaf]))
      root.fill(0)
      expect(tree.size).toBe(size)
      expect(tree.root()).toEqual(before)
      tree.append(leaf)
      expect(tree.root()).toEqual(definition([...leaves, leaf]))
    }),
  )
})

test('a proof holds for nothing but its leaf, index, size and root', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (size, pick, otherPick) => {
      const leaves = leavesOf(size)
      const index = pick % size
      const root = merkleRoot(leaves)
      const proof = merkleProof(leaves, index)
      expect(verifyMerkleProof(leaves[index]!, index, size, proof, root)).toBe(true)
      const other = otherPick % size
      if (other !== index) {
        expect(verifyMerkleProof(leaves[other]!, index, size, proof, root)).toBe(false)
        expect(verifyMerkleProof(leaves[index]!, other, size, proof, root)).toBe(false)
      }
      expect(verifyMerkleProof(leaves[index]!, index, size, [...proof, root], root)).toBe(false)
      if (proof.length > 0) {
        expect(verifyMerkleProof(leaves[index]!, index, size, proof.slice(1), root)).toBe(false)
        expect(verifyMerkleProof(leaves[index]!, index, size, proof.slice(0, -1), root)).toBe(false)
        expect(verifyMerkleProof(leaves[index]!, index, size, [proof[0]!.subarray(1), ...proof.slice(1)], root)).toBe(false)
      }
      expect(verifyMerkleProof(leaves[index]!, index, size, proof, sha256(root))).toBe(false)
    }),
  )
})

test('a node is no leaf', () => {
  const [a, b] = [u32le(1), u32le(2)]
  const node = concatBytes(sha256(new Uint8Array([0]), a), sha256(new Uint8Array([0]), b))
  expect(verifyMerkleProof(node, 0, 1, [], merkleRoot([a, b]))).toBe(false)
})

test('out of range: false to verify, misuse to prove', () => {
  const leaves = leavesOf(3)
  const root = merkleRoot(leaves)
  for (const [index, size] of [
    [3, 3],
    [-1, 3],
    [0, 0],
    [0.5, 3],
    [0, Number.NaN],
    [2 ** 53, 2 ** 54],
  ]) {
    expect(verifyMerkleProof(leaves[0]!, index!, size!, merkleProof(leaves, 0), root), `${index} of ${size}`).toBe(false)
  }
  expect(() => merkleProof(leaves, 3)).toThrow(RangeError)
  const tree = createMerkleTree()
  expect(() => tree.rootAt(1)).toThrow(RangeError)
  expect(() => tree.proof(0, 0)).toThrow(RangeError)
})

test('indices beyond 32 bits are followed', () => {
  // A tree of 2^40 leaves that are all alike has one hash per level.
  const leaf = u32le(0)
  const path: Uint8Array[] = []
  let hash = sha256(new Uint8Array([0]), leaf)
  for (let level = 0; level < 40; level++) {
    path.push(hash)
    hash = sha256(new Uint8Array([1]), hash, hash)
  }
  expect(verifyMerkleProof(leaf, 2 ** 39 + 12345, 2 ** 40, path, hash)).toBe(true)
  expect(verifyMerkleProof(leaf, 2 ** 39 + 12345, 2 ** 41, path, hash)).toBe(false)
})

test('stored hashes cannot be changed through results', () => {
  const tree = createMerkleTree()
  for (const leaf of leavesOf(4)) tree.append(leaf)
  const root = bytesToHex(tree.root())
  tree.root().fill(0)
  for (const hash of tree.proof(1, 4)) hash.fill(0)
  expect(bytesToHex(tree.root())).toBe(root)
  tree.append(u32le(9))
  expect(bytesToHex(tree.rootAt(4))).toBe(root)
  expect(tree.root()).toEqual(merkleRoot([...leavesOf(4), u32le(9)]))
})
