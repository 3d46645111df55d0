/** Check 3 of spec 10.6: Merkle root, transactions, coinbase; and what a whole block does to the state (A18). */
import { bitcoinMerkleRoot, bytesToHex, equalBytes, hexToBytes, merkleRoot } from '@pouw/crypto'
import {
  type Block,
  type ChainRecord,
  type Digest,
  decodeIterationResult,
  decodeRecord,
  encodeDigest,
  encodeRecord,
  encodeTx,
  type Hex,
  type NetworkParams,
  OK,
  parseScript,
  payToKey,
  recordScript,
  refuse,
  type Tx,
  type TxOutput,
  txId,
  type Verdict,
  witnessCommitmentScript,
  wtxId,
} from '@pouw/primitives'
import { subsidy, verifierFee } from './economics/rewards.ts'
import { type Layer, layerOver, outpointKey, type State } from './state.ts'
import { advanceTasks } from './tasks.ts'
import { applyTransaction, type VerifiedCache } from './transactions.ts'

const ZERO: Hex = '00'.repeat(32)
const NO_INDEX = 0xffffffff
const EXTRA_BYTES_MAX = 32

/** The ticket that mined a block; undefined if its message is malformed. */
export function minerTicket(block: Block): Hex | undefined {
  return block.work.kind === 'filler' ? block.work.ticketId : decodeIterationResult(block.work.result)?.ticketId
}

export interface Parent {
  readonly id: Hex
  readonly height: number
  readonly state: State
}

/** Checks a block's body on its parent's state; on success the layer is the state after the block. */
export function applyBlock(
  block: Block,
  id: Hex,
  parent: Parent,
  params: NetworkParams,
  verified: VerifiedCache,
): { readonly ok: true; readonly layer: Layer } | (Verdict & { readonly ok: false }) {
  const fail = (verdict: Verdict & { ok: false }) => ({ ...verdict, check: 3 })
  const { transactions } = block
  const height = parent.height + 1
  if (transactions.length === 0) return fail(refuse('block-empty'))
  const size = transactions.reduce((sum, tx) => sum + encodeTx(tx).length, 0)
  if (size > params.maxBlockBytes) return fail(refuse('block-size'))
  const root = bitcoinMerkleRoot(transactions.map((tx) => hexToBytes(txId(tx))))
  if (!root || bytesToHex(root) !== block.header.hashMerkleRoot) return fail(refuse('merkle-root'))
  const layer = layerOver(parent.state)
  let fees = 0n
  let tickets = 0
  for (const tx of transactions.slice(1)) {
    const applied = applyTransaction(layer, tx, { params, height, verified })
    // In a block "maybe later" is as wrong as "never".
    if (!applied.ok) return fail({ ...applied, action: 'reject', detail: applied.detail ?? txId(tx) })
    fees += applied.fee
    tickets += newTickets(tx)
  }
  if (tickets > params.maxNewTicketsPerBlock) return fail(refuse('tickets-per-block'))
  const coinbase = checkCoinbase(block, parent, params, fees)
  if (!coinbase.ok) return fail(coinbase)
  const coinbaseId = txId(transactions[0]!)
  transactions[0]!.outputs.forEach((output, index) => {
    const { kind } = parseScript(output.script)
    if (kind === 'key') layer.coins.set(outpointKey(coinbaseId, index), { ...output, height, coinbase: true })
  })
  advanceTasks(layer, height, id, params)
  return { ok: true, layer }
}

/** Tickets that a transaction buys. */
export function newTickets(tx: Tx): number {
  for (const output of tx.outputs) {
    const script = parseScript(output.script)
    const record = script.kind === 'record' ? decodeRecord(script.record) : undefined
    if (record?.type === 'BUY_TICKETS') return record.count
  }
  return 0
}

