import { bytesToHex, ed25519Sign, schnorrPublicKey, sha256, utf8 } from '@pouw/crypto'
import { decodeIterationResult, type IterationResult, type Message, signedBytes } from '@pouw/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { id, NETWORK, TASK } from '../test/group.ts'
import { A, B, TRAINING } from '../test/history.ts'
import { openMessage, sealMessage, sealResult, signedByClient, signedByTicket } from './envelope.ts'

const SECRET = sha256(utf8('wallet of the client'))
const CLIENT = bytesToHex(schnorrPublicKey(SECRET))
const OTHER_NETWORK = '00000000'
const slot = TRAINING.log.slot(2)!

type Unsigned<T> = T extends unknown ? Omit<T, 'signature'> : never
const envelope = { taskId: TASK, sender: A.ticketId, sequence: 7 }
/** One of each kind. */
const MESSAGES: Unsigned<Message>[] = [
  { kind: 'HELLO', ...envelope, peerId: '12D3KooW', addresses: ['/ip4/10.0.0.1/tcp/4000'] },
  { kind: 'TASK_DOC', ...envelope, commitments: [id('segment 0'), id('segment 1')] },
  { kind: 'ASSIGNMENT', ...envelope, batchRoot: id('root'), tableHash: id('table'), batches: 42 },
  { kind: 'READY', ...envelope, initialModelHash: id('model') },
  { kind: 'SLOT', ...envelope, header: slot.header, historyRoot: slot.historyRoot, messageIds: [id('m')] },
  { kind: 'SLOT_SIG', ...envelope, slot: 2, headerHash: id('header'), share: new Uint8Array(96).fill(3) },
  { kind: 'SLOT_FINAL', ...envelope, ...slot, messages: [...slot.messages] },
  { kind: 'PROPOSE', ...envelope, transaction: new Uint8Array(80).fill(1) },
  { kind: 'SIG_SHARE', ...envelope, digest: id('digest'), share: new Uint8Array(96).fill(4) },
  { kind: 'FINAL_MODEL', ...envelope, modelHash: id('model'), lastSequence: 30 },
  { kind: 'TEST_SEGMENTS', ...envelope, indices: [1, 5, 9] },
  { kind: 'REPORT', ...envelope, reportHash: id('report'), salt: id('salt') },
]

const isMessage = (message: Message | IterationResult | undefined): message is Message => message !== undefined && 'kind' in message
const signatureOf = (bytes: Uint8Array) => bytes.subarray(bytes.length - 64)

function accepted(bytes: Uint8Array, key = A.ticket.vrfKey, network = NETWORK): boolean {
  const message = openMessage(bytes)
  return message !== undefined && signedByTicket(network, bytes, message.signature, key)
}

describe('messages', () => {
  for (const message of MESSAGES) {
    test(`${message.kind}: opening gives what was sealed, and the signature holds`, () => {
      const bytes = sealMessage(NETWORK, message, A)
      expect(openMessage(bytes)).toEqual({ ...message, signature: signatureOf(bytes) })
      expect(accepted(bytes)).toBe(true)
      expect(accepted(bytes, B.ticket.vrfKey)).toBe(false)
      expect(accepted(bytes, A.ticket.vrfKey, OTHER_NETWORK)).toBe(false)
    })

    test(`${message.kind}: no byte can change or go missing`, () => {
      const bytes = sealMessage(NETWORK, message, A)
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
          const changed = bytes.slice()
          changed[at]! ^= change
          expect(accepted(changed)).toBe(false)
          expect(accepted(bytes.subarray(0, at))).toBe(false)
          expect(accepted(bytes.subarray(at + 1))).toBe(false)
        }),
        { numRuns: 40 },
      )
      expect(openMessage(Uint8Array.of(...bytes.subarray(0, 60), ...bytes.subarray(60), 0))).toBeUndefined()
    })
  }

  test('the client signs with the key of the escrow', () => {
    const bytes = sealMessage(NETWORK, { ...MESSAGES[1]!, sender: TASK } as Unsigned<Message>, { clientSecret: SECRET })
    const message = openMessage(bytes)
    expect(isMessage(message) && message.sender).toBe(TASK)
    expect(signedByClient(NETWORK, bytes, signatureOf(bytes), CLIENT)).toBe(true)
    expect(signedByClient(OTHER_NETWORK, bytes, signatureOf(bytes), CLIENT)).toBe(false)
    expect(signedByClient(NETWORK, bytes, signatureOf(bytes), A.ticket.owner)).toBe(false)
    expect(signedByTicket(NETWORK, bytes, signatureOf(bytes), A.ticket.vrfKey)).toBe(false)
    const changed = bytes.slice()
    changed[80]! ^= 1
    expect(signedByClient(NETWORK, changed, signatureOf(changed), CLIENT)).toBe(false)
  })

  test('the domain is part of what is signed', () => {
    const bytes = sealMessage(NETWORK, MESSAGES[3]!, A)
    const body = bytes.subarray(0, bytes.length - 64)
    expect(signedByTicket(NETWORK, bytes, ed25519Sign(body, A.ticketSeed), A.ticket.vrfKey)).toBe(false)
    expect(signedByTicket(NETWORK, bytes, ed25519Sign(signedBytes(NETWORK, bytes), A.ticketSeed), A.ticket.vrfKey)).toBe(true)
  })
})

describe('IT_RES is its own envelope', () => {
  const { signature: _, ...unsigned } = TRAINING.result
  const { bytes } = sealResult(NETWORK, unsigned, A.ticketSeed)

  test('opening gives what was sealed', () => {
    expect(openMessage(bytes)).toEqual({ ...unsigned, signature: signatureOf(bytes) })
    expect(openMessage(bytes)).toEqual(decodeIterationResult(bytes))
    expect(accepted(bytes)).toBe(true)
    expect(accepted(bytes, B.ticket.vrfKey)).toBe(false)
    expect(accepted(bytes, A.ticket.vrfKey, OTHER_NETWORK)).toBe(false)
  })

  test('no byte can change or go missing', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.slice()
        changed[at]! ^= change
        expect(accepted(changed)).toBe(false)
        expect(accepted(bytes.subarray(0, at))).toBe(false)
      }),
    )
  })

  test('a task id that looks like its type byte does not confuse the two', () => {
    // The type of an IT_RES stands where another message has byte 28 of the task id.
    const taskId = `${'ab'.repeat(28)}10${'cd'.repeat(3)}`
    const message = { ...MESSAGES[3]!, taskId } as Unsigned<Message>
    const sealed = sealMessage(NETWORK, message, A)
    expect(sealed[34]).toBe(0x10)
    expect(openMessage(sealed)).toEqual({ ...message, signature: signatureOf(sealed) })
    const { bytes: result } = sealResult(NETWORK, { ...unsigned, taskId }, A.ticketSeed)
    expect(openMessage(result)).toMatchObject({ taskId, sequence: unsigned.sequence, endModelHash: unsigned.endModelHash })
  })
})

test('arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(openMessage(bytes)).toBeUndefined()
    }),
  )
})
