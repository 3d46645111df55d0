import { ED25519_TORSION_SUBGROUP, ed25519, ed25519_hasher } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { expect, test } from 'vitest'
import { RFC9381 } from '../test/vectors/rfc9381-ecvrf.ts'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from './bytes.ts'
import { type EcvrfSuite, ecvrfProofToHash, ecvrfProve, ecvrfPublicKey, ecvrfVerify } from './ecvrf.ts'
import { ED25519_ORDER, readScalar, writeScalar } from './ed25519-encoding.ts'

test('RFC 9381 examples 16 to 21', () => {
  for (const { example, suite, sk, pk, alpha, pi, beta } of RFC9381) {
    const label = `example ${example}`
    expect(bytesToHex(ecvrfPublicKey(hexToBytes(sk))), label).toBe(pk)
    expect(bytesToHex(ecvrfProve(suite, hexToBytes(sk), hexToBytes(alpha))), label).toBe(pi)
    expect(bytesToHex(ecvrfVerify(suite, hexToBytes(pk), hexToBytes(alpha), hexToBytes(pi))!), label).toBe(beta)
    expect(bytesToHex(ecvrfProofToHash(hexToBytes(pi), suite)!), label).toBe(beta)
  }
})

test('any changed byte of proof, key or input is refused', () => {
  const seed = new Uint8Array(32).fill(3)
  const publicKey = ecvrfPublicKey(seed)
  const alpha = utf8('alpha')
  const proof = ecvrfProve('ELL2', seed, alpha)
  expect(ecvrfVerify('ELL2', publicKey, alpha, proof)).toHaveLength(64)
  for (let i = 0; i < 80; i++) {
    const bad = proof.slice()
    bad[i]! ^= 1 << (i % 8)
    expect(ecvrfVerify('ELL2', publicKey, alpha, bad), `proof byte ${i}`).toBeUndefined()
  }
  for (let i = 0; i < 32; i++) {
    const bad = publicKey.slice()
    bad[i]! ^= 1
    expect(ecvrfVerify('ELL2', bad, alpha, proof), `key byte ${i}`).toBeUndefined()
  }
  expect(ecvrfVerify('ELL2', publicKey, utf8('alphb'), proof)).toBeUndefined()
  expect(ecvrfVerify('TAI', publicKey, alpha, proof)).toBeUndefined()
})

test('wrong lengths, s + L, small-order keys and non-canonical points are refused', () => {
  const seed = new Uint8Array(32).fill(4)
  const publicKey = ecvrfPublicKey(seed)
  const alpha = utf8('alpha')
  const proof = ecvrfProve('ELL2', seed, alpha)
  expect(ecvrfVerify('ELL2', publicKey, alpha, proof.subarray(1))).toBeUndefined()
  expect(ecvrfVerify('ELL2', publicKey, alpha, concatBytes(proof, new Uint8Array(1)))).toBeUndefined()
  expect(ecvrfVerify('ELL2', publicKey.subarray(1), alpha, proof)).toBeUndefined()
  const raised = concatBytes(proof.subarray(0, 48), writeScalar(readScalar(proof.subarray(48)) + ED25519_ORDER))
  expect(ecvrfVerify('ELL2', publicKey, alpha, raised)).toBeUndefined()
  expect(ecvrfProofToHash(raised)).toBeUndefined()
  for (const point of ED25519_TORSION_SUBGROUP) expect(ecvrfVerify('ELL2', hexToBytes(point), alpha, proof), point).toBeUndefined()
  const beyond = writeScalar(2n ** 255n - 19n + 3n)
  expect(ecvrfVerify('ELL2', beyond, alpha, proof)).toBeUndefined()
  expect(ecvrfProofToHash(concatBytes(beyond, proof.subarray(32)))).toBeUndefined()
})

test('the proof that anybody can make for the key "identity" is refused by key validation', () => {
  const identity = ed25519.Point.ZERO.toBytes()
  const alpha = utf8('alpha')
  const dst = concatBytes(utf8('ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_'), new Uint8Array([4]))
  const H = ed25519_hasher.encodeToCurve(concatBytes(identity, alpha), { DST: dst })
  // x = 0, Gamma = 0: with s = k the equations hold for every challenge.
  const k = 12345n
  const U = ed25519.Point.BASE.multiply(k).toBytes()
  const V = H.multiply(k).toBytes()
  const challenge = sha512(concatBytes(new Uint8Array([4, 2]), identity, H.toBytes(), identity, U, V, new Uint8Array(1))).slice(0, 16)
  const forged = concatBytes(identity, challenge, writeScalar(k))
  expect(ecvrfProofToHash(forged)).toHaveLength(64)
  expect(ecvrfVerify('ELL2', identity, alpha, forged)).toBeUndefined()
})

test('a proof does not carry over to the key shifted by a small-order point', () => {
  const seed = new Uint8Array(32).fill(5)
  const shifted = ed25519.Point.fromBytes(ecvrfPublicKey(seed)).add(ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1]!)).toBytes()
  const proof = ecvrfProve('ELL2', seed, utf8('alpha'))
  expect(ecvrfVerify('ELL2', shifted, utf8('alpha'), proof)).toBeUndefined()
})

test('adding a small-order point to Gamma does not change beta', () => {
  const seed = new Uint8Array(32).fill(6)
  const proof = ecvrfProve('ELL2', seed, utf8('alpha'))
  const gamma = ed25519.Point.fromBytes(proof.slice(0, 32)).add(ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1]!)).toBytes()
  expect(ecvrfProofToHash(concatBytes(gamma, proof.subarray(32)))).toEqual(ecvrfProofToHash(proof))
})

test('misuse is refused', () => {
  expect(() => ecvrfProve('ELL2', new Uint8Array(31), utf8(''))).toThrow(TypeError)
  expect(() => ecvrfVerify('P256' as EcvrfSuite, new Uint8Array(32), utf8(''), new Uint8Array(80))).toThrow(TypeError)
})
