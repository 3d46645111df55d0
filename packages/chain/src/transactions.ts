/**
 * What the ledger accepts as a transaction: amounts, spending conditions, and the rules of each record type (spec 4.2, 4.3, A19-A24).
 * Every rule here is decided from the chain alone.
 */
import { bls, bytesToHex, ecvrfVerify, equalBytes, hexToBytes, schnorrVerify, sha256 } from '@pouw/crypto'
import {
  annexOf,
  attachmentOf,
  type ChainRecord,
  checkRecord,
  decodeCertificate,
  decodeRecord,
  decodeSettlement,
  decodeTaskDocument,
  documentHash,
  documentMatchesRecord,
  encodeReport,
  flopsPerIteration,
  type Hex,
  type NetworkParams,
  OK,
  parseScript,
  payToKey,
  type Report,
  refuse,
  signatureHash,
  type Tx,
  type TxOutput,
  taskIdOf,
  ticketIdOf,
  txId,
  type Verdict,
  wtxId,
} from '@pouw/primitives'
import { bondOf } from './economics/rewards.ts'
import { payoutsRoot, type Settlement, settle } from './economics/settlement.ts'
import { certified, groupDigest } from './group-signature.ts'
import { isHit, selectionAlpha, selectionKey, similarity } from './selection.ts'
import { type Coin, type Layer, outpointKey, type State, type TaskState, type Ticket, type TicketRole, ticketAt } from './state.ts'

export interface RuleContext {
  readonly params: NetworkParams
  /** Height of the block the transaction would be in. */
  readonly height: number
  /** Expensive facts already established: signatures, proofs, certificates by transaction. Bounded. */
  readonly verified: VerifiedCache
}

/** Remembers, per wtxid, that the cryptography of a transaction was checked. */
export interface VerifiedCache {
  has(key: string): boolean
  add(key: string): void
}

const CACHE_MAX = 20_000

export function createVerifiedCache(): VerifiedCache {
  const keys = new Set<string>()
  return {
    has: (key) => keys.has(key),
    add(key) {
      keys.add(key)
      if (keys.size > CACHE_MAX) keys.delete(keys.values().next().value!)
    },
  }
}

const MAX_AMOUNT = 1n << 62n
const INPUTS_MAX = 256
const OUTPUTS_MAX = 2048
/** Bit 1 of the flags of 05: training is complete (A20). */
export const TRAINING_COMPLETE = 2

export type Applied = { readonly ok: true; readonly fee: bigint } | (Verdict & { readonly ok: false })

/** Checks a transaction on a layer and writes its changes into it. On refusal the layer is to be thrown away. */
export function applyTransaction(layer: Layer, tx: Tx, context: RuleContext): Applied {
  const id = txId(tx)
  const shape = checkShape(tx)
  if (!shape.ok) return shape
  const coins: Coin[] = []
  for (const input of tx.inputs) {
    const coin = layer.coins.get(outpointKey(input.txid, input.index))
    if (!coin) return refuse('input-missing', 'drop')
    if (coin.coinbase && context.height - coin.height < context.params.coinbaseMaturity) return refuse('coinbase-immature', 'drop')
    coins.push(coin)
  }
  const value = coins.reduce((sum, coin) => sum + coin.amount, 0n)
  const spent = tx.outputs.reduce((sum, output) => sum + output.amount, 0n)
  const fee = value - spent
  if (fee < 0n) return refuse('outputs-exceed-inputs')
  const found = recordOf(tx)
  if ('refused' in found) return found.refused
  const { record } = found
  const spending = checkSpending(layer, tx, coins, record, context)
  if (!spending.ok) return spending
  if (record) {
    const verdict = applyRecord(layer, tx, id, record, coins, fee, context)
    if (!verdict.ok) return verdict
  }
  const scripts = checkOutputScripts(tx, record)
  if (!scripts.ok) return scripts
  for (const input of tx.inputs) layer.coins.set(outpointKey(input.txid, input.index), undefined)
  tx.outputs.forEach((output, index) => {
    if (parseScript(output.script).kind !== 'record')
      layer.coins.set(outpointKey(id, index), { ...output, height: context.height, coinbase: false })
  })
  return { ok: true, fee }
}

