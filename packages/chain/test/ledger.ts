/**
 * A small network for tests: known keys, an easy target, and the story of one task from its tickets to its settlement. The chain itself checks
 * neither certificates nor work, so a filler block whose nonce meets the target is a whole block here.
 */
import {
  bitcoinMerkleRoot,
  bls,
  bytesToHex,
  concatBytes,
  ecvrfProve,
  ecvrfPublicKey,
  hexToBytes,
  schnorrPublicKey,
  schnorrSign,
  sha256,
  sha256d,
  utf8,
} from '@pouw/crypto'
import {
  annexWith,
  type Block,
  blockId,
  type Certificate,
  type CertifiedBlock,
  type ChainRecord,
  type Digest,
  encodeHeader,
  encodeRecord,
  encodeReport,
  type Header,
  type Hex,
  hashMeets,
  type NetworkParams,
  payToKey,
  type Report,
  recordOfDocument,
  recordScript,
  signatureHash,
  type TaskDocument,
  type Tx,
  type TxOutput,
  txId,
  type Verdict,
} from '@pouw/primitives'
import {
  buildBuyTickets,
  buildCharge,
  buildMessageHistory,
  buildPayForTask,
  buildRecord,
  type Chain,
  createChain,
  finishCharge,
  type Genesis,
  groupDigest,
  type Signer,
  type TaskState,
  type Ticket,
  type View,
  withCertificate,
  workTarget,
} from '../src/index.ts'
import { selectionAlpha, similarity, taskVector } from '../src/selection.ts'
import { layerOver } from '../src/state.ts'
import { buildTemplate } from '../src/template.ts'
import { applyTransaction, createVerifiedCache } from '../src/transactions.ts'

export const ZERO: Hex = '00'.repeat(32)
export const FEE = 2_000n
export const PRICE = 1_000_000n
const NO_RESERVED: ReadonlySet<string> = new Set()

export interface Person extends Signer {
  readonly name: string
  readonly ticketSeed: Uint8Array
  readonly ticketPublic: Hex
  readonly blsSecret: Uint8Array
  readonly blsPublic: Hex
}

const MINERS = ['m1', 'm2', 'm3', 'm4'] as const
const SUPERVISORS = ['s1', 's2', 's3', 's4', 's5'] as const
const EVALUATORS = ['e1', 'e2', 'e3'] as const
const VERIFIERS = ['v1', 'v2', 'v3', 'v4'] as const
/** `poor` has a ticket that hardly ever hits, `brief` one that ends at height 3. */
const NAMES = ['client', 'stranger', ...MINERS, 'poor', 'brief', ...SUPERVISORS, ...EVALUATORS, ...VERIFIERS] as const
export type Name = (typeof NAMES)[number]

const people = new Map<string, Person>()

export function person(name: Name): Person {
  const known = people.get(name)
  if (known) return known
  const secret = sha256(utf8(`wallet ${name}`))
  const ticketSeed = sha256(utf8(`ticket ${name}`))
  const blsSecret = bls.keyFromSeed(sha256(utf8(`bls ${name}`)))
  const made: Person = {
    name,
    secret,
    publicKey: bytesToHex(schnorrPublicKey(secret)),
    ticketSeed,
    ticketPublic: bytesToHex(ecvrfPublicKey(ticketSeed)),
    blsSecret,
    blsPublic: bytesToHex(bls.publicKey(blsSecret)),
  }
  people.set(name, made)
  return made
}

export function ownerOfTicket(view: View, ticketId: Hex): Person {
  const owner = view.ticket(ticketId)!.owner
  return person(NAMES.find((name) => person(name).publicKey === owner)!)
}

