/**
 * Every cryptographic suite of the protocol, chosen once, as a thin and total API over kept libraries.
 *
 * Functions that look at untrusted bytes answer `false` or `undefined` and never throw; wrong use by the
 * calling program (a key of the wrong length to sign with, a negative index) throws TypeError or RangeError.
 * What is signed, and under which domain, is the business of the packages above.
 */

export { bitcoinMerkleRoot } from './bitcoin-merkle.ts'
export type { Bls, BlsShare } from './bls.ts'
export { BLS_DST, BLS_POP_DST, bls } from './bls-default.ts'
export { bytesToHex, compareBytes, concatBytes, equalBytes, hexToBytes, u32le, u64le, utf8 } from './bytes.ts'
export { chacha20Words, shuffle } from './chacha20.ts'
export type { EcvrfSuite } from './ecvrf.ts'
export { ecvrfProofToHash, ecvrfProve, ecvrfPublicKey, ecvrfVerify } from './ecvrf.ts'
export { ed25519PublicKey, ed25519Sign, ed25519Verify } from './ed25519.ts'
export { hkdfSha256, sha256, sha256d, sha256dHex, sha256Hex, sha256HexBeside } from './hashes.ts'
export { merkleProof, merkleRoot, verifyMerkleProof } from './merkle.ts'
export type { MerkleTree } from './merkle-tree.ts'
export { createMerkleTree } from './merkle-tree.ts'
export { schnorrPublicKey, schnorrSign, schnorrVerify } from './schnorr.ts'
