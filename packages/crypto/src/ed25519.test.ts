import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SPECCHECK } from '../test/vectors/ed25519-speccheck.ts'
import { RFC8032 } from '../test/vectors/rfc8032-ed25519.ts'
import { createNodeBackend } from './backend/node.ts'
import { createWebBackend } from './backend/web.ts'
import { bytesToHex, concatBytes, hexToBytes, utf8 } from './bytes.ts'
import { ed25519PublicKey, ed25519Sign, ed25519Verify, ed25519VerifyWith } from './ed25519.ts'
import { ED25519_ORDER, isCanonicalLargePoint, isCanonicalScalar, readScalar, writeScalar } from './ed25519-encoding.ts'

const node = createNodeBackend().ed25519
const web = createWebBackend().ed25519
const { Point } = ed25519
const FIELD_ORDER = 2n ** 255n - 19n

/** Both backends' answer; fails if they differ. */
function verifyBoth(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array, label: string): boolean {
  const answer = ed25519VerifyWith(node, signature, message, publicKey)
  expect(ed25519VerifyWith(web, signature, message, publicKey), label).toBe(answer)
  return answer
}

test('RFC 8032 vectors in both backends', () => {
  for (const [seed, pk, message, signature] of RFC8032) {
    for (const primitives of [node, web]) {
      expect(bytesToHex(primitives.publicKey(hexToBytes(seed)))).toBe(pk)
      expect(bytesToHex(primitives.sign(hexToBytes(message), hexToBytes(seed)))).toBe(signature)
    }
    expect(verifyBoth(hexToBytes(signature), hexToBytes(message), hexToBytes(pk), pk)).toBe(true)
    expect(ed25519Verify(hexToBytes(signature), hexToBytes(message), hexToBytes(pk))).toBe(true)
  }
})

test('the twelve cases of "Taming the many EdDSAs"', () => {
  for (const [message, pk, signature, label, valid] of SPECCHECK) {
    expect(verifyBoth(hexToBytes(signature), hexToBytes(message), hexToBytes(pk), label), label).toBe(valid)
  }
})

test('every encoding of a small-order point is refused, every other low y is not', () => {
  for (const point of ED25519_TORSION_SUBGROUP) {
    const bytes = hexToBytes(point)
    expect(isCanonicalLargePoint(bytes), point).toBe(false)
    bytes[31]! ^= 0x80
    expect(isCanonicalLargePoint(bytes), `${point} with the other sign`).toBe(false)
  }
  for (let excess = 0n; excess < 19n; excess++) {
    expect(isCanonicalLargePoint(writeScalar(FIELD_ORDER + excess)), `p + ${excess}`).toBe(false)
    expect(isCanonicalLargePoint(writeScalar(FIELD_ORDER + excess + 2n ** 255n)), `p + ${excess}, sign`).toBe(false)
    if (excess >= 2n) expect(isCanonicalLargePoint(writeScalar(FIELD_ORDER - excess)), `p - ${excess}`).toBe(true)
    if (excess >= 2n) expect(isCanonicalLargePoint(writeScalar(excess)), `y = ${excess}`).toBe(true)
  }
  expect(isCanonicalScalar(writeScalar(ED25519_ORDER - 1n))).toBe(true)
  expect(isCanonicalScalar(writeScalar(ED25519_ORDER))).toBe(false)
  expect(isCanonicalScalar(writeScalar(2n ** 256n - 1n))).toBe(false)
})

test('S + L is refused', () => {
  const seed = new Uint8Array(32).fill(7)
  const message = utf8('message')
  const signature = ed25519Sign(message, seed)
  const pk = ed25519PublicKey(seed)
  expect(verifyBoth(signature, message, pk, 'S')).toBe(true)
  for (let k = 1n; k <= 14n; k++) {
    const bad = concatBytes(signature.subarray(0, 32), writeScalar(readScalar(signature.subarray(32)) + k * ED25519_ORDER))
    expect(verifyBoth(bad, message, pk, `S + ${k}L`), `S + ${k}L`).toBe(false)
  }
})

test('keys and commitments with a small-order component: only the exact equation counts', () => {
  // A = aB + T1, R = rB + T2, S = r + ha: the cofactored equation always holds, ours iff T2 = -h T1.
  const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex))
  const a = 123456789n
  let accepted = 0
  for (const [i, t1] of torsion.entries()) {
    const publicKey = Point.BASE.multiply(a).add(t1).toBytes()
    for (const [j, t2] of torsion.entries()) {
      const r = BigInt(1000 + 8 * i + j)
      const R = Point.BASE.multiply(r).add(t2).toBytes()
      const message = utf8('mixed')
      const h = Point.Fn.create(readScalar(sha512(concatBytes(R, publicKey, message))))
      const signature = concatBytes(R, writeScalar(Point.Fn.create(r + h * a)))
      const expected = t1
        .multiplyUnsafe(h % 8n)
        .add(t2)
        .is0()
      expect(verifyBoth(signature, message, publicKey, `T${i} T${j}`), `T${i} T${j}`).toBe(expected)
      if (expected) accepted++
    }
  }
  expect(accepted).toBeGreaterThan(0)
})

test('the backends agree on altered and on random bytes', () => {
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const messages = fc.uint8Array({ maxLength: 80 })
  fc.assert(
    fc.property(seeds, messages, fc.nat(95), fc.integer({ min: 1, max: 255 }), (seed, message, at, mask) => {
      const pk = node.publicKey(seed)
      const signature = node.sign(message, seed)
      expect(web.publicKey(seed)).toEqual(pk)
      expect(web.sign(message, seed)).toEqual(signature)
      expect(verifyBoth(signature, message, pk, 'honest')).toBe(true)
      const both = concatBytes(signature, pk)
      both[at]! ^= mask
      expect(verifyBoth(both.subarray(0, 64), message, both.subarray(64), 'altered')).toBe(false)
    }),
    { numRuns: 60 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 96, maxLength: 96 }), messages, (bytes, message) => {
      bytes[63]! &= 0x0f
      verifyBoth(bytes.subarray(0, 64), message, bytes.subarray(64), 'random')
    }),
    { numRuns: 60 },
  )
})

test('wrong lengths: false to verify, misuse to sign', () => {
  const seed = new Uint8Array(32)
  const signature = ed25519Sign(seed, seed)
  const pk = ed25519PublicKey(seed)
  expect(ed25519Verify(signature.subarray(1), seed, pk)).toBe(false)
  expect(ed25519Verify(signature, seed, pk.subarray(1))).toBe(false)
  expect(ed25519Verify(new Uint8Array(0), seed, new Uint8Array(0))).toBe(false)
  expect(() => ed25519Sign(seed, new Uint8Array(33))).toThrow(TypeError)
  expect(() => ed25519PublicKey(new Uint8Array(31))).toThrow(TypeError)
})
