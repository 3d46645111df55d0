/**
 * Block templates: what a miner would put into a block on the current tip (spec 10.3).
 * One template serves until the tip, the clock's second or the waiting transactions change.
 */

import { buildTemplate } from '@pouw/chain'
import { hexToBytes } from '@pouw/crypto'
import { encodeHeader, type Header, type Hex, type Tx, ZERO_NONCE_HEADER_BYTES, zeroNonceHash } from '@pouw/primitives'
import type { Blocks } from '../blocks.ts'
import type { Context } from '../context.ts'

export interface Template {
  readonly parentId: Hex
  readonly header: Header
  readonly transactions: readonly Tx[]
  readonly zeroNonceHeader: Uint8Array
  readonly zeroNonceHash: Hex
}

/** @param extra up to 32 bytes in the coinbase input that make the template differ from the last one; filler runs need a fresh seed each */
export function makeTemplate(context: Context, blocks: Blocks, ticketId: Hex, extra: Uint8Array): Template {
  const { chain, mempool, params } = context
  const parentId = chain.tip().id
  const { header, transactions } = buildTemplate(chain, {
    ticketId,
    timeS: Math.floor(context.nowMs / 1000),
    parentCertificate: blocks.certificateOf(parentId),
    transactions: mempool.select(params.maxBlockBytes - BLOCK_RESERVE),
    extra,
  })
  return {
    parentId,
    header,
    transactions,
    zeroNonceHeader: encodeHeader(header).subarray(0, ZERO_NONCE_HEADER_BYTES),
    zeroNonceHash: zeroNonceHash(header),
  }
}

/** Room for coinbase and the work's evidence, which travel in the same block. */
const BLOCK_RESERVE = 16_384

/** A counter as coinbase bytes. */
export function extraNonce(counter: number): Uint8Array {
  return hexToBytes(counter.toString(16).padStart(16, '0'))
}

/** Caches the template of training: equal until tip, second or mempool change. */
export function createTemplateSource(context: Context, blocks: Blocks): { current(ticketId: Hex): Template } {
  let cached: { key: string; template: Template } | undefined
  return {
    current(ticketId) {
      const key = `${context.chain.tip().id}:${Math.floor(context.nowMs / 1000)}:${context.mempool.size}:${ticketId}`
      if (cached?.key !== key) cached = { key, template: makeTemplate(context, blocks, ticketId, new Uint8Array(0)) }
      return cached.template
    },
  }
}