function checkShape(tx: Tx): Verdict {
  if (tx.version !== 2) return refuse('transaction-version')
  if (tx.lockTime !== 0) return refuse('lock-time-not-supported')
  if (tx.inputs.length === 0 || tx.inputs.length > INPUTS_MAX || tx.outputs.length > OUTPUTS_MAX) return refuse('transaction-size')
  const outpoints = new Set(tx.inputs.map((input) => outpointKey(input.txid, input.index)))
  if (outpoints.size !== tx.inputs.length) return refuse('input-twice')
  if (tx.inputs.some((input) => input.scriptSig.length > 0)) return refuse('script-sig')
  if (tx.outputs.some((output) => output.amount < 0n || output.amount > MAX_AMOUNT)) return refuse('amount-out-of-range')
  return OK
}

function recordOf(
  tx: Tx,
): { readonly record: ChainRecord | undefined; readonly index: number } | { readonly refused: Verdict & { ok: false } } {
  let record: ChainRecord | undefined
  let at = -1
  for (const [index, output] of tx.outputs.entries()) {
    const script = parseScript(output.script)
    if (script.kind !== 'record') continue
    if (at >= 0) return { refused: refuse('records-two') }
    const verdict = checkRecord(script.record)
    if (!verdict.ok) return { refused: verdict }
    if (output.amount !== 0n) return { refused: refuse('record-amount') }
    record = decodeRecord(script.record)
    at = index
  }
  const expected = record?.type === 'PAY_FOR_TASK' ? 1 : record?.type === 'BUY_TICKETS' ? record.count : 0
  return at >= 0 && at !== expected ? { refused: refuse('record-place') } : { record, index: at }
}

/** Keys and stakes are spent by a BIP340 signature over the BIP341 key-path hash, escrows by 07 or, after failure, by the client (4.3). */
function checkSpending(layer: Layer, tx: Tx, coins: readonly Coin[], record: ChainRecord | undefined, context: RuleContext): Verdict {
  const charges = record?.type === 'CHARGE_FOR_TASK'
  for (const [index, coin] of coins.entries()) {
    const script = parseScript(coin.script)
    const input = tx.inputs[index]!
    if (script.kind === 'escrow' && charges) continue
    if (script.kind === 'escrow') {
      const task = taskOfEscrow(layer, input.txid, input.index)
      if (task?.state !== 'FAILED') return refuse('escrow-locked', 'drop')
    } else if (script.kind === 'stake') {
      const verdict = releaseStake(layer, ticketIdOf(input.txid, input.index), context)
      if (!verdict.ok) return verdict
    } else if (script.kind !== 'key') return refuse('output-unspendable')
    if (charges) return refuse('charge-foreign-input')
  }
  if (charges) return OK
  const key = wtxId(tx)
  if (context.verified.has(key)) return OK
  for (const [index, coin] of coins.entries()) {
    const script = parseScript(coin.script) as { key: Hex }
    const { witness } = tx.inputs[index]!
    const allowed = annexOf(tx.inputs[index]!) && index === 0 ? 2 : 1
    if (witness.length !== allowed || witness[0]!.length !== 64) return refuse('witness-shape')
    if (!schnorrVerify(witness[0]!, signatureHash(tx, index, coins as readonly TxOutput[]), hexToBytes(script.key)))
      return refuse('signature')
  }
  context.verified.add(key)
  return OK
}

function taskOfEscrow(state: State, txid: Hex, index: number): TaskState | undefined {
  return index === 0 ? state.tasks.get(taskIdOf(txid)) : undefined
}

/** A stake is free after expiry, or after the evidence window of the ticket's task. */
function releaseStake(layer: Layer, ticketId: Hex, context: RuleContext): Verdict {
  const stored = layer.tickets.get(ticketId)
  const ticket = stored && ticketAt(stored, context.height)
  if (!ticket) return refuse('stake-without-ticket')
  const released = ticket.state === 'LIVE' && ticket.lockedUntil !== undefined && context.height >= ticket.lockedUntil
  const expired = ticket.state === 'EXPIRED' && context.height >= (ticket.lockedUntil ?? 0)
  if (!released && !expired) return refuse('stake-locked', 'drop')
  layer.tickets.set(ticketId, { ...stored!, state: 'SPENT' })
  return OK
}

function checkOutputScripts(tx: Tx, record: ChainRecord | undefined): Verdict {
  for (const [index, output] of tx.outputs.entries()) {
    const { kind } = parseScript(output.script)
    if (kind === 'key' || kind === 'record') continue
    if (kind === 'escrow' && record?.type === 'PAY_FOR_TASK' && index === 0) continue
    if (kind === 'stake' && record?.type === 'BUY_TICKETS' && index < record.count) continue
    return refuse('output-script')
  }
  return OK
}

