/** One encoding per object, for every codec of the package: round trip, changed, cut and longer bytes, noise. */
import { bytesToHex, concatBytes } from '@pouw/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Block,
  type Bundle,
  decodeBlock,
  decodeBundle,
  decodeCertifiedBlock,
  decodeCertifiedBlocks,
  encodeBlock,
  encodeBundle,
  encodeCertifiedBlock,
  encodeCertifiedBlocks,
  type RecordedMessage,
} from './block.ts'
import { type Digest, decodeDigest, digestSignedBytes, encodeDigest } from './digest.ts'
import { decodeHeader, encodeHeader, type Header, headerId, printHash, zeroNonceHash } from './header.ts'
import { coreHash, decodeIterationResult, encodeIterationResult, type IterationResult, messageId, signedBytes } from './iteration-result.ts'
import { decodeMessage, encodeMessage, MESSAGE_TYPES, type Message, type MessageKind } from './messages.ts'
import { decodeReport, decodeSettlement, encodeReport, encodeSettlement, type Report } from './report.ts'
import { decodeCertificate, decodeSlotHeader, encodeCertificate, encodeSlotHeader, type SlotHeader } from './slots.ts'
import type { Tx } from './transaction.ts'
import { decodeMap, encodeMap } from './update-map.ts'

const NETWORK = '00010203'
const raw = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const hex = (length: number) => raw(length).map(bytesToHex)
const id = hex(32)
const u8 = fc.integer({ min: 0, max: 255 })
const u16 = fc.integer({ min: 0, max: 65_535 })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const ms = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const f32 = fc.float({ noNaN: true, noDefaultInfinity: true })
const blob = fc.uint8Array({ maxLength: 40 })
const list = <T>(item: fc.Arbitrary<T>, maxLength = 3) => fc.array(item, { maxLength })

const map = fc
  .uniqueArray(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { maxLength: 8 })
  .chain((indices) => fc.tuple(fc.constant(indices), fc.array(fc.boolean(), { minLength: indices.length, maxLength: indices.length })))
  .map(([indices, ups]) => encodeMap(Uint32Array.from(indices.sort((a, b) => a - b).map((index, i) => (ups[i] ? index + 2 ** 31 : index)))))

const header: fc.Arbitrary<Header> = fc.record({
  version: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  hashPrevBlock: id,
  hashMerkleRoot: id,
  time: u32,
  bits: u32,
  nonce: id,
  hashMsg: id,
  hashMsgHist: id,
})
const slotHeader: fc.Arbitrary<SlotHeader> = fc.record({ taskId: id, term: u32, slot: u32, timeMs: ms, previous: id, root: id })
const certificate = fc.record({ signers: u16, signature: raw(96) })
const digest: fc.Arbitrary<Digest> = fc.record({
  networkId: hex(4),
  height: u32,
  blockId: id,
  round: u8,
  verdict: fc.constantFrom(0, 1),
  failingCheck: u8,
  gradientHash: id,
  ticketId: id,
  proof: raw(80),
  signature: raw(64),
})
const result: fc.Arbitrary<IterationResult> = fc.record({
  taskId: id,
  ticketId: id,
  sequence: u32,
  epoch: u16,
  batchIndex: u32,
  batchHash: id,
  startModelHash: id,
  endModelHash: id,
  startResidualHash: id,
  endResidualHash: id,
  peerCut: u32,
  peerHash: id,
  map,
  loss: f32,
  accuracy: f32,
  rate: f32,
  tau: f32,
  overdrive: u32,
  startedMs: ms,
  finishedMs: ms,
  commitment: id,
  previousHash: id,
  signature: raw(64),
})
const report: fc.Arbitrary<Report> = fc.record({
  slots: u32,
  miners: list(fc.record({ ticket: id, rank: u16, recorded: u32, modelHash: id, loss: f32, accuracy: f32 })),
  supervisors: list(fc.record({ ticket: id, signed: u32 })),
  evaluators: list(id),
})
const tx: fc.Arbitrary<Tx> = fc.record({
  version: fc.constant(2),
  inputs: fc.array(fc.record({ txid: id, index: u32, scriptSig: blob, sequence: u32, witness: list(blob, 2) }), {
    minLength: 1,
    maxLength: 2,
  }),
  outputs: fc.array(fc.record({ amount: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), script: blob }), { minLength: 1, maxLength: 2 }),
  lockTime: u32,
})
const inSlot = fc.record({ header: slotHeader, index: u32, size: u32, path: list(id) })
const recorded: fc.Arbitrary<RecordedMessage> = fc.record({ message: blob, inSlot, inHistory: fc.record({ size: u32, path: list(id) }) })
const work: fc.Arbitrary<Block['work']> = fc.oneof(
  fc.record({
    kind: fc.constant('filler' as const),
    ticketId: id,
    iteration: u32,
    endModelHash: id,
    endResidualHash: id,
    map,
    signature: raw(64),
  }),
  fc.record({
    kind: fc.constant('task' as const),
    result: blob,
    resultSlot: fc.record({ inSlot, historyRoot: id, certificate }),
    previous: blob,
    cut: fc.record({ header: slotHeader, certificate }),
    commitment: recorded,
    peers: list(recorded, 2),
    bundle: id,
  }),
)
const block: fc.Arbitrary<Block> = fc.record({ header, transactions: list(tx, 2), work, parentCertificate: list(digest, 2) })
const certified = fc.record({ block, certificate: list(digest, 2) })
const bundle: fc.Arbitrary<Bundle> = fc.record({
  assignment: recorded,
  slots: list(fc.record({ header: slotHeader, messages: list(blob) }), 2),
})

