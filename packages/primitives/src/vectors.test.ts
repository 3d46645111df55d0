import { bytesToHex, hexToBytes, sha256 } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { decodeAddress, encodeAddress } from './address.ts'
import { type Block, decodeBlock, encodeBlock } from './block.ts'
import { decodeTaskDocument, encodeTaskDocument, parseTaskDocument } from './document.ts'
import { coreHash, decodeIterationResult, encodeIterationResult, type IterationResult } from './iteration-result.ts'
import { decodeMessage, encodeMessage, type Message } from './messages.ts'
import { checkRecord, decodeRecord, encodeRecord } from './records.ts'
import { asert, bitsToTarget, targetToBits } from './target.ts'
import { decodeTx, encodeTx, outputsHash, signatureHash, txId } from './transaction.ts'
import { deriveKeys, deriveWalletPath } from './wallet.ts'

const h = (byte: string) => byte.repeat(32)

test('vector R1: MESSAGE_HISTORY checksum (spec 10.8)', () => {
  const record = {
    type: 'MESSAGE_HISTORY',
    flags: 0,
    taskId: h('02'),
    term: 1,
    firstSlot: 0,
    lastSlot: 9,
    historyRoot: h('03'),
    messages: 1234,
    previousRoot: h('04'),
    logHash: h('05'),
    signers: 15,
  } as const
  const bytes = encodeRecord(record)
  expect(bytesToHex(bytes.subarray(156))).toBe('f0914f5c')
  expect(decodeRecord(bytes)).toEqual(record)
  for (let i = 0; i < 160; i++) {
    const flipped = bytes.slice()
    flipped[i]! ^= 1
    expect(checkRecord(flipped).ok, `byte ${i}`).toBe(false)
  }
})

const result: IterationResult = {
  taskId: h('00'),
  ticketId: h('01'),
  sequence: 7,
  epoch: 1,
  batchIndex: 3,
  batchHash: h('02'),
  startModelHash: h('03'),
  endModelHash: h('04'),
  startResidualHash: h('05'),
  endResidualHash: h('06'),
  peerCut: 9,
  peerHash: h('07'),
  map: hexToBytes('0300008002010000'),
  loss: 0.5,
  accuracy: Math.fround(0.1),
  rate: Math.fround(0.1),
  tau: 12,
  overdrive: 3,
  startedMs: 1,
  finishedMs: 2 ** 40,
  commitment: h('08'),
  previousHash: h('09'),
  signature: new Uint8Array(64).fill(7),
}

test('IT_RES round trip, core without the free fields', () => {
  const bytes = encodeIterationResult(result)
  expect(bytes.length).toBe(2 + 32 + 1 + 32 + 4 + 2 + 4 + 5 * 32 + 4 + 32 + 4 + 8 + 16 + 4 + 16 + 32 + 32 + 64)
  expect(decodeIterationResult(bytes)).toEqual(result)
  expect(coreHash({ ...result, overdrive: 0, startedMs: 5, commitment: h('aa') } as IterationResult)).toBe(coreHash(result))
  expect(coreHash({ ...result, loss: 0.25 })).not.toBe(coreHash(result))
  expect(decodeIterationResult(bytes.subarray(1))).toBeUndefined()
  expect(decodeIterationResult(encodeIterationResult({ ...result, map: hexToBytes('0201000003000080') }))).toBeUndefined()
})

test('messages round trip', () => {
  const header = { taskId: h('01'), term: 0, slot: 1, timeMs: 5, previous: h('02'), root: h('03') }
  const message: Message = {
    kind: 'SLOT_FINAL',
    taskId: h('01'),
    sender: h('02'),
    sequence: 9,
    signature: new Uint8Array(64),
    header,
    historyRoot: h('04'),
    certificate: { signers: 7, signature: new Uint8Array(96) },
    messages: [Uint8Array.of(1, 2)],
  }
  const bytes = encodeMessage('00010203', message)
  expect(decodeMessage(bytes)).toEqual(message)
  expect(decodeMessage(bytes, '00010204')).toBeUndefined()
})

test('compact targets', () => {
  expect(bitsToTarget(486604799)!.toString(16)).toBe('ffff0000000000000000000000000000000000000000000000000000')
  expect(bitsToTarget(33479866)).toBeUndefined()
  expect(targetToBits(bitsToTarget(0x1f3fffff)!)).toBe(0x1f3fffff)
  expect(asert({ height: 0, time: 0, bits: 0x1d00ffff }, 0, 0, 600, 172800, bitsToTarget(0x1d00ffff)!)).toBeLessThanOrEqual(0x1d00ffff)
})

