import { bytesToHex, sha256d } from '@pouw/crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type ChainRecord,
  checkRecord,
  decodeRecord,
  encodeRecord,
  RECORD_CODES,
  type RecordType,
  taskIdOf,
  ticketIdOf,
} from './records.ts'

const ZERO = '00'.repeat(32)
const hex = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(bytesToHex)
const id = hex(32)
const u8 = fc.integer({ min: 0, max: 255 })
const u16 = fc.integer({ min: 0, max: 65_535 })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const head = { flags: u16, taskId: id }
const global = { flags: u16, taskId: fc.constant(ZERO) }
const one = <T extends RecordType>(type: T) => fc.constant(type)

const RECORDS: { readonly [T in RecordType]: fc.Arbitrary<ChainRecord<T>> } = {
  PAY_FOR_TASK: fc.record({
    type: one('PAY_FOR_TASK'),
    ...global,
    documentHash: id,
    segmentsRoot: id,
    fee: u64,
    modelSize: u32,
    batchBytes: u32,
    epochs: u16,
    minersWanted: u16,
    supervisorsWanted: u8,
    evaluatorsWanted: u8,
    segments: u8,
    testSegments: u8,
    tau: fc.float({ noNaN: true, noDefaultInfinity: true }),
    deadline: u32,
    family: u16,
    optimiser: u16,
    backupMiners: u8,
    backupSupervisors: u8,
    backupEvaluators: u8,
    minStake: u64,
  }),
  BUY_TICKETS: fc.record({
    type: one('BUY_TICKETS'),
    ...global,
    role: u8,
    count: u8,
    vrfKey: id,
    blsKey: hex(48),
    preferences: hex(16),
    families: u32,
    price: u64,
    expiry: u32,
  }),
  PARTICIPATE: fc.record({ type: one('PARTICIPATE'), ...head, ticketId: id, proof: hex(80), role: u8, similarity: u16 }),
  DKG_SUCCESSFUL: fc.record({
    type: one('DKG_SUCCESSFUL'),
    ...head,
    groupKey: hex(48),
    n: u8,
    t: u8,
    qualified: u16,
    commitmentsRoot: id,
    transcriptHash: id,
  }),
  MESSAGE_HISTORY: fc.record({
    type: one('MESSAGE_HISTORY'),
    ...head,
    term: u32,
    firstSlot: u32,
    lastSlot: u32,
    historyRoot: id,
    messages: u32,
    previousRoot: id,
    logHash: id,
    signers: u32,
  }),
  BLOCK_ATTEST: fc.record({
    type: one('BLOCK_ATTEST'),
    ...global,
    blockId: id,
    digestsRoot: id,
    verdict: u8,
    count: u8,
    bitSet: u16,
    height: u32,
    feeTotal: u64,
  }),
  CHARGE_FOR_TASK: fc.record({
    type: one('CHARGE_FOR_TASK'),
    ...head,
    reportHash: id,
    winnerHash: id,
    payoutsRoot: id,
    totalPaid: u64,
    confiscated: u64,
    payees: u16,
  }),
  REPLACE: fc.record({
    type: one('REPLACE'),
    ...head,
    oldTicket: id,
    newTicket: id,
    reason: u8,
    role: u8,
    firstSlot: u32,
    evidenceRoot: id,
  }),
  CONFISCATE: fc.record({ type: one('CONFISCATE'), ...head, ticketId: id, evidenceRoot: id, reason: u8, amount: u64 }),
  TEST_REVEAL: fc.record({ type: one('TEST_REVEAL'), ...head, testRoot: id, keyHash: id, bitSet: u16 }),
  EVAL_COMMIT: fc.record({ type: one('EVAL_COMMIT'), ...head, ticketId: id, commitment: id }),
}
const TYPES = Object.keys(RECORD_CODES) as RecordType[]

/** Puts the right checksum on altered bytes, so that the checks behind it are reached. */
function resealed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy.set(sha256d(copy.subarray(0, 156)).subarray(0, 4), 156)
  return copy
}

const at = (bytes: Uint8Array, offset: number, value: number) => {
  const copy = bytes.slice()
  copy[offset] = value
  return copy
}

const code = (bytes: Uint8Array) => {
  const verdict = checkRecord(bytes)
  return verdict.ok ? 'ok' : verdict.code
}