const PARAMS: NetworkParams = {
  name: 'ledger',
  hrp: 'lpouw',
  genesisTime: 1_700_000_000,
  // 64 tries a block as long as blocks come every `spacingS`: real proof of work, a millisecond of it.
  genesisBits: 0x2003ffff,
  limitBits: 0x200fffff,
  spacingS: 10,
  halfLifeS: 40,
  maxAheadS: 30,
  // Odd, so that shares of it leave remainders.
  subsidy: 5_000_000_019n,
  halvingInterval: 210_000,
  verifierFeeBp: 500,
  coinbaseMaturity: 2,
  ticketMaturity: 1,
  ticketPriceMin: PRICE,
  maxNewTicketsPerBlock: 20,
  participationWindow: 2,
  evidenceWindow: 3,
  graceBlocks: 5,
  bondBp: 500,
  maxBlockBytes: 200_000,
  minTxFee: 1_000n,
  omegaB: 1,
  omegaM: 1,
  flopsPerTry: 1_000,
  fillerFactor: 2,
  filler: {
    iterations: 4,
    batch: 8,
    features: 4,
    classes: 2,
    hidden: [],
    samples: 32,
    dataSeed: 'ledger',
    scale: 1,
    rate: 0.5,
    tau: 1,
    magnitude: 1,
  },
  verifierDraw: 4,
  verifierQuorum: 3,
  maxLateSlots: 20,
  slotMs: 50,
  proposalMs: 10_000,
  commitMs: 0,
  verifyMs: 8_000,
  evaluateMs: 15_000,
  leadMs: 2_000,
  groupKeys: 'aggregate',
}