function ownerOf(coin: Coin): Hex | undefined {
  const script = parseScript(coin.script)
  return script.kind === 'key' ? script.key : undefined
}

function applyRecord(
  layer: Layer,
  tx: Tx,
  id: Hex,
  record: ChainRecord,
  coins: readonly Coin[],
  fee: bigint,
  context: RuleContext,
): Verdict {
  const sender = ownerOf(coins[0]!)
  switch (record.type) {
    case 'PAY_FOR_TASK':
      return payForTask(layer, tx, id, record, context)
    case 'BUY_TICKETS':
      return buyTickets(layer, tx, id, record, context)
    case 'PARTICIPATE':
      return participate(layer, record, sender, context)
    case 'MESSAGE_HISTORY':
      return messageHistory(layer, tx, id, record, context)
    case 'CHARGE_FOR_TASK':
      return chargeForTask(layer, tx, id, record, fee, context)
    case 'TEST_REVEAL':
      return testReveal(layer, record, sender)
    case 'EVAL_COMMIT':
      return evalCommit(layer, record, sender)
    case 'BLOCK_ATTEST':
      return refuse('attest-outside-coinbase')
    // Key generation, replacement and confiscation are not part of this network's rules yet.
    case 'DKG_SUCCESSFUL':
    case 'REPLACE':
    case 'CONFISCATE':
      return refuse('record-not-supported')
  }
}

/** 01: opens a task. Output 0 is the escrow of fee and bond, the attachment is the canonical document. */
function payForTask(layer: Layer, tx: Tx, txid: Hex, record: ChainRecord<'PAY_FOR_TASK'>, { params, height }: RuleContext): Verdict {
  const escrow = parseScript(tx.outputs[0]!.script)
  const bond = bondOf(params, record.fee)
  if (record.flags !== 0) return refuse('record-flags')
  if (escrow.kind !== 'escrow' || tx.outputs[0]!.amount !== record.fee + bond) return refuse('escrow-amount')
  const attachment = attachmentOf(tx)
  if (!attachment || documentHash(attachment) !== record.documentHash) return refuse('document-hash')
  const decoded = decodeTaskDocument(attachment)
  if (!decoded.ok) return refuse('document-malformed', 'reject', { detail: decoded.error })
  const { document } = decoded
  const matches = documentMatchesRecord(document, record)
  if (!matches.ok) return matches
  if (flopsPerIteration(document) < params.flopsPerTry) return refuse('task-below-one-try')
  if (record.fee <= 0n) return refuse('task-without-fee')
  const id = taskIdOf(txid)
  layer.tasks.set(id, {
    id,
    state: 'DEFINED',
    record,
    document,
    client: escrow.key,
    escrow: { txid, index: 0 },
    bond,
    definedAt: height,
    blockId: '',
    participationHeight: height + params.participationWindow,
    participants: [],
    miners: [],
    supervisors: [],
    backups: { miners: [], supervisors: [] },
    evaluators: [],
    evaluatorBackups: [],
    history: { lastSlot: -1, root: '00'.repeat(32), records: [] },
    commits: [],
  })
  return OK
}

const NO_BLS_KEY = '00'.repeat(48)

/** 02: stakes in outputs 0..n-1, record in output n. */
function buyTickets(
  layer: Layer,
  tx: Tx,
  txid: Hex,
  record: ChainRecord<'BUY_TICKETS'>,
  { params, height, verified }: RuleContext,
): Verdict {
  const { role, count, price, expiry, vrfKey, blsKey, preferences, families } = record
  if (record.flags !== 0) return refuse('record-flags')
  if (role < 1 || role > 4) return refuse('ticket-role')
  if (count < 1 || count > 20) return refuse('ticket-count')
  if (price < params.ticketPriceMin) return refuse('ticket-price')
  if (expiry < 1) return refuse('ticket-expiry')
  const possession = attachmentOf(tx)
  if (role === 2 || role === 3) {
    const key = `pop:${blsKey}:${possession && bytesToHex(possession)}`
    if (!verified.has(key)) {
      if (!possession || !bls.verifyPossession(hexToBytes(blsKey), possession)) return refuse('bls-possession')
      verified.add(key)
    }
  } else if (blsKey !== NO_BLS_KEY || possession) return refuse('bls-key-without-use')
  let owner: Hex | undefined
  for (let index = 0; index < count; index++) {
    const output = tx.outputs[index]
    const script = output && parseScript(output.script)
    if (script?.kind !== 'stake' || output!.amount !== price) return refuse('stake-amount')
    owner ??= script.key
    if (script.key !== owner) return refuse('stake-owner')
    const id = ticketIdOf(txid, index)
    layer.tickets.set(id, {
      id,
      role: role as TicketRole,
      owner,
      vrfKey,
      blsKey,
      preferences,
      families,
      price,
      outpoint: { txid, index },
      boughtAt: height,
      liveAt: height + params.ticketMaturity,
      expiresAt: height + params.ticketMaturity + expiry,
      state: 'LIVE',
    })
  }
  return OK
}

