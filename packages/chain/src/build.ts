/** Makes the transactions of the protocol: coin selection, change back to the owner, deterministic signatures. Pure. */
import { hexToBytes, schnorrSign } from '@pouw/crypto'
import type { NetworkParams } from '@pouw/primitives'
import {
  annexWith,
  type Certificate,
  type ChainRecord,
  decodeReport,
  encodeCertificate,
  encodeRecord,
  encodeSettlement,
  encodeTaskDocument,
  escrowScript,
  type Hex,
  payToKey,
  recordOfDocument,
  recordScript,
  signatureHash,
  stakeScript,
  type TaskDocument,
  type Tx,
  type TxInput,
  type TxOutput,
  taskIdOf,
  txId,
} from '@pouw/primitives'
import { bondOf } from './economics/rewards.ts'
import { outpointKey, type State } from './state.ts'
import { chargeRecord, settlementOf, settlementOutputs } from './transactions.ts'
import type { OwnedCoin, View } from './view.ts'

export interface Signer {
  readonly secret: Uint8Array
  readonly publicKey: Hex
}

const ZERO: Hex = '00'.repeat(32)
const FINAL = 0xffffffff
const NO_SCRIPT = new Uint8Array(0)

/** @throws RangeError if the owner's free coins do not cover the sum */
function selectCoins(view: View, owner: Hex, needed: bigint, reserved: ReadonlySet<string>): OwnedCoin[] {
  const free = view.coinsOf(owner).filter((coin) => coin.spendable && !reserved.has(outpointKey(coin.txid, coin.index)))
  free.sort((a, b) => (a.amount > b.amount ? -1 : a.amount < b.amount ? 1 : a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.index - b.index))
  const chosen: OwnedCoin[] = []
  let sum = 0n
  // The smallest single coin that is enough leaves the large ones free for the next transaction.
  const single = free.filter((coin) => coin.amount >= needed).at(-1)
  if (single) return [single]
  for (const coin of free) {
    chosen.push(coin)
    sum += coin.amount
    if (sum >= needed) return chosen
  }
  throw new RangeError(`not enough free coins: need ${needed} base units, have ${sum}`)
}

interface Draft {
  readonly outputs: readonly TxOutput[]
  readonly fee: bigint
  /** Goes into the annex of input 0. */
  readonly attachment?: Uint8Array
}

function fund(view: View, signer: Signer, draft: Draft, reserved: ReadonlySet<string>): Tx {
  const total = draft.outputs.reduce((sum, output) => sum + output.amount, draft.fee)
  const coins = selectCoins(view, signer.publicKey, total, reserved)
  const change = coins.reduce((sum, coin) => sum + coin.amount, 0n) - total
  const outputs = change > 0n ? [...draft.outputs, { amount: change, script: payToKey(signer.publicKey) }] : draft.outputs
  const inputs: TxInput[] = coins.map(({ txid, index }) => ({ txid, index, scriptSig: NO_SCRIPT, sequence: FINAL, witness: [] }))
  return sign({ version: 2, inputs, outputs, lockTime: 0 }, signer, coins, draft.attachment)
}

/** Signs every input by the key path; the attachment is part of what input 0 signs. */
function sign(tx: Tx, signer: Signer, prevouts: readonly TxOutput[], attachment: Uint8Array | undefined): Tx {
  const placeholder = new Uint8Array(64)
  const annex = attachment && annexWith(attachment)
  const witnessOf = (index: number, signature: Uint8Array) => (index === 0 && annex ? [signature, annex] : [signature])
  const unsigned: Tx = { ...tx, inputs: tx.inputs.map((input, index) => ({ ...input, witness: witnessOf(index, placeholder) })) }
  return {
    ...unsigned,
    inputs: unsigned.inputs.map((input, index) => ({
      ...input,
      witness: witnessOf(index, schnorrSign(signatureHash(unsigned, index, prevouts), signer.secret)),
    })),
  }
}

function recordOutput(record: ChainRecord): TxOutput {
  return { amount: 0n, script: recordScript(encodeRecord(record)) }
}

export interface TicketOrder {
  readonly role: number
  readonly count: number
  readonly vrfKey: Hex
  readonly blsKey: Hex
  /** Proof of possession, for roles with a BLS key. */
  readonly possession?: Uint8Array
  readonly preferences: Hex
  readonly families: number
  readonly price: bigint
  readonly expiry: number
  readonly fee: bigint
}

