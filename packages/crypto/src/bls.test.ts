import * as blst from '@chainsafe/blst'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EIP2333_MASTER, ETHEREUM_DST, ETHEREUM_VERIFY, RFC9380_G2, RFC9380_G2_DST } from '../test/vectors/bls12381.ts'
import { mcl } from './backend/mcl.ts'
import { createNobleBls } from './backend/noble-bls.ts'
import { createNodeBls } from './backend/node-bls.ts'
import { BLS_DST, BLS_POP_DST, createBls } from './bls.ts'
import { bytesToHex, hexToBytes, u32le, utf8 } from './bytes.ts'

const native = createBls(createNodeBls())
const plain = createBls(createNobleBls())
const { Fr } = bls12_381.fields
const keyOf = (n: bigint) => Fr.toBytes(n)
const INFINITY_G1 = `c0${'00'.repeat(47)}`
const INFINITY_G2 = `c0${'00'.repeat(95)}`

describe.each([
  ['blst and mcl', native],
  ['noble', plain],
])('with %s', (_, bls) => {
  test('RFC 9380 J.10.1: the signature by key 1 is the hashed message', () => {
    for (const [message, x0, x1, y0, y1] of RFC9380_G2) {
      const signature = bls.sign(keyOf(1n), utf8(message), RFC9380_G2_DST)
      const point = bls12_381.G2.Point.fromBytes(signature).toBytes(false)
      expect(bytesToHex(point), message).toBe(x1 + x0 + y1 + y0)
    }
  })

  test('published verification cases', () => {
    for (const [pk, message, signature, valid] of ETHEREUM_VERIFY) {
      expect(bls.verify(hexToBytes(pk), hexToBytes(message), hexToBytes(signature), ETHEREUM_DST), signature).toBe(valid)
    }
    const [pk, message, signature] = ETHEREUM_VERIFY[0]!
    expect(bls.verify(hexToBytes(pk), hexToBytes(message), hexToBytes(signature)), 'another tag').toBe(false)
  })

  test('KeyGen, EIP-2333 case 0', () => {
    const [seed, key] = EIP2333_MASTER
    expect(BigInt(`0x${bytesToHex(bls.keyFromSeed(hexToBytes(seed)))}`)).toBe(BigInt(key))
    expect(() => bls.keyFromSeed(new Uint8Array(31))).toThrow(RangeError)
  })

  test('threshold: any t shares combine to the group signature, t - 1 do not', () => {
    const coefficients = [11n, 222n, 3333n]
    const at = (x: bigint) => Fr.create(coefficients[0]! + coefficients[1]! * x + coefficients[2]! * x * x)
    const message = utf8('slot')
    const shares = [1, 2, 3, 4, 70_000].map((index) => ({ index, sig: bls.sign(keyOf(at(BigInt(index))), message) }))
    const [s1, s2, s3, s4, s5] = shares as [
      (typeof shares)[0],
      (typeof shares)[0],
      (typeof shares)[0],
      (typeof shares)[0],
      (typeof shares)[0],
    ]
    const group = bls.sign(keyOf(coefficients[0]!), message)
    for (const chosen of [[s1, s2, s3], [s4, s2, s5], [s5, s3, s1, s4], shares]) expect(bls.combine(chosen)).toEqual(group)
    expect(bls.combine([s1, s2])).not.toEqual(group)
    expect(bls.combine([])).toBeUndefined()
    expect(bls.combine([s1, s1, s2])).toBeUndefined()
    for (const index of [0, -1, 1.5, 2 ** 32]) expect(bls.combine([s1, { index, sig: s2.sig }]), String(index)).toBeUndefined()
    expect(bls.combine([s1, { index: 2, sig: s2.sig.subarray(1) }])).toBeUndefined()
  })

  test('aggregates of one message', () => {
    const message = utf8('settle')
    const keys = [5n, 6n, 7n].map(keyOf)
    const publicKeys = keys.map((key) => bls.publicKey(key))
    const aggregate = bls.aggregateSignatures(keys.map((key) => bls.sign(key, message)))!
    expect(aggregate).toEqual(bls.sign(keyOf(18n), message))
    expect(bls.fastAggregateVerify(publicKeys, message, aggregate)).toBe(true)
    expect(bls.fastAggregateVerify(publicKeys.slice(1), message, aggregate)).toBe(false)
    expect(bls.fastAggregateVerify([...publicKeys, publicKeys[0]!], message, aggregate)).toBe(false)
    expect(bls.fastAggregateVerify(publicKeys, utf8('settlf'), aggregate)).toBe(false)
    expect(bls.fastAggregateVerify([], message, aggregate)).toBe(false)
    expect(bls.aggregateSignatures([])).toBeUndefined()
    expect(bls.aggregateSignatures([aggregate, hexToBytes(INFINITY_G2)])).toBeUndefined()
  })

  test('opposite keys and signatures do not cancel to an accepted infinity', () => {
    const message = utf8('m')
    const [key, opposite] = [keyOf(9n), keyOf(Fr.ORDER - 9n)]
    const infinity = hexToBytes(INFINITY_G2)
    expect(bls.aggregateSignatures([bls.sign(key, message), bls.sign(opposite, message)])).toBeUndefined()
    expect(bls.fastAggregateVerify([bls.publicKey(key), bls.publicKey(opposite)], message, infinity)).toBe(false)
    expect(bls.verify(hexToBytes(INFINITY_G1), message, infinity)).toBe(false)
    expect(bls.verify(bls.publicKey(key), message, infinity)).toBe(false)
  })

  test('proofs of possession are bound to the key and to their own tag', () => {
    const [a, b] = [keyOf(10n), keyOf(20n)]
    const proof = bls.provePossession(a)
    expect(bls.verifyPossession(bls.publicKey(a), proof)).toBe(true)
    expect(bls.verifyPossession(bls.publicKey(b), proof)).toBe(false)
    expect(bls.verifyPossession(bls.publicKey(a), bls.sign(a, bls.publicKey(a)))).toBe(false)
    expect(bls.verify(bls.publicKey(a), bls.publicKey(a), proof, BLS_POP_DST)).toBe(true)
    expect(bls.verifyPossession(new Uint8Array(3), proof)).toBe(false)
  })

  test('own keys out of range and bad tags are misuse', () => {
    const message = utf8('m')
    expect(() => bls.publicKey(new Uint8Array(31))).toThrow(TypeError)
    expect(() => bls.publicKey(new Uint8Array(32))).toThrow(RangeError)
    expect(() => bls.sign(hexToBytes(Fr.ORDER.toString(16)), message)).toThrow(RangeError)
    expect(() => bls.sign(keyOf(1n), message, '')).toThrow(RangeError)
    expect(() => bls.sign(keyOf(1n), message, 'x'.repeat(256))).toThrow(RangeError)
    expect(() => bls.provePossession(new Uint8Array(32))).toThrow(RangeError)
  })
})

