import { expect, test } from 'vitest'
import { bitcoinMerkleRoot } from './bitcoin-merkle.ts'
import { bytesToHex, concatBytes, hexToBytes, u32le } from './bytes.ts'
import { sha256d } from './hashes.ts'

const fromPrint = (hex: string) => hexToBytes(hex).reverse()
const idsOf = (n: number) => Array.from({ length: n }, (_, i) => sha256d(u32le(i)))

test('the four transactions of block 100000', () => {
  const ids = [
    '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
    'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
    '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
    'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
  ].map(fromPrint)
  expect(bytesToHex(bitcoinMerkleRoot(ids)!.reverse())).toBe('f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766')
})

test('one transaction is its own root; an odd one is paired with itself', () => {
  const [a, b, c] = idsOf(3) as [Uint8Array, Uint8Array, Uint8Array]
  expect(bitcoinMerkleRoot([a])).toEqual(a)
  expect(bitcoinMerkleRoot([a, b, c])).toEqual(sha256d(concatBytes(sha256d(a, b), sha256d(c, c))))
})

test('lists that only repeat their end to keep the root are refused (CVE-2012-2459)', () => {
  const [a, b, c, d, e, f] = idsOf(6) as Uint8Array[] as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  expect(bitcoinMerkleRoot([a, b, c])).toBeDefined()
  expect(bitcoinMerkleRoot([a, b, c, c])).toBeUndefined()
  expect(bitcoinMerkleRoot([a, b, c, d, e, f])).toBeDefined()
  expect(bitcoinMerkleRoot([a, b, c, d, e, f, e, f])).toBeUndefined()
  expect(bitcoinMerkleRoot([a, a])).toBeUndefined()
})

test('no hashes, or hashes of a wrong length, have no root', () => {
  expect(bitcoinMerkleRoot([])).toBeUndefined()
  expect(bitcoinMerkleRoot([new Uint8Array(31)])).toBeUndefined()
})