/** Outputs: 0 the miner, 1 record 06 for the parent, 2.. the parent's verifiers, last the witness commitment (A18). */
function checkCoinbase(block: Block, parent: Parent, params: NetworkParams, fees: bigint): Verdict {
  const coinbase = block.transactions[0]!
  const height = parent.height + 1
  const input = coinbase.inputs[0]!
  if (coinbase.inputs.length !== 1 || input.txid !== ZERO || input.index !== NO_INDEX || coinbase.lockTime !== 0)
    return refuse('coinbase-input')
  const prefix = heightPush(height)
  if (!equalBytes(input.scriptSig.subarray(0, prefix.length), prefix) || input.scriptSig.length > prefix.length + EXTRA_BYTES_MAX)
    return refuse('coinbase-height')
  if (input.witness.length !== 1 || !equalBytes(input.witness[0]!, new Uint8Array(32))) return refuse('coinbase-witness')
  const miner = minerTicket(block)
  const owner = miner && parent.state.tickets.get(miner)?.owner
  if (!owner) return refuse('coinbase-ticket')
  const payees = verifierPayees(parent.state, block.parentCertificate, verifierFee(params, parent.height), params)
  if (!payees) return refuse('coinbase-certificate')
  const { outputs } = coinbase
  if (outputs.length !== 3 + payees.length) return refuse('coinbase-outputs')
  const reward = outputs[0]!
  if (!equalBytes(reward.script, payToKey(owner))) return refuse('coinbase-payee')
  if (reward.amount < 0n || reward.amount > subsidy(params, height) - verifierFee(params, height) + fees) return refuse('coinbase-value')
  if (
    outputs[1]!.amount !== 0n ||
    !equalBytes(outputs[1]!.script, recordScript(encodeRecord(attestRecord(parent, block.parentCertificate, params))))
  ) {
    return refuse('coinbase-attest')
  }
  for (const [index, payee] of payees.entries()) {
    const output = outputs[2 + index]!
    if (output.amount !== payee.amount || !equalBytes(output.script, payee.script)) return refuse('coinbase-verifiers')
  }
  const last = outputs.at(-1)!
  if (last.amount !== 0n || !equalBytes(last.script, witnessCommitmentScript(witnessRoot(block.transactions))))
    return refuse('coinbase-commitment')
  return OK
}

/** Merkle root over the wtxids, the coinbase counting as zero (BIP141). */
export function witnessRoot(transactions: readonly Tx[]): Hex {
  return bytesToHex(bitcoinMerkleRoot(transactions.map((tx, index) => (index === 0 ? new Uint8Array(32) : hexToBytes(wtxId(tx)))))!)
}

/** One equal share of v(h-1) for each digest, floor; undefined if a ticket is unknown. */
export function verifierPayees(state: State, certificate: readonly Digest[], fee: bigint, params: NetworkParams): TxOutput[] | undefined {
  const share = fee / BigInt(params.verifierQuorum)
  const payees: TxOutput[] = []
  for (const digest of certificate) {
    const owner = state.tickets.get(digest.ticketId)?.owner
    if (!owner) return undefined
    payees.push({ amount: share, script: payToKey(owner) })
  }
  return payees
}

/** Record 06 of a child: the certificate of its parent (A12, A18). Genesis has none: count 0, root of the empty tree. */
export function attestRecord(
  parent: { readonly id: Hex; readonly height: number },
  certificate: readonly Digest[],
  params: NetworkParams,
): ChainRecord<'BLOCK_ATTEST'> {
  return {
    type: 'BLOCK_ATTEST',
    flags: 0,
    taskId: ZERO,
    blockId: parent.id,
    digestsRoot: bytesToHex(merkleRoot(certificate.map(encodeDigest))),
    verdict: 1,
    count: certificate.length,
    bitSet: (1 << certificate.length) - 1,
    height: parent.height,
    feeTotal: verifierFee(params, parent.height),
  }
}

/** BIP34: the height as a minimal script push. */
export function heightPush(height: number): Uint8Array {
  if (height === 0) return Uint8Array.of(0)
  if (height <= 16) return Uint8Array.of(0x50 + height)
  const bytes: number[] = []
  for (let rest = height; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  if (bytes.at(-1)! >= 0x80) bytes.push(0)
  return Uint8Array.of(bytes.length, ...bytes)
}
