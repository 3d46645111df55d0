import { bytesToHex, concatBytes, hexToBytes, sha256, u32le, u64le } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  annexOf,
  annexWith,
  attachmentOf,
  decodeTx,
  encodeTx,
  outputsHash,
  signatureHash,
  type Tx,
  type TxOutput,
  txId,
  txWeight,
  wtxId,
} from './transaction.ts'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const input = fc.record({
  txid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex),
  index: u32,
  scriptSig: bytes(20),
  sequence: u32,
  witness: fc.array(bytes(300), { maxLength: 3 }),
})
const output = fc.record({ amount: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), script: bytes(170) })
const transaction: fc.Arbitrary<Tx> = fc.record({
  version: fc.constantFrom(1, 2, 3),
  inputs: fc.array(input, { minLength: 1, maxLength: 4 }),
  outputs: fc.array(output, { minLength: 1, maxLength: 5 }),
  lockTime: u32,
})

/** BIP341 bip-0341.mediawiki, wallet test vectors: one transaction, nine inputs, seven of them key paths. */
const RAW =
  '02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c010000000000000000d7b7cab57b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000000000fffffffff8e1f583384333689228c5d28eac13366be082dc57441760d957275419a418420000000000fffffffff0689180aa63b30cb162a73c6d2a38b7eeda2a83ece74310fda0843ad604853b0100000000feffffffaa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba6c0000000000feffffff956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32acd050000000000000000000e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d5f4c94010000000000000000e9aa6b8e6c9de67619e6a3924ae25696bb7b694bb677a632a74ef7eadfd4eabf0000000000ffffffffa778eb6a263dc090464cd125c466b5a99667720b1c110468831d058aa1b82af10100000000ffffffff0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa11f241244a37ecc88ac807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fcdefcc9a663f78bab962b0065cd1d'
const PREVOUTS: readonly TxOutput[] = (
  [
    ['512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343', 420000000n],
    ['5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3', 462000000n],
    ['76a914751e76e8199196d454941c45d1b3a323f1433bd688ac', 294000000n],
    ['5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e', 504000000n],
    ['512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605', 630000000n],
    ['00147dd65592d0ab2fe0d0257d571abf032cd9db93dc', 378000000n],
    ['512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831', 672000000n],
    ['5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5', 546000000n],
    ['512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220', 588000000n],
  ] as const
).map(([script, amount]) => ({ script: hexToBytes(script), amount }))

test.each([
  [0, 3, '2514a6272f85cfa0f45eb907fcb0d121b808ed37c6ea160a5a9046ed5526d555'],
  [1, 0x83, '325a644af47e8a5a2591cda0ab0723978537318f10e6a63d4eed783b96a71a4d'],
  [3, 1, 'bf013ea93474aa67815b1b6cc441d23b64fa310911d991e713cd34c7f5d46669'],
  [4, 0, '4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef'],
  [6, 2, '15f25c298eb5cdc7eb1d638dd2d45c97c4c59dcaec6679cfc16ad84f30876b85'],
  [7, 0x82, 'cd292de50313804dabe4685e83f923d2969577191a3e1d2882220dca88cbeb10'],
  [8, 0x81, 'cccb739eca6c13a8a89e6e5cd317ffe55669bbda23f2fd37b0f18755e008edd2'],
])('BIP341 wallet vector: input %i, hash type %i', (index, hashType, expected) => {
  expect(bytesToHex(signatureHash(decodeTx(hexToBytes(RAW))!, index, PREVOUTS, hashType))).toBe(expected)
})

/** Short strings only: one length byte. */
const sized = (value: Uint8Array) => {
  const head = value.length < 0xfd ? Uint8Array.of(value.length) : Uint8Array.of(0xfd, value.length & 0xff, value.length >> 8)
  return concatBytes(head, value)
}
const serialised = ({ amount, script }: TxOutput) => concatBytes(u64le(amount), sized(script))