interface Codec<T> {
  readonly value: fc.Arbitrary<T>
  readonly encode: (value: T) => Uint8Array
  readonly decode: (bytes: Uint8Array) => T | undefined
}

function codec<T>(value: fc.Arbitrary<T>, encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T | undefined): Codec<unknown> {
  return { value, encode, decode } as Codec<unknown>
}

const words = codec(
  map.map((bytes) => decodeMap(bytes)!),
  encodeMap,
  decodeMap,
)

const CODECS: Record<string, Codec<unknown>> = {
  header: codec(header, encodeHeader, decodeHeader),
  'slot header': codec(slotHeader, encodeSlotHeader, decodeSlotHeader),
  certificate: codec(certificate, encodeCertificate, decodeCertificate),
  digest: codec(digest, encodeDigest, decodeDigest),
  'iteration result': codec(result, encodeIterationResult, decodeIterationResult),
  report: codec(report, encodeReport, decodeReport),
  block: codec(block, encodeBlock, decodeBlock),
  'certified block': codec(certified, encodeCertifiedBlock, decodeCertifiedBlock),
  'certified blocks': codec(list(certified, 2), (blocks) => encodeCertifiedBlocks(blocks), decodeCertifiedBlocks),
  bundle: codec(bundle, encodeBundle, decodeBundle),
  'update map': words,
}

const share = raw(96)
const text = fc.string({ maxLength: 20 })
const BODIES: { readonly [K in MessageKind]: fc.Arbitrary<object> } = {
  HELLO: fc.record({ peerId: text, addresses: list(text) }),
  TASK_DOC: fc.record({ commitments: list(id) }),
  ASSIGNMENT: fc.record({ batchRoot: id, tableHash: id, batches: u32 }),
  READY: fc.record({ initialModelHash: id }),
  SLOT: fc.record({ header: slotHeader, historyRoot: id, messageIds: list(id) }),
  SLOT_SIG: fc.record({ slot: u32, headerHash: id, share }),
  SLOT_FINAL: fc.record({ header: slotHeader, historyRoot: id, certificate, messages: list(blob) }),
  PROPOSE: fc.record({ transaction: blob }),
  SIG_SHARE: fc.record({ digest: id, share }),
  FINAL_MODEL: fc.record({ modelHash: id, lastSequence: u32 }),
  TEST_SEGMENTS: fc.record({ indices: list(u8) }),
  REPORT: fc.record({ reportHash: id, salt: id }),
}
for (const kind of Object.keys(BODIES) as MessageKind[]) {
  const message = fc
    .tuple(fc.record({ taskId: id, sender: id, sequence: u32, signature: raw(64) }), BODIES[kind])
    .map(([envelope, body]) => ({ kind, ...envelope, ...body }) as unknown as Message)
  CODECS[`message ${kind}`] = codec(
    message,
    (value) => encodeMessage(NETWORK, value),
    (bytes) => decodeMessage(bytes, NETWORK),
  )
}

describe.each(Object.entries(CODECS))('%s', (name, { value, encode, decode }) => {
  test('round trip; trailing, missing and changed bytes never give the same object', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 1, max: 255 }), (object, at, mask) => {
        const bytes = encode(object)
        expect(decode(bytes)).toEqual(object)
        if (name !== 'update map') {
          expect(decode(concatBytes(bytes, Uint8Array.of(0)))).toBeUndefined()
          expect(decode(bytes.subarray(0, bytes.length - 1))).toBeUndefined()
        }
        if (bytes.length === 0) return
        const changed = bytes.slice()
        changed[at % bytes.length]! ^= mask
        const decoded = decode(changed)
        if (decoded !== undefined) {
          // Accepted, so it is the one encoding of something else.
          expect(bytesToHex(encode(decoded))).toBe(bytesToHex(changed))
          expect(decoded).not.toEqual(object)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('noise never throws', () => {
    const [sample] = fc.sample(value, { numRuns: 1, seed: 3 })
    const template = encode(sample)
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // A good beginning, so that the inner fields are reached.
      fc
        .tuple(fc.nat(template.length), fc.uint8Array({ maxLength: 200 }))
        .map(([keep, tail]) => concatBytes(template.subarray(0, keep), tail)),
    )
    fc.assert(
      fc.property(noise, (bytes) => {
        const decoded = decode(bytes)
        if (decoded !== undefined) expect(bytesToHex(encode(decoded))).toBe(bytesToHex(bytes))
      }),
      { numRuns: 200 },
    )
  })
})