test.each(TYPES)('%s: round trip, no single changed byte decodes to the same record', (type) => {
  fc.assert(
    fc.property(RECORDS[type], fc.integer({ min: 0, max: 159 }), fc.integer({ min: 1, max: 255 }), (record, offset, mask) => {
      const bytes = encodeRecord(record)
      expect(bytes.length).toBe(160)
      expect(bytes[5]).toBe(RECORD_CODES[type])
      expect(decodeRecord(bytes)).toEqual(record)

      const flipped = at(bytes, offset, bytes[offset]! ^ mask)
      expect(decodeRecord(flipped)).toBeUndefined()
      expect(checkRecord(flipped).ok).toBe(false)

      // A forger computes the checksum too: then the record is refused or says something else, and has one encoding.
      if (offset < 156) {
        const forged = resealed(flipped)
        const decoded = decodeRecord(forged)
        expect(decoded).not.toEqual(record)
        if (decoded) expect(encodeRecord(decoded)).toEqual(forged)
      }
    }),
    { numRuns: 60 },
  )
})

test('every byte of every type belongs to a field or is checked as reserved', () => {
  for (const type of TYPES) {
    const [record] = fc.sample(RECORDS[type] as fc.Arbitrary<ChainRecord>, { numRuns: 1, seed: 7 }) as [ChainRecord]
    const bytes = encodeRecord(record)
    for (let offset = 0; offset < 156; offset++) {
      const forged = resealed(at(bytes, offset, bytes[offset]! ^ 1))
      const decoded = decodeRecord(forged)
      if (decoded) expect(encodeRecord(decoded), `${type} byte ${offset}`).toEqual(forged)
      expect(decoded, `${type} byte ${offset}`).not.toEqual(record)
    }
  }
})

test('checkRecord names what is wrong', () => {
  const good = encodeRecord({
    type: 'EVAL_COMMIT',
    flags: 0,
    taskId: '01'.repeat(32),
    ticketId: '02'.repeat(32),
    commitment: '03'.repeat(32),
  })
  expect(code(good)).toBe('ok')
  expect(code(good.subarray(1))).toBe('record-length')
  expect(code(resealed(at(good, 0, 0x51)))).toBe('record-magic')
  expect(code(resealed(at(good, 4, 2)))).toBe('record-version')
  expect(code(at(good, 159, good[159]! ^ 1))).toBe('record-checksum')
  for (const type of [0, 12, 255]) expect(code(resealed(at(good, 5, type)))).toBe('record-type')
  for (const offset of [104, 130, 155]) expect(code(resealed(at(good, offset, 1)))).toBe('record-reserved')
})

test('types 01, 02 and 06 belong to no task, and tau is a number', () => {
  for (const type of ['PAY_FOR_TASK', 'BUY_TICKETS', 'BLOCK_ATTEST'] as const) {
    const [record] = fc.sample(RECORDS[type] as fc.Arbitrary<ChainRecord>, { numRuns: 1, seed: 1 })
    expect(code(resealed(at(encodeRecord(record!), 39, 1)))).toBe('record-task-id')
  }
  const [task] = fc.sample(RECORDS.PAY_FOR_TASK, { numRuns: 1, seed: 1 })
  for (const tau of [Number.NaN, Infinity, -Infinity]) expect(code(encodeRecord({ ...task!, tau }))).toBe('record-field')
})

test('a field out of range is misuse', () => {
  const [task] = fc.sample(RECORDS.PAY_FOR_TASK, { numRuns: 1, seed: 1 })
  for (const wrong of [{ fee: -1n }, { fee: 2n ** 64n }, { epochs: 65_536 }, { tau: 0.1 }, { documentHash: '00' }]) {
    expect(() => encodeRecord({ ...task!, ...wrong }), JSON.stringify(Object.keys(wrong))).toThrow()
  }
})

test('random bytes behind a good frame never throw, and what decodes has one encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 160, maxLength: 160 }), fc.integer({ min: 1, max: 11 }), (noise, type) => {
      noise.set([0x50, 0x55, 0x57, 0x31, 1, type])
      const bytes = resealed(noise)
      const decoded = decodeRecord(bytes)
      expect(checkRecord(bytes).ok).toBe(decoded !== undefined)
      if (decoded) expect(encodeRecord(decoded)).toEqual(bytes)
    }),
  )
})

test('ids: SHA256d over txid and u32 output index, little-endian (A19)', () => {
  const txid = '11'.repeat(32)
  const by = (index: number) => bytesToHex(sha256d(new Uint8Array([...new Uint8Array(32).fill(0x11), index, 0, 0, 0])))
  expect(taskIdOf(txid)).toBe(by(0))
  expect(ticketIdOf(txid, 3)).toBe(by(3))
})