test('both give equal keys, signatures, aggregates and answers', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), fc.nat(95), (ikm, message, at) => {
      const key = native.keyFromSeed(ikm)
      expect(key).toEqual(new Uint8Array(blst.SecretKey.fromKeygen(ikm).toBytes()))
      const publicKey = native.publicKey(key)
      expect(plain.publicKey(key)).toEqual(publicKey)
      const signature = native.sign(key, message)
      expect(native.verify(publicKey, message, signature, BLS_DST)).toBe(true)
      expect(plain.verify(publicKey, message, signature)).toBe(true)
      expect(plain.aggregateSignatures([signature, signature])).toEqual(native.aggregateSignatures([signature, signature]))
      const bad = signature.slice()
      bad[at]! ^= 1
      expect(native.verify(publicKey, message, bad)).toBe(false)
      expect(plain.verify(publicKey, message, bad)).toBe(false)
    }),
    { numRuns: 8 },
  )
})

test('under the tag that blst fixes, its own verification agrees with ours', () => {
  for (let i = 1; i <= 3; i++) {
    const key = keyOf(BigInt(i) * 12345n)
    const secret = blst.SecretKey.fromBytes(key)
    const message = u32le(i)
    expect(native.sign(key, message, ETHEREUM_DST)).toEqual(new Uint8Array(secret.sign(message).toBytes()))
    expect(blst.verify(message, secret.toPublicKey(), blst.Signature.fromBytes(plain.sign(key, message, ETHEREUM_DST)))).toBe(true)
  }
})