export function buildBuyTickets(view: View, signer: Signer, order: TicketOrder, reserved: ReadonlySet<string>): Tx {
  const { possession, fee, ...fields } = order
  const stakes = Array.from({ length: order.count }, () => ({ amount: order.price, script: stakeScript(signer.publicKey) }))
  const record = recordOutput({ type: 'BUY_TICKETS', flags: 0, taskId: ZERO, ...fields })
  return fund(view, signer, { outputs: [...stakes, record], fee, ...(possession && { attachment: possession }) }, reserved)
}

export function buildPayForTask(
  view: View,
  signer: Signer,
  params: NetworkParams,
  document: TaskDocument,
  segmentsRoot: Hex,
  fee: bigint,
  reserved: ReadonlySet<string>,
): { readonly tx: Tx; readonly taskId: Hex } {
  const record = recordOfDocument(document, segmentsRoot)
  const escrow = { amount: record.fee + bondOf(params, record.fee), script: escrowScript(signer.publicKey) }
  const tx = fund(view, signer, { outputs: [escrow, recordOutput(record)], fee, attachment: encodeTaskDocument(document) }, reserved)
  return { tx, taskId: taskIdOf(txId(tx)) }
}

/** A transaction that carries nothing but a record of its sender: 03, 0A, 0B. */
export function buildRecord(
  view: View,
  signer: Signer,
  record: ChainRecord<'PARTICIPATE' | 'TEST_REVEAL' | 'EVAL_COMMIT'>,
  fee: bigint,
  reserved: ReadonlySet<string>,
): Tx {
  return fund(view, signer, { outputs: [recordOutput(record)], fee }, reserved)
}

/** 05 before the group signed: the group's digest covers record and outputs only, so inputs are signed afterwards (`withCertificate`). */
export function buildMessageHistory(
  view: View,
  signer: Signer,
  record: ChainRecord<'MESSAGE_HISTORY'>,
  fee: bigint,
  reserved: ReadonlySet<string>,
): Tx {
  return fund(view, signer, { outputs: [recordOutput(record)], fee }, reserved)
}

/** Puts the group's certificate into the annex and signs the inputs again. @throws RangeError if an input is spent by now */
export function withCertificate(view: View, signer: Signer, tx: Tx, certificate: Certificate): Tx {
  const prevouts = tx.inputs.map((input) => {
    const coin = view.coin(input.txid, input.index)
    if (!coin) throw new RangeError(`input ${input.txid}:${input.index} is spent`)
    return coin
  })
  return sign(tx, signer, prevouts, encodeCertificate(certificate))
}

/** 07 before the evaluators signed: spends the task's escrow, pays by the report (A21). Equal report and salts give equal bytes. */
export function buildCharge(view: View, taskId: Hex, report: Uint8Array, salts: readonly Hex[]): Tx {
  const task = view.task(taskId)
  const decoded = decodeReport(report)
  if (!task || !decoded) throw new RangeError('expected a known task and a report')
  const saltBytes = salts.map(hexToBytes)
  const settlement = settlementOf(task, decoded, saltBytes)
  const owners = { tickets: { get: (id: Hex) => view.ticket(id), entries: () => [] } } as unknown as State
  return {
    version: 2,
    inputs: [
      {
        ...task.escrow,
        scriptSig: NO_SCRIPT,
        sequence: FINAL,
        witness: [new Uint8Array(98), annexWith(encodeSettlement(decoded, saltBytes))],
      },
    ],
    outputs: [recordOutput(chargeRecord(task, decoded, settlement)), ...settlementOutputs(owners, task, settlement)],
    lockTime: 0,
  }
}

export function finishCharge(tx: Tx, certificate: Certificate): Tx {
  const [input] = tx.inputs
  return { ...tx, inputs: [{ ...input!, witness: [encodeCertificate(certificate), input!.witness[1]!] }] }
}

/** Takes a released stake back; the ticket ends. */
export function buildStakeRefund(view: View, signer: Signer, ticketId: Hex, fee: bigint): Tx {
  const ticket = view.ticket(ticketId)
  const coin = ticket && view.coin(ticket.outpoint.txid, ticket.outpoint.index)
  if (!coin || coin.amount <= fee) throw new RangeError(`no stake to refund for ticket ${ticketId}`)
  const inputs = [{ ...ticket.outpoint, scriptSig: NO_SCRIPT, sequence: FINAL, witness: [] }]
  return sign(
    { version: 2, inputs, outputs: [{ amount: coin.amount - fee, script: payToKey(signer.publicKey) }], lockTime: 0 },
    signer,
    [coin],
    undefined,
  )
}

/** A plain payment. */
export function buildPayment(view: View, signer: Signer, to: Hex, amount: bigint, fee: bigint, reserved: ReadonlySet<string>): Tx {
  return fund(view, signer, { outputs: [{ amount, script: payToKey(to) }], fee }, reserved)
}
