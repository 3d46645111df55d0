/**
 * What a dishonest group can make: the keys of a miner and of its supervisors are all here, so a forged message stands in a slot that
 * carries a true certificate. Only checks that look at the work itself can refuse it.
 */
import { bls, bytesToHex, concatBytes, ed25519Sign, hexToBytes, merkleRoot, schnorrSign, utf8 } from '@pouw/crypto'
import {
  type Block,
  batchBytes,
  blockId,
  coreHash,
  decodeIterationResult,
  encodeIterationResult,
  encodeMessage,
  type Hex,
  type IterationResult,
  type Message,
  messageId,
  modelSizes,
  type SlotHeader,
  signatureHash,
  signedBytes,
  slotHeaderHash,
  slotLeaf,
  slotSigningHash,
  type TaskDocument,
  type TaskWork,
  type Tx,
  type TxOutput,
} from '@pouw/primitives'
import { nonceAt, nonceZero, tryBudget } from '@pouw/protocol'
import { fillerMessageHash } from '@pouw/training'
import type { OperatorKeys, Past } from './past.ts'

type TaskBlock = Block & { readonly work: TaskWork }

export function isTaskBlock(block: Block): block is TaskBlock {
  return block.work.kind === 'task'
}

export function keysOfTicket(past: Past, vrfKey: Hex): OperatorKeys {
  return past.identities.find(({ keys }) => keys.ticketPublic === vrfKey)!.keys
}

/** The honest block with its message changed as given, recorded and certified anew, mined on its first nonce. */
export function forgeResult(
  past: Past,
  honest: TaskBlock,
  miner: OperatorKeys,
  supervisors: readonly OperatorKeys[],
  change: (result: IterationResult) => Partial<IterationResult>,
): Block {
  const { work } = honest
  const result = decodeIterationResult(work.result)!
  const forged: IterationResult = { ...result, ...change(result) }
  const message = signResult(past.networkId, forged, miner)
  const header: SlotHeader = {
    ...work.resultSlot.inSlot.header,
    root: bytesToHex(merkleRoot([slotLeaf(messageId(message))])),
  }
  const digest = slotSigningHash(slotHeaderHash(header), work.resultSlot.historyRoot)
  const signature = bls.aggregateSignatures(supervisors.map(({ blsSecret }) => bls.sign(blsSecret, digest)))!
  const certificate = { signers: 2 ** supervisors.length - 1, signature }
  return {
    ...honest,
    header: {
      ...honest.header,
      hashMsg: coreHash(forged),
      nonce: bytesToHex(nonceAt(nonceZero(forged.endModelHash, forged.map), 0)),
    },
    work: {
      ...work,
      result: message,
      resultSlot: { inSlot: { header, index: 0, size: 1, path: [] }, historyRoot: work.resultSlot.historyRoot, certificate },
    },
  }
}

function signResult(networkId: Hex, result: IterationResult, { ticketSeed }: OperatorKeys): Uint8Array {
  const unsigned = encodeIterationResult({ ...result, signature: new Uint8Array(64) })
  const signature = ed25519Sign(signedBytes(networkId, unsigned), ticketSeed)
  return encodeIterationResult({ ...result, signature })
}

/** Tries that one iteration of the document earns: `a` of spec 10.2. */
export function budgetOf(past: Past, document: TaskDocument): number {
  const { params } = past.identities[0]!.config.genesis
  const sizes = modelSizes(document)
  return tryBudget(params, batchBytes(document), sizes.params, document.ml.batch, sizes.products)
}

/** The honest block with its work's first nonce but `j`. */
export function withNonce(honest: TaskBlock, j: number): Block {
  const { endModelHash, map } = decodeIterationResult(honest.work.result)!
  return { ...honest, header: { ...honest.header, nonce: bytesToHex(nonceAt(nonceZero(endModelHash, map), j)) } }
}

/** A filler block by the same ticket on the same transactions whose run never happened. */
export function fillerWithoutWork(honest: TaskBlock, miner: OperatorKeys, nonce?: Hex): Block {
  const { ticketId } = decodeIterationResult(honest.work.result)!
  const endModelHash = 'ab'.repeat(32)
  const endResidualHash = 'cd'.repeat(32)
  const map = Uint8Array.of(3, 0, 0, 0)
  const header = {
    ...honest.header,
    hashMsg: fillerMessageHash(ticketId, 1, endModelHash, endResidualHash, map),
    hashMsgHist: '00'.repeat(32),
    nonce: nonce ?? bytesToHex(nonceAt(nonceZero(endModelHash, map), 0)),
  }
  const work = { kind: 'filler' as const, ticketId, iteration: 1, endModelHash, endResidualHash, map }
  const unsigned: Block = { ...honest, header, work: { ...work, signature: new Uint8Array(64) } }
  const signature = ed25519Sign(concatBytes(utf8('POUW-BLOCK-v1'), hexToBytes(blockId(unsigned))), miner.ticketSeed)
  return { ...unsigned, work: { ...work, signature } }
}

type Unsigned<T> = T extends unknown ? Omit<T, 'signature'> : never

/** A message under a ticket's key. */
export function signMessage(networkId: Hex, message: Unsigned<Message>, { ticketSeed }: OperatorKeys): Uint8Array {
  const unsigned = { ...message, signature: new Uint8Array(64) } as Message
  const signature = ed25519Sign(signedBytes(networkId, encodeMessage(networkId, unsigned)), ticketSeed)
  return encodeMessage(networkId, { ...unsigned, signature })
}

/** The transaction with its inputs signed anew, so that nothing but the change is wrong with it. */
export function signInputs(tx: Tx, prevouts: readonly TxOutput[], { walletSecret }: OperatorKeys): Tx {
  return {
    ...tx,
    inputs: tx.inputs.map((input, index) => ({
      ...input,
      witness: [schnorrSign(signatureHash(tx, index, prevouts), walletSecret), ...input.witness.slice(1)],
    })),
  }
}