/** 03: a hit joins. The seed is the task block for workers, the block of the last 05 for evaluators (6.2, A20, A24). */
function participate(
  layer: Layer,
  record: ChainRecord<'PARTICIPATE'>,
  sender: Hex | undefined,
  { params, height, verified }: RuleContext,
): Verdict {
  const task = layer.tasks.get(record.taskId)
  const stored = layer.tickets.get(record.ticketId)
  const ticket = stored && ticketAt(stored, height - 1)
  if (!task || !ticket) return refuse('task-or-ticket-unknown', 'drop')
  if (record.flags !== 0) return refuse('record-flags')
  if (ticket.state !== 'LIVE' || ticket.role !== record.role) return refuse('ticket-not-live', 'drop')
  if (sender !== ticket.owner) return refuse('sender-not-owner')
  if (ticket.owner === task.client) return refuse('own-task')
  if (ticket.price < task.record.minStake) return refuse('stake-too-small')
  if (task.participants.some((entry) => entry.ticketId === ticket.id)) return refuse('participates-already', 'drop')
  const evaluator = record.role === 3
  const start = evaluator ? task.evaluationHeight : task.definedAt
  const end = evaluator ? task.evaluatorsHeight : task.participationHeight
  const seed = evaluator ? task.evaluationBlock : task.blockId
  if (task.state !== (evaluator ? 'EVALUATING' : 'DEFINED') || record.role === 4) return refuse('task-takes-nobody', 'drop')
  if (!seed || start === undefined || end === undefined || height <= start || height > end) return refuse('participation-window', 'drop')
  // A ticket bought after the seed is known could be ground until it hits.
  if (ticket.liveAt > start) return refuse('ticket-younger-than-task')
  const s = similarity(ticket.preferences, ticket.families, task.record)
  if (record.similarity !== s || s === 0) return refuse('similarity')
  const alpha = selectionAlpha(record.role, seed, task.id, ticket.id)
  const proof = hexToBytes(record.proof)
  const key = `vrf:${bytesToHex(alpha)}:${record.proof}:${ticket.vrfKey}`
  const beta = proven.get(verified)?.get(key) ?? ecvrfVerify('ELL2', hexToBytes(ticket.vrfKey), alpha, proof)
  if (!beta) return refuse('vrf-proof', 'drop')
  remember(verified, key, beta)
  const relaxed = height > start + params.participationWindow
  if (!relaxed && !isHit(beta, s)) return refuse('no-hit', 'drop')
  layer.tickets.set(ticket.id, { ...stored!, state: 'CANDIDATE', task: task.id })
  layer.tasks.set(task.id, {
    ...task,
    participants: [
      ...task.participants,
      { ticketId: ticket.id, owner: ticket.owner, role: ticket.role, key: selectionKey(beta, s), height },
    ],
  })
  return OK
}

/** VRF outputs by cache: a proof is checked in the mempool, in the template and in the block. */
const proven = new WeakMap<VerifiedCache, Map<string, Uint8Array>>()
const PROVEN_MAX = 1024

function remember(cache: VerifiedCache, key: string, beta: Uint8Array): void {
  let map = proven.get(cache)
  if (!map) {
    map = new Map()
    proven.set(cache, map)
  }
  map.set(key, beta)
  if (map.size > PROVEN_MAX) map.delete(map.keys().next().value!)
}

function members(state: State, ids: readonly Hex[]): Ticket[] {
  return ids.map((id) => state.tickets.get(id)!)
}

