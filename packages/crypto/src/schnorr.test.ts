import { expect, test } from 'vitest'
import { BIP340 } from '../test/vectors/bip340.ts'
import { bytesToHex, hexToBytes } from './bytes.ts'
import { schnorrPublicKey, schnorrSign, schnorrVerify } from './schnorr.ts'

test('BIP340 test vectors', () => {
  for (const [index, [sk, pk, aux, message, signature, valid]] of BIP340.entries()) {
    expect(schnorrVerify(hexToBytes(signature), hexToBytes(message), hexToBytes(pk)), `vector ${index}`).toBe(valid)
    if (sk === '') continue
    expect(bytesToHex(schnorrPublicKey(hexToBytes(sk))), `vector ${index}`).toBe(pk.toLowerCase())
    expect(bytesToHex(schnorrSign(hexToBytes(message), hexToBytes(sk), hexToBytes(aux))), `vector ${index}`).toBe(signature.toLowerCase())
  }
})

test('the default auxiliary bytes are zero', () => {
  const [sk, , , message, signature] = BIP340[0]!
  expect(bytesToHex(schnorrSign(hexToBytes(message), hexToBytes(sk)))).toBe(signature.toLowerCase())
})

test('every flipped bit of a signature is refused, and so are wrong lengths', () => {
  const sk = new Uint8Array(32).fill(1)
  const message = new Uint8Array(32).fill(2)
  const pk = schnorrPublicKey(sk)
  const signature = schnorrSign(message, sk)
  expect(schnorrVerify(signature, message, pk)).toBe(true)
  for (let i = 0; i < 64; i++) {
    const bad = signature.slice()
    bad[i]! ^= 1 << (i % 8)
    expect(schnorrVerify(bad, message, pk), `byte ${i}`).toBe(false)
  }
  expect(schnorrVerify(signature.subarray(1), message, pk)).toBe(false)
  expect(schnorrVerify(signature, message, pk.subarray(1))).toBe(false)
})

test('bad secret keys are misuse', () => {
  expect(() => schnorrPublicKey(new Uint8Array(31))).toThrow(TypeError)
  expect(() => schnorrPublicKey(new Uint8Array(32))).toThrow(RangeError)
  expect(() => schnorrSign(new Uint8Array(32), new Uint8Array(32).fill(255))).toThrow(RangeError)
})