/** BIP341 "Common signature message" written out a second time, for hash type 0. */
function plainSignatureHash(tx: Tx, index: number, prevouts: readonly TxOutput[]): Uint8Array {
  const tag = sha256(new TextEncoder().encode('TapSighash'))
  const annex = annexOf(tx.inputs[index]!)
  const message = concatBytes(
    Uint8Array.of(0, 0),
    u32le(tx.version),
    u32le(tx.lockTime),
    sha256(...tx.inputs.map((one) => concatBytes(hexToBytes(one.txid), u32le(one.index)))),
    sha256(...prevouts.map(({ amount }) => u64le(amount))),
    sha256(...prevouts.map(({ script }) => sized(script))),
    sha256(...tx.inputs.map(({ sequence }) => u32le(sequence))),
    sha256(...tx.outputs.map(serialised)),
    Uint8Array.of(annex ? 1 : 0),
    u32le(index),
    annex ? sha256(sized(annex)) : new Uint8Array(0),
  )
  return sha256(tag, tag, message)
}

test('the signature hash equals a plain second writing of BIP341, annex included', () => {
  fc.assert(
    fc.property(transaction, fc.nat(), bytes(300), fc.boolean(), (tx, at, attachment, withAnnex) => {
      const index = at % tx.inputs.length
      const inputs = tx.inputs.map((one, i) => ({
        ...one,
        witness: i === index ? [new Uint8Array(64), ...(withAnnex ? [annexWith(attachment)] : [])] : one.witness,
      }))
      const spending = { ...tx, inputs }
      const prevouts = inputs.map((_, i) => ({ amount: BigInt(1000 + i), script: new Uint8Array(34).fill(i) }))
      expect(bytesToHex(signatureHash(spending, index, prevouts))).toBe(bytesToHex(plainSignatureHash(spending, index, prevouts)))
    }),
    { numRuns: 60 },
  )
})

test('the signature hash covers the annex, but no other witness byte', () => {
  const tx = decodeTx(hexToBytes(RAW))!
  const signing = (witness: Uint8Array[]) =>
    bytesToHex(signatureHash({ ...tx, inputs: tx.inputs.map((one, index) => (index === 4 ? { ...one, witness } : one)) }, 4, PREVOUTS))
  const plain = signing([new Uint8Array(64)])
  expect(signing([new Uint8Array(64).fill(1)])).toBe(plain)
  const a = signing([new Uint8Array(64), Uint8Array.of(0x50, 1)])
  const b = signing([new Uint8Array(64), Uint8Array.of(0x50, 2)])
  expect(new Set([plain, a, b]).size).toBe(3)
})

test('misuse of signatureHash: missing prevouts, unknown hash type, no such input', () => {
  const tx = decodeTx(hexToBytes(RAW))!
  expect(() => signatureHash(tx, 4, PREVOUTS.slice(1))).toThrow(RangeError)
  expect(() => signatureHash(tx, 9, PREVOUTS)).toThrow()
  for (const hashType of [4, 0x80, 0x84, 0x50]) expect(() => signatureHash(tx, 4, PREVOUTS, hashType), `type ${hashType}`).toThrow()
  // SIGHASH_SINGLE without an output of that index (BIP341).
  expect(() => signatureHash(tx, 4, PREVOUTS, 3)).toThrow()
})

test('transactions: round trip, any changed byte is another transaction or none, trailing bytes are refused', () => {
  fc.assert(
    fc.property(transaction, fc.nat(), fc.integer({ min: 1, max: 255 }), (tx, at, mask) => {
      const encoded = encodeTx(tx)
      expect(decodeTx(encoded)).toEqual(tx)
      expect(decodeTx(concatBytes(encoded, Uint8Array.of(0)))).toBeUndefined()
      expect(decodeTx(encoded.subarray(0, encoded.length - 1))).toBeUndefined()
      const flipped = encoded.slice()
      flipped[at % encoded.length]! ^= mask
      const decoded = decodeTx(flipped)
      if (decoded) {
        expect(encodeTx(decoded)).toEqual(flipped)
        expect(wtxId(decoded)).not.toBe(wtxId(tx))
      }
    }),
  )
})