test('a settlement is a report with one salt per evaluator', () => {
  fc.assert(
    fc.property(report, (one) => {
      const salts = one.evaluators.map((_, index) => new Uint8Array(32).fill(index))
      const bytes = encodeSettlement(one, salts)
      expect(decodeSettlement(bytes)).toEqual({ report: one, salts })
      expect(decodeSettlement(encodeSettlement(one, [...salts, new Uint8Array(32)]))).toBeUndefined()
      if (salts.length > 0) expect(decodeSettlement(encodeSettlement(one, salts.slice(1)))).toBeUndefined()
      expect(decodeSettlement(bytes.subarray(1))).not.toEqual({ report: one, salts })
    }),
    { numRuns: 40 },
  )
})

test('report bytes (A21): counts u16, u8, u8', () => {
  const one: Report = {
    slots: 0x01020304,
    miners: [{ ticket: '11'.repeat(32), rank: 1, recorded: 2, modelHash: '22'.repeat(32), loss: 0.5, accuracy: 1 }],
    supervisors: [{ ticket: '33'.repeat(32), signed: 9 }],
    evaluators: ['44'.repeat(32)],
  }
  expect(bytesToHex(encodeReport(one))).toBe(
    [
      '04030201',
      '0100',
      '11'.repeat(32),
      '0100',
      '02000000',
      '22'.repeat(32),
      '0000003f',
      '0000803f',
      '01',
      '33'.repeat(32),
      '09000000',
      '01',
      '44'.repeat(32),
    ].join(''),
  )
})

test('header: 172 bytes in the order of 10.1; the zero-nonce hash covers the first 76', () => {
  const one: Header = {
    version: 1,
    hashPrevBlock: '00'.repeat(32),
    hashMerkleRoot: '3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a',
    time: 1_231_006_505,
    bits: 0x1d00ffff,
    nonce: `${'00'.repeat(31)}07`,
    hashMsg: '0a'.repeat(32),
    hashMsgHist: '0b'.repeat(32),
  }
  const bytes = bytesToHex(encodeHeader(one))
  // The first 76 bytes are Bitcoin's own: here those of its genesis block.
  expect(bytes).toBe(`01000000${one.hashPrevBlock}${one.hashMerkleRoot}29ab5f49ffff001d${one.nonce}${one.hashMsg}${one.hashMsgHist}`)
  fc.assert(
    fc.property(header, id, id, id, (any, nonce, hashMsg, hashMsgHist) => {
      const other = { ...any, nonce, hashMsg, hashMsgHist }
      expect(zeroNonceHash(other)).toBe(zeroNonceHash(any))
      if (encodeHeader(other).some((byte, index) => byte !== encodeHeader(any)[index])) expect(headerId(other)).not.toBe(headerId(any))
    }),
    { numRuns: 30 },
  )
  expect(printHash('0102')).toBe('0201')
})

test('IT_RES: which hash covers which byte (A13)', () => {
  const FREE = new Set(['overdrive', 'startedMs', 'finishedMs', 'commitment', 'signature'])
  const [one, other] = fc.sample(result, { numRuns: 2, seed: 11 }) as [IterationResult, IterationResult]
  for (const field of Object.keys(one) as (keyof IterationResult)[]) {
    const changed = { ...one, [field]: other[field] } as IterationResult
    expect(coreHash(changed) === coreHash(one), field).toBe(FREE.has(field))
    expect(messageId(encodeIterationResult(changed)) === messageId(encodeIterationResult(one)), field).toBe(field === 'signature')
  }
  const bytes = encodeIterationResult(one)
  expect(signedBytes(NETWORK, bytes)).toEqual(
    concatBytes(new TextEncoder().encode('POUW-MSG-v1'), Uint8Array.of(0, 1, 2, 3), bytes.subarray(0, bytes.length - 64)),
  )
})

