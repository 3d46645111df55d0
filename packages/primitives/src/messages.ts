/**
 * Protocol messages other than IT_RES (spec 15.1): one envelope, one body layout per kind.
 *
 *   version u16 | network id 4 | task id 32 | type u8 | sender 32 | sequence u32 | body | signature 64
 *
 * The sender is a ticket id; the client, who has none, sends as the task id and signs with the escrow key (A23).
 */
import * as P from 'micro-packed'
import { bytesUpTo, type Coder, decodeStrict, type Hex, hash32, hexBytes, listOf } from './codec.ts'
import { MESSAGE_VERSION, RESULT_TYPE } from './iteration-result.ts'
import { LIMITS } from './limits.ts'
import { certificateCoder, slotHeaderCoder } from './slots.ts'

const SIGNATURE_BYTES = 64
const SHARE = P.bytes(96)

/** UTF-8 behind a u8 length. */
function text(max: number): Coder<string> {
  return P.validate(P.string(P.U8), (value) => {
    if (value.length > max) throw new RangeError(`expected at most ${max} characters, received ${value.length}`)
    return value
  })
}

const BODIES = {
  /** Binds a ticket (or client) to a libp2p identity and says where to find it. */
  HELLO: P.struct({ peerId: text(80), addresses: listOf(text(120), 4) }),
  /** The client's segment commitments, whose root is in 01. The document itself travels in the transaction. */
  TASK_DOC: P.struct({ commitments: listOf(hash32, 255) }),
  /** Batch table: Merkle root, SHA-256 of the table blob (batch hashes one after the other), number of batches. */
  ASSIGNMENT: P.struct({ batchRoot: hash32, tableHash: hash32, batches: P.U32LE }),
  READY: P.struct({ initialModelHash: hash32 }),
  SLOT: P.struct({ header: slotHeaderCoder, historyRoot: hash32, messageIds: listOf(hash32, 4096) }),
  SLOT_SIG: P.struct({ slot: P.U32LE, headerHash: hash32, share: SHARE }),
  SLOT_FINAL: P.struct({
    header: slotHeaderCoder,
    historyRoot: hash32,
    certificate: certificateCoder,
    messages: listOf(bytesUpTo(LIMITS.resultBytes), 4096),
  }),
  /** A multi-party transaction that waits for the group's signature. */
  PROPOSE: P.struct({ transaction: bytesUpTo(LIMITS.transactionBytes) }),
  SIG_SHARE: P.struct({ digest: hash32, share: SHARE }),
  FINAL_MODEL: P.struct({ modelHash: hash32, lastSequence: P.U32LE }),
  TEST_SEGMENTS: P.struct({ indices: listOf(P.U8, 255) }),
  /** The salt of an evaluator's commitment, shown after all have committed. */
  REPORT: P.struct({ reportHash: hash32, salt: hexBytes(32) }),
} as const

export const MESSAGE_TYPES = {
  HELLO: 0x01,
  TASK_DOC: 0x02,
  ASSIGNMENT: 0x05,
  READY: 0x06,
  IT_RES: RESULT_TYPE,
  SLOT: 0x20,
  SLOT_SIG: 0x21,
  SLOT_FINAL: 0x22,
  PROPOSE: 0x30,
  SIG_SHARE: 0x31,
  FINAL_MODEL: 0x40,
  TEST_SEGMENTS: 0x41,
  REPORT: 0x42,
} as const satisfies { [K in keyof typeof BODIES | 'IT_RES']: number }

export type MessageKind = keyof typeof BODIES

type Body<K extends MessageKind> = P.UnwrapCoder<(typeof BODIES)[K]>

interface Envelope {
  readonly taskId: Hex
  readonly sender: Hex
  readonly sequence: number
  readonly signature: Uint8Array
}

/** A decoded message: `kind`, the envelope's fields, and those of its body. */
export type Message<K extends MessageKind = MessageKind> = {
  [T in K]: { readonly kind: T } & Envelope & { readonly [F in keyof Body<T>]: Body<T>[F] }
}[K]

const envelope = P.struct({
  version: P.magic(P.U16LE, MESSAGE_VERSION),
  networkId: hexBytes(4),
  taskId: hash32,
  type: P.U8,
  sender: hash32,
  sequence: P.U32LE,
})
const ENVELOPE_BYTES = 2 + 4 + 32 + 1 + 32 + 4

const KINDS = new Map<number, MessageKind>((Object.keys(BODIES) as MessageKind[]).map((kind) => [MESSAGE_TYPES[kind], kind]))
const LARGE: ReadonlySet<MessageKind> = new Set(['SLOT', 'SLOT_FINAL', 'PROPOSE'])

/** @throws RangeError or Error of the codec if a field is out of range */
export function encodeMessage(networkId: Hex, message: Message): Uint8Array {
  const { kind, taskId, sender, sequence, signature, ...body } = message
  if (signature.length !== SIGNATURE_BYTES)
    throw new RangeError(`expected a signature of ${SIGNATURE_BYTES} bytes, received ${signature.length}`)
  const head = envelope.encode({ version: undefined, networkId, taskId, type: MESSAGE_TYPES[kind], sender, sequence } as never)
  const tail = (BODIES[kind] as unknown as Coder<unknown>).encode(body)
  const bytes = new Uint8Array(head.length + tail.length + SIGNATURE_BYTES)
  bytes.set(head)
  bytes.set(tail, head.length)
  bytes.set(signature, head.length + tail.length)
  return bytes
}

/** Undefined unless the bytes are one well-formed message of this network. */
export function decodeMessage(bytes: Uint8Array, networkId?: Hex): Message | undefined {
  if (bytes.length < ENVELOPE_BYTES + SIGNATURE_BYTES) return undefined
  const head = decodeStrict(envelope, bytes.subarray(0, ENVELOPE_BYTES), ENVELOPE_BYTES)
  const kind = head && KINDS.get(head.type)
  if (!kind || (networkId !== undefined && head.networkId !== networkId)) return undefined
  const max = LARGE.has(kind) ? LIMITS.largeMessageBytes : LIMITS.messageBytes
  const body = decodeStrict(BODIES[kind] as unknown as Coder<object>, bytes.subarray(ENVELOPE_BYTES, bytes.length - SIGNATURE_BYTES), max)
  if (!body) return undefined
  const { taskId, sender, sequence } = head
  return { kind, taskId, sender, sequence, signature: bytes.slice(bytes.length - SIGNATURE_BYTES), ...body } as unknown as Message
}