test('ids and weight: witnesses count in wtxid only, and once in weight', () => {
  fc.assert(
    fc.property(transaction, (tx) => {
      const bare = { ...tx, inputs: tx.inputs.map((one) => ({ ...one, witness: [] })) }
      expect(txId(tx)).toBe(txId(bare))
      expect(txId(bare)).toBe(wtxId(bare))
      expect(txWeight(bare)).toBe(4 * encodeTx(bare).length)
      expect(txWeight(tx)).toBe(3 * encodeTx(bare).length + encodeTx(tx).length)
    }),
    { numRuns: 40 },
  )
})

test('a known transaction id (the genesis coinbase of Bitcoin)', () => {
  const raw =
    '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000'
  const tx = decodeTx(hexToBytes(raw))!
  expect(hexToBytes(txId(tx)).reverse()).toEqual(hexToBytes('4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b'))
  expect(txWeight(tx)).toBe(816)
})

test('encodings that mean the same in more bytes are refused', () => {
  const tx: Tx = {
    version: 2,
    inputs: [{ txid: '01'.repeat(32), index: 0, scriptSig: new Uint8Array(0), sequence: 0, witness: [] }],
    outputs: [{ amount: 1n, script: Uint8Array.of(0x51) }],
    lockTime: 0,
  }
  const bare = bytesToHex(encodeTx(tx))
  expect(decodeTx(hexToBytes(bare))).toEqual(tx)
  // Input count 1 written as fd0100.
  expect(decodeTx(hexToBytes(bare.replace(/^0200000001/, '02000000fd0100')))).toBeUndefined()
  // Segwit marker with an empty witness (BIP144: only when there is one).
  expect(decodeTx(hexToBytes(`${bare.replace(/^02000000/, '020000000001').slice(0, -8)}0000000000`))).toBeUndefined()
  // No inputs, no outputs.
  expect(decodeTx(hexToBytes('02000000000000000000'))).toBeUndefined()
})

test('outputs hash: SHA-256 over the serialised outputs, also with 253 and more of them', () => {
  for (const count of [1, 2, 252, 253, 300]) {
    const outputs = Array.from({ length: count }, (_, i) => ({ amount: BigInt(i), script: Uint8Array.of(0x51, i & 0xff) }))
    const tx: Tx = {
      version: 2,
      inputs: [{ txid: '01'.repeat(32), index: 0, scriptSig: new Uint8Array(0), sequence: 0, witness: [] }],
      outputs,
      lockTime: 9,
    }
    expect(bytesToHex(outputsHash(tx)), `${count} outputs`).toBe(bytesToHex(sha256(...outputs.map(serialised))))
  }
})

test('annex: the last of at least two items that starts with 0x50; the attachment is that of input 0', () => {
  const spend = (...witness: Uint8Array[]) => ({ txid: '01'.repeat(32), index: 0, scriptSig: new Uint8Array(0), sequence: 0, witness })
  const annex = annexWith(Uint8Array.of(7, 8))
  expect(annex).toEqual(Uint8Array.of(0x50, 7, 8))
  expect(annexOf(spend(annex))).toBeUndefined()
  expect(annexOf(spend(new Uint8Array(64), annex))).toEqual(annex)
  expect(annexOf(spend(annex, new Uint8Array(64)))).toBeUndefined()
  expect(annexOf(spend(new Uint8Array(64), new Uint8Array(0)))).toBeUndefined()
  const tx = { version: 2, inputs: [spend(new Uint8Array(64)), spend(new Uint8Array(64), annex)], outputs: [], lockTime: 0 }
  expect(attachmentOf(tx)).toBeUndefined()
  expect(attachmentOf({ ...tx, inputs: [...tx.inputs].reverse() })).toEqual(Uint8Array.of(7, 8))
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      const tx = decodeTx(noise)
      if (tx) expect(encodeTx(tx)).toEqual(noise)
    }),
    { numRuns: 500 },
  )
})