export const DOCUMENT: TaskDocument = {
  version: 1,
  name: 'ledger task',
  payment: { fee: 1_000_000_007n, quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
  profile: 'f32',
  ml: {
    dataset: {
      name: 'ledger',
      format: 'synthetic',
      samples: 200,
      features: 4,
      classes: 2,
      scale: 1,
      files: [],
      segments: 10,
      testSegments: 3,
    },
    model: {
      type: 'dense',
      layers: [{ id: 'output', nodes: 2, activation: 'identity' }],
      loss: 'softmax-cross-entropy',
      initializer: { name: 'xavier', magnitude: 1, seed: 'ledger' },
    },
    optimizer: { type: 'sgd', rate: 0.5, warmup: 0, tau: 1, peerScale: 1 },
    validation: { method: 'none' },
    'evaluation-metrics': ['accuracy', 'cross-entropy'],
    batch: 20,
    epochs: 1,
    staleness: 1,
  },
  workers: {
    miners: 3,
    supervisors: 4,
    evaluators: 2,
    backups: { miners: 0, supervisors: 1, evaluators: 1 },
    minStake: PRICE,
    family: 0,
    deadline: 6,
    epsilonBp: 500,
    slotMs: 50,
  },
}

export const SEGMENTS_ROOT: Hex = 'ab'.repeat(32)

/** Preferences equal to the task's own vector and one family: similarity 65535, so that the ticket always hits. */
export const PERFECT = bytesToHex(taskVector(recordOfDocument(DOCUMENT, SEGMENTS_ROOT)))
/** Nothing in common with the task but one of 32 families: similarity 614, a hit in one of a hundred. */
const POOR = { preferences: '00000000000000000001000000000000', families: 0xffffffff }
export const EXPIRY = 1_000

/** Coins of all identities at height 0. */
export const GENESIS_COINS = 60_000_000_000n

function genesisOf(params: NetworkParams): Genesis {
  return {
    params,
    identities: NAMES.map((name) => {
      const role = (VERIFIERS as readonly string[]).includes(name) ? 4 : 1
      const holds = role === 4 || name === 'poor' || name === 'brief' || (MINERS as readonly string[]).includes(name)
      const kind = name === 'poor' ? POOR : { preferences: PERFECT, families: 1 }
      return {
        walletPublic: person(name).publicKey,
        ticketPublic: person(name).ticketPublic,
        coins: GENESIS_COINS,
        outputs: 7,
        ...(holds && { ticket: { role, ...kind, expiry: name === 'brief' ? 3 : EXPIRY } }),
      }
    }),
  }
}

export interface DraftOptions {
  /** Default: one spacing after the tip. */
  readonly timeS?: number
  readonly miner?: Name
  /** Makes otherwise equal blocks different. */
  readonly extra?: number
}

export interface Ledger {
  readonly chain: Chain
  readonly genesis: Genesis
  view(): View
  /** The ticket that a person bought first. */
  ticketOf(name: Name): Ticket
  /** The next block on the tip, worked but not connected. */
  draft(transactions?: readonly Tx[], options?: DraftOptions): Block
  /** Drafts and connects; throws if the chain refuses. */
  mine(transactions?: readonly Tx[], options?: DraftOptions): CertifiedBlock
  /** Empty blocks up to a height. */
  mineTo(height: number): void
  /** The code with which a transaction would be refused in the next block; 'ok' if it would not. */
  code(tx: Tx): string
  verdict(tx: Tx): Verdict
}

export function createLedger(change: Partial<NetworkParams> = {}, blocks: readonly CertifiedBlock[] = []): Ledger {
  const genesis = genesisOf({ ...PARAMS, ...change })
  const chain = createChain(genesis)
  const ledger: Ledger = {
    chain,
    genesis,
    view: () => chain.view(),
    ticketOf: (name) => chain.view().tickets({ owner: person(name).publicKey })[0]!,
    draft(transactions = [], { timeS, miner = 'm1', extra } = {}) {
      const tip = chain.tip()
      const ticketId = ledger.ticketOf(miner).id
      const template = buildTemplate(chain, {
        ticketId,
        timeS: timeS ?? tip.header.time + chain.params.spacingS,
        parentCertificate: chain.block(tip.id)?.certificate ?? [],
        transactions,
        extra: extra === undefined ? new Uint8Array(0) : Uint8Array.of(extra),
      })
      return grind(chain, { ...template, work: fillerWork(ticketId), parentCertificate: chain.block(tip.id)?.certificate ?? [] })
    },
    mine(transactions, options) {
      const certified = certify(ledger, ledger.draft(transactions, options))
      const { verdict } = chain.connect(certified)
      if (!verdict.ok) throw new Error(`fixture block refused: ${verdict.code} ${verdict.detail ?? ''}`)
      return certified
    },
    mineTo(height) {
      while (chain.tip().height < height) ledger.mine()
    },
    code(tx) {
      const verdict = ledger.verdict(tx)
      return verdict.ok ? 'ok' : verdict.code
    },
    verdict(tx) {
      // A fresh cache each time: what one case established must not excuse the next.
      return applyTransaction(layerOver(chain.state()), tx, {
        params: chain.params,
        height: chain.tip().height + 1,
        verified: createVerifiedCache(),
      })
    },
  }
  for (const certified of blocks) {
    const { verdict } = chain.connect(certified)
    if (!verdict.ok) throw new Error(`fixture block refused: ${verdict.code}`)
  }
  return ledger
}

export function fillerWork(ticketId: Hex): Block['work'] {
  return {
    kind: 'filler',
    ticketId,
    iteration: 1,
    endModelHash: ZERO,
    endResidualHash: ZERO,
    map: new Uint8Array(0),
    signature: new Uint8Array(64),
  }
}

const NONCE_AT = 76

/** The same block with a nonce that meets the target of its header. */
export function grind(chain: Chain, block: Block): Block {
  const bytes = encodeHeader(block.header)
  const counter = new DataView(bytes.buffer, bytes.byteOffset)
  const target = workTarget(chain.params, block.header.bits, block.work.kind)
  for (let tries = 0; ; tries++) {
    counter.setUint32(NONCE_AT + 28, tries, false)
    if (hashMeets(bytesToHex(sha256d(bytes)), target))
      return { ...block, header: { ...block.header, nonce: bytesToHex(bytes.subarray(NONCE_AT, NONCE_AT + 32)) } }
  }
}

export function withHeader(block: Block, change: Partial<Header>): Block {
  return { ...block, header: { ...block.header, ...change } }
}

/** The block with other transactions, and the Merkle root that belongs to them. */
export function withTransactions(block: Block, transactions: readonly Tx[]): Block {
  const root = bitcoinMerkleRoot(transactions.map((tx) => hexToBytes(txId(tx))))!
  return withHeader({ ...block, transactions }, { hashMerkleRoot: bytesToHex(root) })
}

/** Digests of three verifiers in ascending ticket order, unsigned: signatures are not the chain's business. */
export function certify(ledger: Ledger, block: Block): CertifiedBlock {
  const tickets = VERIFIERS.map((name) => ledger.ticketOf(name).id).sort((a, b) => (a < b ? -1 : 1))
  const certificate = tickets.slice(0, ledger.chain.params.verifierQuorum).map(
    (ticketId): Digest => ({
      networkId: ledger.chain.networkId,
      height: ledger.chain.entry(block.header.hashPrevBlock)!.height + 1,
      blockId: blockId(block),
      round: 0,
      verdict: 1,
      failingCheck: 0,
      gradientHash: ZERO,
      ticketId,
      proof: new Uint8Array(80),
      signature: new Uint8Array(64),
    }),
  )
  return { block, certificate }
}

export function recordOutput(record: ChainRecord): TxOutput {
  return { amount: 0n, script: recordScript(encodeRecord(record)) }
}

/** A record output whose bytes were changed afterwards; the checksum is made right again unless it is itself the victim. */
export function damagedRecord(record: ChainRecord, at: number, value: number, checksum = true): TxOutput {
  const bytes = encodeRecord(record)
  bytes[at] = value
  if (checksum) bytes.set(sha256d(bytes.subarray(0, 156)).subarray(0, 4), 156)
  return { amount: 0n, script: recordScript(bytes) }
}

export interface SpendOptions {
  readonly fee?: bigint
  readonly attachment?: Uint8Array
  /** The n-th of the payer's coins, largest first. */
  readonly coin?: number
  /** Changes the transaction before it is signed. */
  readonly edit?: (tx: Tx) => Tx
  /** Outputs that inputs will spend, by index, where the ledger does not have them yet. */
  readonly signAs?: readonly (TxOutput | undefined)[]
  /** Auxiliary bytes of the signature: others give another signature. */
  readonly aux?: Uint8Array
}

/** Any outputs, paid and signed by one person, with the change last: how a liar would make a transaction. */
export function spend(ledger: Ledger, name: Name, outputs: readonly TxOutput[], options: SpendOptions = {}): Tx {
  const who = person(name)
  const coins = ledger
    .view()
    .coinsOf(who.publicKey)
    .filter((coin) => !coin.coinbase)
  coins.sort((a, b) =>
    a.amount > b.amount ? -1 : a.amount < b.amount ? 1 : a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.index - b.index,
  )
  const coin = coins[options.coin ?? 0]!
  const change = coin.amount - outputs.reduce((sum, output) => sum + output.amount, options.fee ?? FEE)
  const tx: Tx = {
    version: 2,
    inputs: [{ txid: coin.txid, index: coin.index, scriptSig: new Uint8Array(0), sequence: 0xffffffff, witness: [] }],
    outputs: [...outputs, { amount: change, script: payToKey(who.publicKey) }],
    lockTime: 0,
  }
  return signInputs(ledger, options.edit ? options.edit(tx) : tx, who, options)
}

/** Signs every input with one key; inputs that do not exist are signed as if they were worth nothing. */
export function signInputs(ledger: Ledger, tx: Tx, who: Signer, { attachment, signAs = [], aux }: SpendOptions = {}): Tx {
  const nothing = { amount: 0n, script: payToKey(who.publicKey) }
  const prevouts = tx.inputs.map((input, index) => signAs[index] ?? ledger.view().coin(input.txid, input.index) ?? nothing)
  const items = (index: number, signature: Uint8Array) => (index === 0 && attachment ? [signature, annexWith(attachment)] : [signature])
  const unsigned: Tx = { ...tx, inputs: tx.inputs.map((input, index) => ({ ...input, witness: items(index, new Uint8Array(64)) })) }
  return {
    ...unsigned,
    inputs: unsigned.inputs.map((input, index) => ({
      ...input,
      witness: items(index, schnorrSign(signatureHash(unsigned, index, prevouts), who.secret, aux)),
    })),
  }
}

export function plainPayment(ledger: Ledger, from: Name, to: Name, amount: bigint, coin = 0): Tx {
  return spend(ledger, from, [{ amount, script: payToKey(person(to).publicKey) }], { coin })
}

export function task(ledger: Ledger): TaskState {
  return ledger.view().tasks()[0]!
}

export function pay(ledger: Ledger, document: TaskDocument = DOCUMENT): Tx {
  return buildPayForTask(ledger.view(), person('client'), ledger.chain.params, document, SEGMENTS_ROOT, FEE, NO_RESERVED).tx
}

export function ticketRecord(name: Name, role: number, count = 1): ChainRecord<'BUY_TICKETS'> {
  return {
    type: 'BUY_TICKETS',
    flags: 0,
    taskId: ZERO,
    role,
    count,
    vrfKey: person(name).ticketPublic,
    blsKey: role === 2 || role === 3 ? person(name).blsPublic : '00'.repeat(48),
    preferences: PERFECT,
    families: 1,
    price: PRICE,
    expiry: EXPIRY,
  }
}

export function buy(ledger: Ledger, name: Name, role: number, count = 1): Tx {
  const { type, flags, taskId, ...order } = ticketRecord(name, role, count)
  const possession = role === 2 || role === 3 ? bls.provePossession(person(name).blsSecret) : undefined
  return buildBuyTickets(ledger.view(), person(name), { ...order, ...(possession && { possession }), fee: FEE }, NO_RESERVED)
}

/** 03 of a person's ticket for the task, true in every field. */
export function participation(ledger: Ledger, name: Name, of: TaskState = task(ledger)): ChainRecord<'PARTICIPATE'> {
  const ticket = ledger.ticketOf(name)
  const seed = ticket.role === 3 ? (of.evaluationBlock ?? ZERO) : of.blockId
  return {
    type: 'PARTICIPATE',
    flags: 0,
    taskId: of.id,
    ticketId: ticket.id,
    proof: bytesToHex(ecvrfProve('ELL2', person(name).ticketSeed, selectionAlpha(ticket.role, seed, of.id, ticket.id))),
    role: ticket.role,
    similarity: similarity(ticket.preferences, ticket.families, of.record),
  }
}

export function join(ledger: Ledger, name: Name): Tx {
  return buildRecord(ledger.view(), person(name), participation(ledger, name), FEE, NO_RESERVED)
}

export function joinAll(ledger: Ledger, names: readonly Name[]): Tx[] {
  return names.map((name) => join(ledger, name))
}

export const HISTORY_ROOTS: readonly Hex[] = ['c1'.repeat(32), 'c2'.repeat(32)]

/** The record that follows the task's history. */
export function historyRecord(ledger: Ledger, change: Partial<ChainRecord<'MESSAGE_HISTORY'>> = {}): ChainRecord<'MESSAGE_HISTORY'> {
  const { id, history } = task(ledger)
  return {
    type: 'MESSAGE_HISTORY',
    flags: 0,
    taskId: id,
    term: 0,
    firstSlot: history.lastSlot + 1,
    lastSlot: history.lastSlot + 10,
    historyRoot: HISTORY_ROOTS[history.records.length]!,
    messages: 12,
    previousRoot: history.root,
    logHash: 'd0'.repeat(32),
    signers: 0b0111,
    ...change,
  }
}

/** The signature of some members of a group, by rank, over a transaction. */
export function groupCertificate(ledger: Ledger, members: readonly Hex[], tx: Tx, ranks: readonly number[]): Certificate {
  const digest = groupDigest(tx)
  const signatures = ranks.map((rank) => bls.sign(ownerOfTicket(ledger.view(), members[rank]!).blsSecret, digest))
  return { signers: ranks.reduce((set, rank) => set | (1 << rank), 0), signature: bls.aggregateSignatures(signatures)! }
}

/** 05, paid by the first supervisor. */
export function history(ledger: Ledger, change: Partial<ChainRecord<'MESSAGE_HISTORY'>> = {}, ranks: readonly number[] = [0, 1, 2]): Tx {
  const leader = person('s1')
  const tx = buildMessageHistory(ledger.view(), leader, historyRecord(ledger, change), FEE, NO_RESERVED)
  return withCertificate(ledger.view(), leader, tx, groupCertificate(ledger, task(ledger).supervisors, tx, ranks))
}

export function reveal(ledger: Ledger): Tx {
  const record: ChainRecord<'TEST_REVEAL'> = {
    type: 'TEST_REVEAL',
    flags: 0,
    taskId: task(ledger).id,
    testRoot: 'e0'.repeat(32),
    keyHash: ZERO,
    bitSet: 0b111,
  }
  return buildRecord(ledger.view(), person('client'), record, FEE, NO_RESERVED)
}

/** What the evaluators agree on: the third miner did nothing useful, the second beat the first. */
export function report(ledger: Ledger): Report {
  const { miners, supervisors, evaluators, history: told } = task(ledger)
  const ranks = [2, 1, 0]
  return {
    slots: told.lastSlot + 1,
    miners: miners.map((ticket, index) => ({
      ticket,
      rank: ranks[index]!,
      recorded: 5 + index,
      modelHash: `f${index}`.repeat(32),
      loss: 0.5,
      accuracy: 0.75,
    })),
    supervisors: supervisors.map((ticket, index) => ({ ticket, signed: told.lastSlot + 1 - index })),
    evaluators,
  }
}

export function saltOf(ticketId: Hex): Hex {
  return bytesToHex(sha256(utf8('salt'), hexToBytes(ticketId)))
}

export function commitRecord(ledger: Ledger, ticketId: Hex): ChainRecord<'EVAL_COMMIT'> {
  const commitment = bytesToHex(sha256(concatBytes(encodeReport(report(ledger)), hexToBytes(saltOf(ticketId)))))
  return { type: 'EVAL_COMMIT', flags: 0, taskId: task(ledger).id, ticketId, commitment }
}

export function commit(ledger: Ledger, ticketId: Hex): Tx {
  return buildRecord(ledger.view(), ownerOfTicket(ledger.view(), ticketId), commitRecord(ledger, ticketId), FEE, NO_RESERVED)
}

/** 07 before anybody signed it. */
export function unsignedCharge(ledger: Ledger, of: Report = report(ledger)): Tx {
  return buildCharge(ledger.view(), task(ledger).id, encodeReport(of), of.evaluators.map(saltOf))
}

export function charge(ledger: Ledger, tx: Tx = unsignedCharge(ledger), ranks: readonly number[] = [0, 1]): Tx {
  return finishCharge(tx, groupCertificate(ledger, task(ledger).evaluators, tx, ranks))
}

/** The story of one task; a stage is the state in which the next step is due. */
export type Stage = 'tickets' | 'defined' | 'joined' | 'keyed' | 'training' | 'evaluating' | 'drawn' | 'committed' | 'settled'

const STEPS: readonly (readonly [Stage, (ledger: Ledger) => readonly Tx[]])[] = [
  ['tickets', (at) => [...SUPERVISORS.map((name) => buy(at, name, 2)), ...EVALUATORS.map((name) => buy(at, name, 3))]],
  // Tickets bought in block 1 are LIVE from block 2.
  ['tickets', () => []],
  ['defined', (at) => [pay(at)]],
  ['joined', (at) => joinAll(at, [...MINERS, ...SUPERVISORS])],
  ['keyed', () => []],
  ['training', (at) => [history(at)]],
  ['evaluating', (at) => [history(at, { flags: 2 })]],
  ['drawn', (at) => joinAll(at, EVALUATORS)],
  ['drawn', () => []],
  ['committed', (at) => [reveal(at), ...task(at).evaluators.map((id) => commit(at, id))]],
  ['settled', (at) => [charge(at)]],
]

let story: { readonly stage: Stage; readonly block: CertifiedBlock }[] | undefined

/** A new chain that stands at a stage of the story. */
export function ledgerAt(stage: Stage): Ledger {
  if (!story) {
    const ledger = createLedger()
    story = STEPS.map(([name, transactions]) => ({ stage: name, block: ledger.mine(transactions(ledger)) }))
  }
  const length = story.findLastIndex((step) => step.stage === stage) + 1
  return createLedger(
    {},
    story.slice(0, length).map((step) => step.block),
  )
}

/** All money that exists: coins, stakes and escrows alike are unspent outputs. */
export function totalMoney(view: View): bigint {
  let sum = 0n
  for (const [, coin] of view.coins()) sum += coin.amount
  return sum
}

export function ledgerParams(change: Partial<NetworkParams> = {}): NetworkParams {
  return { ...PARAMS, ...change }
}

/** Everything that the ledger holds after a block, in a form that compares. */
export function dump(view: View): unknown {
  const byKey = (a: readonly [string, unknown], b: readonly [string, unknown]) => (a[0] < b[0] ? -1 : 1)
  const coins = [...view.coins()].map(([key, { amount, script, height, coinbase }]): [string, unknown] => [
    key,
    [amount, bytesToHex(script), height, coinbase],
  ])
  const tickets = view.tickets().map((ticket): [string, unknown] => [ticket.id, ticket])
  const tasks = view.tasks().map((of): [string, unknown] => [of.id, of])
  return { height: view.height, blockId: view.blockId, coins: coins.sort(byKey), tickets: tickets.sort(byKey), tasks: tasks.sort(byKey) }
}
