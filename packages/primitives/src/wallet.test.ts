import { bls, bytesToHex, ed25519PublicKey, hexToBytes, hkdfSha256, schnorrSign, schnorrVerify, utf8 } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { deriveKeys, deriveWalletPath, newMnemonic } from './wallet.ts'

const ABANDON = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'

test.each([
  // BIP39, the reference vectors (passphrase TREZOR).
  [
    '00000000000000000000000000000000',
    ABANDON,
    'c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04',
  ],
  [
    '7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f',
    'legal winner thank year wave sausage worth useful legal winner thank yellow',
    '2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607',
  ],
  [
    'ffffffffffffffffffffffffffffffff',
    'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong',
    'ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069',
  ],
])('BIP39: entropy %s', (entropy, mnemonic, seed) => {
  expect(newMnemonic(hexToBytes(entropy))).toBe(mnemonic)
  expect(bytesToHex(deriveWalletPath(mnemonic, 'TREZOR', 'm').seed)).toBe(seed)
})

test.each([
  // BIP86: internal (untweaked) keys of the first two receiving and the first change address.
  ["m/86'/0'/0'/0/0", 'cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115'],
  ["m/86'/0'/0'/0/1", '83dfe85a3151d2517290da461fe2815591ef69f2b18a2ce63f01697a8b313145'],
  ["m/86'/0'/0'/1/0", '399f1b2f4393f29a18c937859c5dd8a77350103157eb880f02e8c08214277cef'],
])('BIP86: %s', (path, key) => {
  expect(deriveWalletPath(ABANDON, '', path).pubkey).toBe(key)
})

test('the wallet key is the tweaked one: its signatures verify under the output key', () => {
  const keys = deriveKeys(ABANDON)
  expect(keys.walletPublic).toBe('a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c')
  const message = new Uint8Array(32).fill(9)
  expect(schnorrVerify(schnorrSign(message, keys.walletKey), message, hexToBytes(keys.walletPublic))).toBe(true)
})

test('the other keys are HKDF outputs of the seed under their paths, and all differ', () => {
  const keys = deriveKeys(ABANDON, 'secret')
  const { seed } = deriveWalletPath(ABANDON, 'secret', 'm')
  const derived = (path: string) => hkdfSha256(seed, new Uint8Array(0), utf8(path), 32)
  expect(keys.ticketSeed).toEqual(derived('pouw/ticket/0'))
  expect(keys.peerSeed).toEqual(derived('pouw/peer/0'))
  expect(keys.blsSecret).toEqual(bls.keyFromSeed(derived('pouw/bls/0')))
  expect(keys.blsPublic).toEqual(bls.publicKey(keys.blsSecret))
  expect(keys.ticketPublic).toBe(bytesToHex(ed25519PublicKey(keys.ticketSeed)))
  const secrets = [keys, deriveKeys(ABANDON), deriveKeys(ABANDON, 'secret', 1)].flatMap((one) => [
    one.walletKey,
    one.ticketSeed,
    one.blsSecret,
    one.peerSeed,
  ])
  // The coin type is in the wallet path alone, so the third set shares three secrets with the first.
  expect(new Set(secrets.map(bytesToHex)).size).toBe(9)
})

test('a phrase with a wrong word or checksum is refused', () => {
  expect(() => deriveKeys(ABANDON.replace('about', 'abandon'))).toThrow(TypeError)
  expect(() => deriveKeys(ABANDON.replace('about', 'nonsense'))).toThrow(TypeError)
  expect(() => newMnemonic(new Uint8Array(15))).toThrow()
})
