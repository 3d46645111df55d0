/** Builds the block that a miner would put on the tip: coinbase by A18, then the given transactions. */
import { bitcoinMerkleRoot, bytesToHex, concatBytes, hexToBytes } from '@pouw/crypto'
import {
  type Digest,
  encodeRecord,
  type Header,
  type Hex,
  payToKey,
  recordScript,
  type Tx,
  txId,
  witnessCommitmentScript,
} from '@pouw/primitives'
import { attestRecord, heightPush, verifierPayees, witnessRoot } from './block-rules.ts'
import type { Chain } from './chain.ts'
import { subsidy, verifierFee } from './economics/rewards.ts'
import { layerOver } from './state.ts'
import { applyTransaction } from './transactions.ts'

const ZERO: Hex = '00'.repeat(32)

export interface TemplateOptions {
  readonly ticketId: Hex
  /** Local clock, seconds; raised above the median of the last blocks if need be. */
  readonly timeS: number
  /** Certificate of the tip; empty on genesis. */
  readonly parentCertificate: readonly Digest[]
  /** Valid in this order on the tip (`Mempool.select`). */
  readonly transactions: readonly Tx[]
  /** Up to 32 bytes in the coinbase input. */
  readonly extra: Uint8Array
}

/** Header fields that the work fills in (nonce, hashMsg, hashMsgHist) are zero. @throws RangeError if the ticket is unknown or a transaction does not apply */
export function buildTemplate(chain: Chain, options: TemplateOptions): { readonly header: Header; readonly transactions: readonly Tx[] } {
  const { params } = chain
  const parent = chain.tip()
  const height = parent.height + 1
  const view = chain.view()
  const ticket = view.ticket(options.ticketId)
  if (!ticket) throw new RangeError(`no ticket ${options.ticketId}`)
  const layer = layerOver(chain.state())
  let fees = 0n
  for (const tx of options.transactions) {
    const applied = applyTransaction(layer, tx, { params, height, verified: chain.verified })
    if (!applied.ok) throw new RangeError(`template: transaction ${txId(tx)} does not apply: ${applied.code}`)
    fees += applied.fee
  }
  const payees = verifierPayees(chain.state(), options.parentCertificate, verifierFee(params, parent.height), params)!
  const outputs = (commitment: Uint8Array) => [
    { amount: subsidy(params, height) - verifierFee(params, height) + fees, script: payToKey(ticket.owner) },
    { amount: 0n, script: recordScript(encodeRecord(attestRecord(parent, options.parentCertificate, params))) },
    ...payees,
    { amount: 0n, script: commitment },
  ]
  const coinbase = (commitment: Uint8Array): Tx => ({
    version: 2,
    inputs: [
      {
        txid: ZERO,
        index: 0xffffffff,
        scriptSig: concatBytes(heightPush(height), options.extra),
        sequence: 0xffffffff,
        witness: [new Uint8Array(32)],
      },
    ],
    outputs: outputs(commitment),
    lockTime: 0,
  })
  const commitment = witnessCommitmentScript(witnessRoot([coinbase(new Uint8Array(0)), ...options.transactions]))
  const transactions = [coinbase(commitment), ...options.transactions]
  return {
    header: {
      version: 1,
      hashPrevBlock: parent.id,
      hashMerkleRoot: bytesToHex(bitcoinMerkleRoot(transactions.map((tx) => hexToBytes(txId(tx))))!),
      time: Math.max(options.timeS, chain.medianTime(parent.id) + 1),
      bits: chain.nextBits(parent.id),
      nonce: ZERO,
      hashMsg: ZERO,
      hashMsgHist: ZERO,
    },
    transactions,
  }
}