/** Checks the aggregate signature over record and outputs; remembered by wtxid. */
function groupSigned(
  layer: Layer,
  tx: Tx,
  ids: readonly Hex[],
  certificateBytes: Uint8Array | undefined,
  verified: VerifiedCache,
): Verdict {
  // Another branch may have drawn another group for the same task and transaction.
  const key = `group:${wtxId(tx)}:${ids.join()}`
  if (verified.has(key)) return OK
  const certificate = certificateBytes && decodeCertificate(certificateBytes)
  if (!certificate) return refuse('certificate-malformed')
  if (!certified(members(layer, ids), groupDigest(tx), certificate)) return refuse('certificate')
  verified.add(key)
  return OK
}

/** 05: the group's history goes on (11.5, A20). */
function messageHistory(
  layer: Layer,
  tx: Tx,
  txid: Hex,
  record: ChainRecord<'MESSAGE_HISTORY'>,
  { height, verified }: RuleContext,
): Verdict {
  const task = layer.tasks.get(record.taskId)
  if (!task) return refuse('task-unknown', 'drop')
  if ((record.flags & ~TRAINING_COMPLETE) !== 0) return refuse('record-flags')
  if (task.state !== 'KEYED' && task.state !== 'TRAINING') return refuse('task-state', 'drop')
  const { history } = task
  if (record.firstSlot !== history.lastSlot + 1 || record.lastSlot < record.firstSlot) return refuse('history-slots', 'drop')
  if (record.previousRoot !== history.root) return refuse('history-previous-root')
  if (record.signers >>> task.supervisors.length !== 0) return refuse('history-signers')
  const signed = groupSigned(layer, tx, task.supervisors, attachmentOf(tx), verified)
  if (!signed.ok) return signed
  const complete = (record.flags & TRAINING_COMPLETE) !== 0
  layer.tasks.set(task.id, {
    ...task,
    state: complete ? 'EVALUATING' : 'TRAINING',
    ...(complete && { evaluationHeight: height }),
    history: {
      lastSlot: record.lastSlot,
      root: record.historyRoot,
      records: [
        ...history.records,
        {
          txid,
          firstSlot: record.firstSlot,
          lastSlot: record.lastSlot,
          historyRoot: record.historyRoot,
          logHash: record.logHash,
          messages: record.messages,
          height,
        },
      ],
    },
  })
  return OK
}

/** 0A: the client names the test segments. */
function testReveal(layer: Layer, record: ChainRecord<'TEST_REVEAL'>, sender: Hex | undefined): Verdict {
  const task = layer.tasks.get(record.taskId)
  if (!task || task.state !== 'EVALUATING') return refuse('task-state', 'drop')
  if (record.flags !== 0) return refuse('record-flags')
  if (sender !== task.client) return refuse('sender-not-client')
  if (task.testReveal) return refuse('test-revealed-already')
  layer.tasks.set(task.id, { ...task, testReveal: record })
  return OK
}

/** 0B: an evaluator commits to its report. */
function evalCommit(layer: Layer, record: ChainRecord<'EVAL_COMMIT'>, sender: Hex | undefined): Verdict {
  const task = layer.tasks.get(record.taskId)
  if (!task || task.state !== 'EVALUATING' || !task.evaluators.includes(record.ticketId)) return refuse('task-state', 'drop')
  if (record.flags !== 0) return refuse('record-flags')
  if (sender !== layer.tickets.get(record.ticketId)?.owner) return refuse('sender-not-owner')
  if (task.commits.some((commit) => commit.ticketId === record.ticketId)) return refuse('committed-already')
  layer.tasks.set(task.id, { ...task, commits: [...task.commits, { ticketId: record.ticketId, commitment: record.commitment }] })
  return OK
}

/** The payouts that a report gives on a task's chain data, and what the salts show of the commitments (A21). */
export function settlementOf(task: TaskState, report: Report, salts: readonly Uint8Array[]): Settlement {
  const bytes = encodeReport(report)
  return settle({
    fee: task.record.fee,
    bond: task.bond,
    confiscated: 0n,
    quotas: task.document.payment.quotas,
    slots: report.slots,
    miners: report.miners,
    supervisors: report.supervisors,
    evaluators: report.evaluators.map((ticket, index) => ({
      ticket,
      paid: task.commits.some((commit) => commit.ticketId === ticket && commit.commitment === bytesToHex(sha256(bytes, salts[index]!))),
    })),
  })
}