test('IT_RES: NaN, infinities and times beyond 2^53 are refused', () => {
  const [one] = fc.sample(result, { numRuns: 1, seed: 5 })
  const bytes = encodeIterationResult({ ...one!, map: new Uint8Array(0), loss: 1 })
  const lossAt = 2 + 32 + 1 + 32 + 4 + 2 + 4 + 5 * 32 + 4 + 32 + 4
  const put = (offset: number, tail: number[]) => {
    const copy = bytes.slice()
    copy.set(tail, offset)
    return decodeIterationResult(copy)
  }
  expect(put(lossAt, [0, 0, 0, 0x40])?.loss).toBe(2)
  for (const bits of [
    [0, 0, 0x80, 0x7f],
    [0, 0, 0x80, 0xff],
    [0, 0, 0xc0, 0x7f],
    [1, 0, 0x80, 0x7f],
  ])
    expect(put(lossAt, bits)).toBeUndefined()
  expect(put(lossAt + 20, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0])?.startedMs).toBe(Number.MAX_SAFE_INTEGER)
  expect(put(lossAt + 20, [0, 0, 0, 0, 0, 0, 0x20, 0])).toBeUndefined()
  expect(() => encodeIterationResult({ ...one!, loss: Number.NaN })).toThrow()
})

test('update maps: order, duplicates and length', () => {
  expect(bytesToHex(encodeMap(Uint32Array.of(0x80000003, 258)))).toBe('0300008002010000')
  const decode = (...list: number[]) => decodeMap(encodeMap(Uint32Array.from(list)))
  expect(decode(1, 0x80000002, 3)).toEqual(Uint32Array.of(1, 0x80000002, 3))
  expect(decode(2, 1)).toBeUndefined()
  expect(decode(1, 0x80000001)).toBeUndefined()
  expect(decode(0x7fffffff)).toEqual(Uint32Array.of(0x7fffffff))
  expect(decodeMap(new Uint8Array(3))).toBeUndefined()
  expect(decodeMap(new Uint8Array(0))).toEqual(new Uint32Array(0))
  // A view that is not aligned to words.
  expect(decodeMap(Uint8Array.of(9, 3, 0, 0, 0x80).subarray(1))).toEqual(Uint32Array.of(0x80000003))
})

test('message types are distinct, and an unknown type, version or network is refused', () => {
  expect(new Set(Object.values(MESSAGE_TYPES)).size).toBe(Object.keys(MESSAGE_TYPES).length)
  const ready: Message = {
    kind: 'READY',
    taskId: '01'.repeat(32),
    sender: '02'.repeat(32),
    sequence: 1,
    signature: new Uint8Array(64),
    initialModelHash: '03'.repeat(32),
  }
  const bytes = encodeMessage(NETWORK, ready)
  const at = (offset: number, value: number) => {
    const copy = bytes.slice()
    copy[offset] = value
    return decodeMessage(copy, NETWORK)
  }
  expect(at(38, MESSAGE_TYPES.READY)).toEqual(ready)
  expect(at(38, 0xee)).toBeUndefined()
  expect(at(38, MESSAGE_TYPES.IT_RES)).toBeUndefined()
  expect(at(0, 2)).toBeUndefined()
  expect(at(2, 9)).toBeUndefined()
  expect(() => encodeMessage(NETWORK, { ...ready, signature: new Uint8Array(63) })).toThrow(RangeError)
})

test('texts: invalid UTF-8 is refused, no byte order mark is dropped', () => {
  const hello = (peerId: string): Message => ({
    kind: 'HELLO',
    taskId: '01'.repeat(32),
    sender: '02'.repeat(32),
    sequence: 1,
    signature: new Uint8Array(64),
    peerId,
    addresses: [],
  })
  const bytes = encodeMessage(NETWORK, hello('abc'))
  const with3 = (...three: number[]) => {
    const copy = bytes.slice()
    copy.set(three, 2 + 4 + 32 + 1 + 32 + 4 + 1)
    return decodeMessage(copy, NETWORK)
  }
  expect(with3(0x78, 0x79, 0x7a)).toEqual(hello('xyz'))
  expect(with3(0xff, 0x61, 0x61)).toBeUndefined()
  expect(with3(0xed, 0xa0, 0x80)).toBeUndefined()
  expect(with3(0xc0, 0x80, 0x61)).toBeUndefined()
  expect(with3(0xef, 0xbb, 0xbf)).toEqual(hello('\u{feff}'))
  expect(() => encodeMessage(NETWORK, hello('x'.repeat(81)))).toThrow()
})

test('digest: 251 bytes, the domain and all fields but the signature are signed (A18)', () => {
  const [one, other] = fc.sample(digest, { numRuns: 2, seed: 2 }) as [Digest, Digest]
  expect(encodeDigest(one).length).toBe(251)
  expect(digestSignedBytes(one)).toEqual(concatBytes(new TextEncoder().encode('POUW-DIGEST-v1'), encodeDigest(one).subarray(0, 187)))
  const resigned: Digest = { ...one, signature: other.signature }
  expect(digestSignedBytes(resigned)).toEqual(digestSignedBytes(one))
  expect(() => encodeDigest({ ...one, verdict: 2 })).toThrow()
})
