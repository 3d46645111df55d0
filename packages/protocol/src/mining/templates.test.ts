import { buildPayment, createChain } from '@pouw/chain'
import { encodeHeader, headerId, zeroNonceHash } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import { BRAIN, MINER_TICKET, newContext, START_MS } from '../../test/node.ts'
import { createTemplateSource, extraNonce, makeTemplate } from './templates.ts'

const NOTHING = new Uint8Array(0)
const blocks = { certificateOf: () => [] } as never

describe('template', () => {
  test('is what the first 76 bytes of the block will be', () => {
    const { context } = newContext()
    const template = makeTemplate(context, blocks, MINER_TICKET, NOTHING)
    expect(template.parentId).toBe(context.chain.tip().id)
    expect(template.header.hashPrevBlock).toBe(template.parentId)
    expect(template.zeroNonceHeader).toEqual(encodeHeader(template.header).subarray(0, 76))
    const mined = { ...template.header, nonce: '07'.repeat(32), hashMsg: '08'.repeat(32), hashMsgHist: '09'.repeat(32) }
    expect(encodeHeader(mined).subarray(0, 76)).toEqual(template.zeroNonceHeader)
    expect(zeroNonceHash(mined)).toBe(template.zeroNonceHash)
    expect(headerId(mined)).not.toBe(headerId(template.header))
  })

  test('makes a block that the ledger accepts', () => {
    const { context } = newContext()
    const { header, transactions } = makeTemplate(context, blocks, MINER_TICKET, NOTHING)
    const work = { kind: 'filler', ticketId: MINER_TICKET } as never
    expect(createChain(BRAIN.genesis).checkBody({ header, transactions, work, parentCertificate: [] })).toEqual({ ok: true })
  })

  test('differs with the extra bytes, so that every filler run has a seed of its own', () => {
    const { context } = newContext()
    const hashes = [0, 1, 2, 255, 256].map((counter) => makeTemplate(context, blocks, MINER_TICKET, extraNonce(counter)).zeroNonceHash)
    expect(new Set(hashes).size).toBe(5)
    expect(makeTemplate(context, blocks, MINER_TICKET, extraNonce(1)).zeroNonceHash).toBe(hashes[1])
  })

  test('is for a ticket that exists', () => {
    expect(() => makeTemplate(newContext().context, blocks, 'ab'.repeat(32), NOTHING)).toThrow(RangeError)
  })
})

test('a counter is eight big-endian bytes', () => {
  expect(extraNonce(0)).toEqual(new Uint8Array(8))
  expect(extraNonce(0x0102)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2))
})

describe('template of training', () => {
  test('serves until the second or the waiting transactions change', () => {
    const { context } = newContext()
    const source = createTemplateSource(context, blocks)
    const first = source.current(MINER_TICKET)
    context.nowMs += 400
    expect(source.current(MINER_TICKET)).toBe(first)
    context.nowMs = START_MS + 1000
    const second = source.current(MINER_TICKET)
    expect(second.header.time).toBe(first.header.time + 1)

    const { walletSecret: secret, walletPublic: publicKey } = BRAIN.keys
    const payment = buildPayment(context.chain.view(), { secret, publicKey }, publicKey, 5000n, context.params.minTxFee, new Set())
    expect(context.mempool.add(payment)).toEqual({ ok: true })
    const third = source.current(MINER_TICKET)
    expect(third.header.time).toBe(second.header.time)
    expect(third.transactions).toEqual([third.transactions[0], payment])
    expect(third.zeroNonceHash).not.toBe(second.zeroNonceHash)
    expect(source.current(MINER_TICKET)).toBe(third)
  })
})
