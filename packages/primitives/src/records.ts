/**
 * The 160-byte record (spec 4.2), field names of A28. All integers little-endian, hashes raw; reserved bytes are zero and checked.
 *
 *   0 magic "PUW1" | 4 layout version 1 | 5 type | 6 flags u16 | 8 task id | 40 body (116) | 156 first 4 bytes of SHA256d(0..155)
 */
import { equalBytes, hexToBytes, sha256d, sha256dHex, u32le } from '@pouw/crypto'
import * as P from 'micro-packed'
import { type Coder, decodeStrict, type Hex, hash32, hexBytes, reserved } from './codec.ts'
import { OK, refuse, type Verdict } from './verdict.ts'

export const RECORD_BYTES = 160
const BODY_BYTES = 116
const CHECKED_BYTES = 156

/** 32-byte ids shared by transactions: SHA256d(txid || u32 output index). Task id: index 0; ticket id: its stake output (A19). */
export function outputId(txid: Hex, index: number): Hex {
  return sha256dHex(hexToBytes(txid), u32le(index))
}

export function taskIdOf(txid: Hex): Hex {
  return outputId(txid, 0)
}

export function ticketIdOf(txid: Hex, index: number): Hex {
  return outputId(txid, index)
}

/** Type 01. */
const payForTask = P.struct({
  documentHash: hash32,
  segmentsRoot: hash32,
  fee: P.U64LE,
  modelSize: P.U32LE,
  batchBytes: P.U32LE,
  epochs: P.U16LE,
  minersWanted: P.U16LE,
  supervisorsWanted: P.U8,
  evaluatorsWanted: P.U8,
  segments: P.U8,
  testSegments: P.U8,
  tau: P.F32LE,
  deadline: P.U32LE,
  family: P.U16LE,
  optimiser: P.U16LE,
  backupMiners: P.U8,
  backupSupervisors: P.U8,
  backupEvaluators: P.U8,
  reservedBackups: reserved(1),
  minStake: P.U64LE,
  reserved: reserved(4),
})

/** Type 02. */
const buyTickets = P.struct({
  role: P.U8,
  count: P.U8,
  reserved: reserved(2),
  vrfKey: hash32,
  blsKey: hexBytes(48),
  preferences: hexBytes(16),
  families: P.U32LE,
  price: P.U64LE,
  expiry: P.U32LE,
})

/** Type 03. */
const participate = P.struct({ ticketId: hash32, proof: hexBytes(80), role: P.U8, reserved: reserved(1), similarity: P.U16LE })

/** Type 04. */
const dkgSuccessful = P.struct({
  groupKey: hexBytes(48),
  n: P.U8,
  t: P.U8,
  qualified: P.U16LE,
  commitmentsRoot: hash32,
  transcriptHash: hash32,
})

/** Type 05. */
const messageHistory = P.struct({
  term: P.U32LE,
  firstSlot: P.U32LE,
  lastSlot: P.U32LE,
  historyRoot: hash32,
  messages: P.U32LE,
  previousRoot: hash32,
  logHash: hash32,
  signers: P.U32LE,
})

/** Type 06. */
const blockAttest = P.struct({
  blockId: hash32,
  digestsRoot: hash32,
  verdict: P.U8,
  count: P.U8,
  bitSet: P.U16LE,
  height: P.U32LE,
  feeTotal: P.U64LE,
  reserved: reserved(36),
})

/** Type 07. */
const chargeForTask = P.struct({
  reportHash: hash32,
  winnerHash: hash32,
  payoutsRoot: hash32,
  totalPaid: P.U64LE,
  confiscated: P.U64LE,
  payees: P.U16LE,
  reserved: reserved(2),
})

/** Type 08. */
const replace = P.struct({
  oldTicket: hash32,
  newTicket: hash32,
  reason: P.U8,
  role: P.U8,
  reservedRole: reserved(2),
  firstSlot: P.U32LE,
  evidenceRoot: hash32,
  reserved: reserved(12),
})

/** Type 09. */
const confiscate = P.struct({
  ticketId: hash32,
  evidenceRoot: hash32,
  reason: P.U8,
  reservedReason: reserved(3),
  amount: P.U64LE,
  reserved: reserved(40),
})

/** Type 0A. */
const testReveal = P.struct({ testRoot: hash32, keyHash: hash32, bitSet: P.U16LE, reserved: reserved(50) })

/** Type 0B. */
const evalCommit = P.struct({ ticketId: hash32, commitment: hash32, reserved: reserved(52) })