test('bad point bytes are refused alike', () => {
  const publicKey = native.publicKey(keyOf(3n))
  const signature = native.sign(keyOf(3n), utf8('m'))
  const P = 0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn
  const withX = (x: bigint, rest = '') => hexToBytes((x + (1n << 383n)).toString(16) + rest)
  const keys: Uint8Array[] = [
    hexToBytes(INFINITY_G1),
    new Uint8Array(48),
    new Uint8Array(48).fill(255),
    new Uint8Array(0),
    publicKey.subarray(1),
  ]
  keys.push(bls12_381.G1.Point.fromBytes(publicKey).toBytes(false), withX(P), withX(P + 1n), withX(P - 1n))
  // Small x: on the curve for about half of them, and almost never in the subgroup.
  for (let x = 0n; x < 20n; x++) keys.push(withX(x))
  for (let flags = 0; flags < 8; flags++) {
    const flagged = publicKey.slice()
    flagged[0] = (flagged[0]! & 0x1f) | (flags << 5)
    keys.push(flagged)
  }
  const infinityWithSign = hexToBytes(`e0${'00'.repeat(47)}`)
  const infinityWithRest = hexToBytes(`c0${'00'.repeat(46)}01`)
  keys.push(infinityWithSign, infinityWithRest)
  const [nativePoints, plainPoints] = [createNodeBls(), createNobleBls()]
  const message = utf8('m')
  let accepted = 0
  for (const bytes of keys) {
    const answer = nativePoints.parsePublicKey(bytes)
    expect(plainPoints.parsePublicKey(bytes) === undefined, bytesToHex(bytes)).toBe(answer === undefined)
    if (answer !== undefined) {
      accepted++
      expect(native.verify(bytes, message, signature)).toBe(plain.verify(bytes, message, signature))
    } else {
      expect(native.verify(bytes, message, signature)).toBe(false)
      expect(native.fastAggregateVerify([publicKey, bytes], message, signature)).toBe(false)
    }
  }
  expect(accepted, 'the key and its negative').toBe(2)

  const signatures: Uint8Array[] = [hexToBytes(INFINITY_G2), new Uint8Array(96), new Uint8Array(96).fill(255), new Uint8Array(0)]
  signatures.push(signature.subarray(1), bls12_381.G2.Point.fromBytes(signature).toBytes(false))
  signatures.push(withX(P, '00'.repeat(48)), withX(0n, P.toString(16).padStart(96, '0')))
  for (let x = 0n; x < 12n; x++) signatures.push(withX(0n, x.toString(16).padStart(96, '0')))
  for (let flags = 0; flags < 8; flags++) {
    const flagged = signature.slice()
    flagged[0] = (flagged[0]! & 0x1f) | (flags << 5)
    signatures.push(flagged)
  }
  accepted = 0
  for (const bytes of signatures) {
    const answer = nativePoints.parseSignature(bytes)
    expect(plainPoints.parseSignature(bytes) === undefined, bytesToHex(bytes)).toBe(answer === undefined)
    // One share of index 1 combines to itself, through mcl's form of the point.
    expect(native.combine([{ index: 1, sig: bytes }])).toEqual(answer && bytes)
    if (answer !== undefined) accepted++
    else expect(native.verify(publicKey, message, bytes)).toBe(false)
  }
  expect(accepted, 'the signature and its negative').toBe(2)
})