/** 07's outputs after the record: payees in order, the client last. */
export function settlementOutputs(state: State, task: TaskState, settlement: Settlement): TxOutput[] {
  const payees = settlement.payouts.map(({ ticket, amount }) => ({ amount, script: payToKey(state.tickets.get(ticket)!.owner) }))
  return settlement.client > 0n ? [...payees, { amount: settlement.client, script: payToKey(task.client) }] : payees
}

/** The fields of 07 that follow from the report. */
export function chargeRecord(task: TaskState, report: Report, settlement: Settlement): ChainRecord<'CHARGE_FOR_TASK'> {
  return {
    type: 'CHARGE_FOR_TASK',
    flags: 0,
    taskId: task.id,
    reportHash: bytesToHex(sha256(encodeReport(report))),
    winnerHash: report.miners.find((miner) => miner.rank === 1)?.modelHash ?? '00'.repeat(32),
    payoutsRoot: payoutsRoot(settlement.payouts),
    totalPaid: settlement.payouts.reduce((sum, payout) => sum + payout.amount, 0n),
    confiscated: 0n,
    payees: settlement.payouts.length,
  }
}

function reportFits(task: TaskState, report: Report): Verdict {
  const same = (a: readonly Hex[], b: readonly Hex[]) => a.length === b.length && a.every((id, index) => id === b[index])
  if (report.slots !== task.history.lastSlot + 1) return refuse('report-slots')
  if (
    !same(
      report.miners.map((miner) => miner.ticket),
      task.miners,
    )
  )
    return refuse('report-miners')
  if (
    !same(
      report.supervisors.map((entry) => entry.ticket),
      task.supervisors,
    )
  )
    return refuse('report-supervisors')
  if (!same(report.evaluators, task.evaluators)) return refuse('report-evaluators')
  if (report.supervisors.some((entry) => entry.signed > report.slots)) return refuse('report-signed')
  const ranks = report.miners
    .map((miner) => miner.rank)
    .filter((rank) => rank > 0)
    .sort((a, b) => a - b)
  if (ranks.some((rank, index) => rank !== index + 1)) return refuse('report-ranks')
  return OK
}

/** 07: pays everybody by a pure function of chain data; valid only to the unit (A19, A21). */
function chargeForTask(
  layer: Layer,
  tx: Tx,
  txid: Hex,
  record: ChainRecord<'CHARGE_FOR_TASK'>,
  fee: bigint,
  { params, height, verified }: RuleContext,
): Verdict {
  const task = layer.tasks.get(record.taskId)
  if (!task || task.state !== 'EVALUATING' || task.evaluators.length === 0) return refuse('task-state', 'drop')
  if (fee !== 0n) return refuse('charge-fee')
  if (tx.inputs.length !== 1 || tx.inputs[0]!.txid !== task.escrow.txid || tx.inputs[0]!.index !== task.escrow.index)
    return refuse('charge-inputs')
  const attachment = attachmentOf(tx)
  const settlementBytes = attachment && decodeSettlement(attachment)
  if (!settlementBytes || tx.inputs[0]!.witness.length !== 2) return refuse('report-malformed')
  const { report, salts } = settlementBytes
  const fits = reportFits(task, report)
  if (!fits.ok) return fits
  const settlement = settlementOf(task, report, salts)
  const expected = chargeRecord(task, report, settlement)
  for (const key of Object.keys(expected) as (keyof typeof expected)[])
    if (expected[key] !== record[key]) return refuse('charge-record', 'reject', { detail: key })
  const outputs = settlementOutputs(layer, task, settlement)
  const given = tx.outputs.slice(1)
  if (
    outputs.length !== given.length ||
    outputs.some((output, index) => output.amount !== given[index]!.amount || !equalBytes(output.script, given[index]!.script))
  ) {
    return refuse('charge-payouts')
  }
  const signed = groupSigned(layer, tx, task.evaluators, tx.inputs[0]!.witness[0], verified)
  if (!signed.ok) return signed
  layer.tasks.set(task.id, { ...task, state: 'SETTLED', settledAt: height, report, settlement: txid })
  releaseTickets(layer, task, height + params.evidenceWindow)
  return OK
}

/** After a task everybody's ticket is LIVE again; its stake stays locked for the evidence window. */
export function releaseTickets(layer: Layer, task: TaskState, lockedUntil: number): void {
  for (const { ticketId } of task.participants) {
    const ticket = layer.tickets.get(ticketId)
    if (ticket && ticket.task === task.id && ticket.state !== 'SPENT')
      layer.tickets.set(ticketId, { ...ticket, state: 'LIVE', lockedUntil })
  }
}