test('BIP39, BIP86 and bech32m vectors', () => {
  const words = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
  // BIP86: first receiving key of this phrase.
  expect(deriveWalletPath(words, '', "m/86'/0'/0'/0/0").pubkey).toBe('cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115')
  expect(deriveKeys(words).walletPublic).toBe('a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c')
  expect(encodeAddress('bc', 1, hexToBytes(deriveKeys(words).walletPublic))).toBe(
    'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr',
  )
  expect(decodeAddress('bc', 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr')!.version).toBe(1)
  expect(decodeAddress('bc', 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcq')).toBeUndefined()
})

test('transactions: BIP341 wallet vector, input 3 (key path, sighash default)', () => {
  const raw =
    '02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c010000000000000000d7b7cab57b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000000000fffffffff8e1f583384333689228c5d28eac13366be082dc57441760d957275419a418420000000000fffffffff0689180aa63b30cb162a73c6d2a38b7eeda2a83ece74310fda0843ad604853b0100000000feffffffaa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba6c0000000000feffffff956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32acd050000000000000000000e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d5f4c94010000000000000000e9aa6b8e6c9de67619e6a3924ae25696bb7b694bb677a632a74ef7eadfd4eabf0000000000ffffffffa778eb6a263dc090464cd125c466b5a99667720b1c110468831d058aa1b82af10100000000ffffffff0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa11f241244a37ecc88ac807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fcdefcc9a663f78bab962b0065cd1d'
  const tx = decodeTx(hexToBytes(raw))!
  expect(bytesToHex(encodeTx(tx))).toBe(raw)
  expect(tx.inputs.length).toBe(9)
  expect(bytesToHex(outputsHash(tx))).toBe('a2e6dab7c1f0dcd297c8d61647fd17d821541ea69c3cc37dcbad7f90d4eb4bc5')
  const prevouts = (
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
  expect(bytesToHex(signatureHash(tx, 4, prevouts))).toBe('4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef')
  expect(txId(tx)).toHaveLength(64)
})

export const tinyDocument = {
  version: 1,
  name: 'tiny',
  payment: { fee: '1000000', quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
  profile: 'f32',
  ml: {
    dataset: {
      name: 'tiny',
      format: 'synthetic',
      samples: 1000,
      features: 16,
      classes: 4,
      scale: 1 / 255,
      files: [],
      segments: 10,
      testSegments: 3,
    },
    model: {
      type: 'dense',
      layers: [{ id: 'out', nodes: 4, activation: 'identity' }],
      loss: 'softmax-cross-entropy',
      initializer: { name: 'xavier', magnitude: 2.24, seed: 's' },
    },
    optimizer: { type: 'sgd', rate: 0.1, warmup: 0, tau: 12, peerScale: 1 },
    validation: { method: 'none' },
    'evaluation-metrics': ['accuracy', 'cross-entropy'],
    batch: 20,
    epochs: 2,
    staleness: 2,
  },
  workers: {
    miners: 3,
    supervisors: 4,
    evaluators: 2,
    backups: { miners: 0, supervisors: 0, evaluators: 0 },
    minStake: 1,
    family: 1,
    deadline: 100,
    epsilonBp: 2500,
    slotMs: 50,
  },
}

test('task documents: one encoding, errors name the path', () => {
  const document = parseTaskDocument(tinyDocument)
  const bytes = encodeTaskDocument(document)
  expect(decodeTaskDocument(bytes)).toEqual({ ok: true, document })
  for (let i = 0; i < bytes.length; i++) {
    const flipped = bytes.slice()
    flipped[i]! ^= 0x20
    const decoded = decodeTaskDocument(flipped)
    if (decoded.ok) expect(bytesToHex(sha256(encodeTaskDocument(decoded.document))), `byte ${i}`).toBe(bytesToHex(sha256(flipped)))
  }
  expect(() => parseTaskDocument({ ...tinyDocument, extra: 1 })).toThrow('unknown key "extra"')
  expect(() => parseTaskDocument({ ...tinyDocument, ml: { ...tinyDocument.ml, batch: 0 } })).toThrow('ml.batch')
})

test('blocks round trip and refuse trailing bytes', () => {
  const block: Block = {
    header: {
      version: 1,
      hashPrevBlock: h('01'),
      hashMerkleRoot: h('02'),
      time: 3,
      bits: 4,
      nonce: h('05'),
      hashMsg: h('06'),
      hashMsgHist: h('07'),
    },
    transactions: [],
    work: {
      kind: 'filler',
      ticketId: h('08'),
      iteration: 3,
      endModelHash: h('09'),
      endResidualHash: h('0a'),
      map: new Uint8Array(4),
      signature: new Uint8Array(64),
    },
    parentCertificate: [],
  }
  const bytes = encodeBlock(block)
  expect(decodeBlock(bytes)).toEqual(block)
  const longer = new Uint8Array(bytes.length + 1)
  longer.set(bytes)
  expect(decodeBlock(longer)).toBeUndefined()
})