test('both hash to the same point for any message and tag', () => {
  const printable = fc.string({ minLength: 1, maxLength: 255, unit: fc.constantFrom(...'aZ09-_ ') })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), printable, (message, dst) => {
      expect(native.sign(keyOf(1n), message, dst)).toEqual(plain.sign(keyOf(1n), message, dst))
    }),
    { numRuns: 12, examples: [[new Uint8Array(0), 'x'.repeat(255)]] },
  )
})

test('both sign alike with scalars at the edges of the range', () => {
  const message = utf8('edge')
  for (const scalar of [1n, 2n, 3n, 2n ** 64n, 2n ** 128n - 1n, 2n ** 254n, (Fr.ORDER - 1n) / 2n, Fr.ORDER - 2n, Fr.ORDER - 1n]) {
    const key = keyOf(scalar)
    expect(native.publicKey(key), String(scalar)).toEqual(plain.publicKey(key))
    expect(native.sign(key, message), String(scalar)).toEqual(plain.sign(key, message))
  }
})

test('both combine shares and add keys alike', () => {
  const message = utf8('set')
  const scalars = fc.uniqueArray(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 7 })
  fc.assert(
    fc.property(scalars, fc.nat(), (indices, twice) => {
      const keys = indices.map((index) => keyOf(BigInt(index) ** 5n))
      const signatures = keys.map((key) => native.sign(key, message))
      const shares = indices.map((index, i) => ({ index, sig: signatures[i]! }))
      expect(native.combine(shares)).toEqual(plain.combine(shares))
      const publicKeys = keys.map((key) => native.publicKey(key))
      const aggregate = native.aggregateSignatures(signatures)!
      expect(native.fastAggregateVerify(publicKeys, message, aggregate)).toBe(true)
      expect(native.fastAggregateVerify([...publicKeys].reverse(), message, aggregate)).toBe(true)
      expect(plain.fastAggregateVerify(publicKeys, message, aggregate)).toBe(true)
      // The same key twice is a doubling, which formulas for distinct points get wrong.
      const at = twice % keys.length
      const doubled = [publicKeys[at]!, publicKeys[at]!]
      const both = native.aggregateSignatures([signatures[at]!, signatures[at]!])!
      expect(native.fastAggregateVerify(doubled, message, both)).toBe(true)
      expect(native.fastAggregateVerify(doubled, message, signatures[at]!)).toBe(false)
    }),
    { numRuns: 8 },
  )
})

test('shares that combine to infinity are refused', () => {
  const message = utf8('zero')
  // p(x) = 5x is zero at 0.
  const shares = [1, 2].map((index) => ({ index, sig: native.sign(keyOf(5n * BigInt(index)), message) }))
  expect(native.combine(shares)).toBeUndefined()
  expect(plain.combine(shares)).toBeUndefined()
})

test('opposite keys add to a refused infinity, and the sum goes on behind it', () => {
  const message = utf8('m')
  const [a, minusA, b] = [keyOf(9n), keyOf(Fr.ORDER - 9n), keyOf(4n)]
  const keys = [a, minusA, b].map((key) => native.publicKey(key))
  for (const bls of [native, plain]) {
    expect(bls.fastAggregateVerify(keys.slice(0, 2), message, native.sign(b, message))).toBe(false)
    expect(bls.fastAggregateVerify(keys, message, native.sign(b, message))).toBe(true)
  }
})

test('memory that has grown for a long message is still read and written rightly, and given back', () => {
  const long = new Uint8Array(4 << 20).fill(7)
  const before = mcl.wasmMemory.buffer.byteLength
  const key = keyOf(77n)
  const signature = native.sign(key, long)
  const grown = mcl.wasmMemory.buffer.byteLength
  expect(grown).toBeGreaterThan(before)
  expect(native.verify(native.publicKey(key), long, signature)).toBe(true)
  expect(signature).toEqual(plain.sign(key, long))
  for (let i = 0; i < 4; i++) {
    long[0] = i
    native.sign(key, long)
  }
  expect(mcl.wasmMemory.buffer.byteLength).toBe(grown)
})