const BODIES = {
  PAY_FOR_TASK: payForTask,
  BUY_TICKETS: buyTickets,
  PARTICIPATE: participate,
  DKG_SUCCESSFUL: dkgSuccessful,
  MESSAGE_HISTORY: messageHistory,
  BLOCK_ATTEST: blockAttest,
  CHARGE_FOR_TASK: chargeForTask,
  REPLACE: replace,
  CONFISCATE: confiscate,
  TEST_REVEAL: testReveal,
  EVAL_COMMIT: evalCommit,
} as const

export const RECORD_CODES = {
  PAY_FOR_TASK: 1,
  BUY_TICKETS: 2,
  PARTICIPATE: 3,
  DKG_SUCCESSFUL: 4,
  MESSAGE_HISTORY: 5,
  BLOCK_ATTEST: 6,
  CHARGE_FOR_TASK: 7,
  REPLACE: 8,
  CONFISCATE: 9,
  TEST_REVEAL: 10,
  EVAL_COMMIT: 11,
} as const satisfies { [K in keyof typeof BODIES]: number }

export type RecordType = keyof typeof BODIES

type Body<K extends RecordType> = Omit<
  P.UnwrapCoder<(typeof BODIES)[K]>,
  'reserved' | 'reservedBackups' | 'reservedRole' | 'reservedReason'
>

/** A decoded record: `type`, `flags`, `taskId` (zero in 01, 02 and 06), and the fields of its type. */
export type ChainRecord<K extends RecordType = RecordType> = {
  [T in K]: { readonly type: T; readonly flags: number; readonly taskId: Hex } & { readonly [F in keyof Body<T>]: Body<T>[F] }
}[K]

const frame = P.struct({
  magic: P.magicBytes(Uint8Array.of(0x50, 0x55, 0x57, 0x31)),
  version: P.magic(P.U8, 1),
  type: P.U8,
  flags: P.U16LE,
  taskId: hash32,
  body: P.bytes(BODY_BYTES),
})

/** @throws RangeError or Error of the codec if a field is out of range */
export function encodeRecord(record: ChainRecord): Uint8Array {
  const { type, flags, taskId, ...body } = record
  const coder = BODIES[type] as unknown as Coder<unknown>
  const bytes = new Uint8Array(RECORD_BYTES)
  bytes.set(
    frame.encode({ magic: undefined, version: undefined, type: RECORD_CODES[type], flags, taskId, body: coder.encode(body) } as never),
  )
  bytes.set(sha256d(bytes.subarray(0, CHECKED_BYTES)).subarray(0, 4), CHECKED_BYTES)
  return bytes
}

const ZERO_ID: Hex = '00'.repeat(32)

/** Records that stand before or outside any task: 01 and 02 (4.2), 06 (A18). */
const TASKLESS: ReadonlySet<RecordType> = new Set(['PAY_FOR_TASK', 'BUY_TICKETS', 'BLOCK_ATTEST'])

/** Undefined unless `checkRecord` accepts the bytes. */
export function decodeRecord(bytes: Uint8Array): ChainRecord | undefined {
  const opened = open(bytes)
  return 'record' in opened ? opened.record : undefined
}

/** Says which rule of the frame or body a record breaks. */
export function checkRecord(bytes: Uint8Array): Verdict {
  const opened = open(bytes)
  return 'record' in opened ? OK : refuse(opened.code)
}

function open(bytes: Uint8Array): { readonly record: ChainRecord } | { readonly code: string } {
  if (bytes.length !== RECORD_BYTES) return { code: 'record-length' }
  if (!equalBytes(bytes.subarray(0, 4), Uint8Array.of(0x50, 0x55, 0x57, 0x31))) return { code: 'record-magic' }
  if (bytes[4] !== 1) return { code: 'record-version' }
  if (!equalBytes(sha256d(bytes.subarray(0, CHECKED_BYTES)).subarray(0, 4), bytes.subarray(CHECKED_BYTES)))
    return { code: 'record-checksum' }
  const type = (Object.keys(RECORD_CODES) as RecordType[]).find((name) => RECORD_CODES[name] === bytes[5])
  if (!type) return { code: 'record-type' }
  const outer = decodeStrict(frame, bytes.subarray(0, CHECKED_BYTES), CHECKED_BYTES)
  const body = outer && decodeStrict(BODIES[type] as unknown as Coder<Record<string, unknown>>, outer.body, BODY_BYTES)
  // Of all field types only reserved bytes can fail to decode: integers and hashes take any value.
  if (!outer || !body) return { code: 'record-reserved' }
  const { reserved: _r, reservedBackups: _b, reservedRole: _o, reservedReason: _e, ...fields } = body
  if (TASKLESS.has(type) && outer.taskId !== ZERO_ID) return { code: 'record-task-id' }
  if (type === 'PAY_FOR_TASK' && !Number.isFinite(fields.tau as number)) return { code: 'record-field' }
  return { record: { type, flags: outer.flags, taskId: outer.taskId, ...fields } as ChainRecord }
}
