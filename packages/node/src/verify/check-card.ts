/**
 * Every claim of a model card against a chain that has been checked block by block, one result for each. The card, its file and its genesis
 * come from anybody; a claim that cannot be read is a claim that does not hold.
 */
import { type Chain, type Genesis, genesisBlock, groupDigest, quorum, type TaskState } from '@pouw/chain'
import { bls, bytesToHex, hexToBytes, merkleRoot, schnorrVerify, sha256Hex } from '@pouw/crypto'
import {
  bf16Numbers,
  documentHash,
  encodeReport,
  encodeTaskDocument,
  type Hex,
  modelParams,
  parseScript,
  parseTaskDocument,
  printHash,
  type Report,
} from '@pouw/primitives'
import { decodeSafetensors, modelHash, segmentsRoot, splitSegments } from '@pouw/training'
import { CARD_FORMAT, CARD_NOTATION, CARD_VERSION, cardDigest, MODEL_FILE, type ModelCard } from '../model-card.ts'
import { formatGenesis, parseGenesis } from '../networks/genesis-file.ts'
import { type Charge, type Claims, chargeOf, claimsOf, committedCertificate } from './claims.ts'
import { difference } from './difference.ts'

export interface CheckResult {
  readonly name: string
  /** What was compared with what. */
  readonly compared: string
  readonly ok: boolean
  /** Why the claim does not hold. */
  readonly reason?: string
}

/** A card as it comes from a file: an object of the right format, whatever its fields say. */
export type UntrustedCard = { readonly [K in keyof ModelCard]?: unknown }

/** `undefined` unless the text is JSON of a model card's format and version. */
export function readCard(text: string): UntrustedCard | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const card = value as { format?: unknown; version?: unknown } | null
  return typeof card === 'object' && card?.format === CARD_FORMAT && card.version === CARD_VERSION ? (card as UntrustedCard) : undefined
}

/** The genesis that a card carries; `undefined` if it is none. */
export function cardGenesis(card: UntrustedCard): Genesis | undefined {
  const { genesis } = (card.network ?? {}) as { genesis?: unknown }
  try {
    const parsed = parseGenesis(JSON.stringify(genesis))
    genesisBlock(parsed)
    return parsed
  } catch {
    return undefined
  }
}

/** Where the card says the chain can be asked for. */
export function cardPeers(card: UntrustedCard): string[] {
  const { peers } = (card.network ?? {}) as { peers?: unknown }
  return Array.isArray(peers) ? peers.filter((peer): peer is string => typeof peer === 'string').slice(0, PEERS_MAX) : []
}

const PEERS_MAX = 64
const KEYS: ReadonlySet<string> = new Set<keyof ModelCard>([
  'format',
  'version',
  'notation',
  'network',
  'task',
  'data',
  'group',
  'history',
  'blocks',
  'report',
  'settlement',
  'model',
  'signature',
])

export interface CheckInput {
  /** Followed and checked from `genesis` on. */
  readonly chain: Chain
  readonly genesis: Genesis
  /** Bytes of `model.safetensors` beside the card, if they are there. */
  readonly model: Uint8Array | undefined
}

/** Throws nothing, whatever the card. */
export function checkCard(untrusted: UntrustedCard, { chain, genesis, model }: CheckInput): CheckResult[] {
  const results: CheckResult[] = []
  // A claim is read as what it should be; what it is not shows as a difference or as an exception, and both refuse it.
  const card = untrusted as ModelCard
  const check = (name: string, compared: string, refusal: () => string | undefined) => {
    let reason: string | undefined
    try {
      reason = refusal()
    } catch (error) {
      reason = `cannot be read: ${(error as Error).message}`
    }
    results.push(reason === undefined ? { name, compared, ok: true } : { name, compared, ok: false, reason })
  }

  check('form', `format ${CARD_FORMAT}, version ${CARD_VERSION}, no other fields`, () => {
    const unknown = Object.keys(card).find((key) => !KEYS.has(key))
    if (unknown !== undefined) return `${unknown.slice(0, 40)} is not expected`
    return difference(
      { format: CARD_FORMAT, version: CARD_VERSION, notation: CARD_NOTATION },
      pick(card, ['format', 'version', 'notation']),
    )
  })
  const { id: genesisId, networkId } = genesisBlock(genesis)
  check('genesis', `network ${networkId} and genesis ${printHash(genesisId)} with the hash of the genesis itself`, () => {
    if (!card.network.peers.every((peer) => typeof peer === 'string')) return 'network.peers is not a list of addresses'
    const expected = {
      id: networkId,
      genesisId: printHash(genesisId),
      genesis: JSON.parse(formatGenesis(genesis)),
      peers: card.network.peers,
    }
    return difference({ network: expected }, pick(card, ['network']))
  })

  const task = chain.view().task(String((untrusted.task as { id?: unknown } | undefined)?.id))
  const claims = task && claimsOf(chain, task.id)
  const charge = task && chargeOf(chain, task)
  const compared = comparedLines(card, claims, chain)
  if (!task || !claims || !charge) {
    const reason = task
      ? `the task is ${task.state} on this chain of height ${chain.tip().height}`
      : `no such task on this chain of height ${chain.tip().height}`
    for (const name of Object.keys(compared)) check(name, compared[name as keyof typeof compared], () => reason)
    return results
  }
  const settled: Settled = { chain, task, claims, charge }
  const same = (key: keyof Claims) => difference({ [key]: claims[key] }, pick(card, [key]))

  check('task', compared.task, () => {
    const refusal = same('task')
    if (refusal) return refusal
    const hash = documentHash(encodeTaskDocument(parseTaskDocument(card.task.document)))
    return hash === claims.task.documentHash ? undefined : `the document hashes to ${hash}`
  })
  check('data', compared.data, () => checkData(card, settled))
  check('group', compared.group, () => same('group'))
  check('history', compared.history, () => same('history'))
  check('blocks', compared.blocks, () => same('blocks') ?? checkBlocks(card, chain))
  check('report', compared.report, () => checkReport(card, settled))
  check('metrics', compared.metrics, () => same('report') ?? checkMetrics(card, claims))
  check('model', compared.model, () => checkModel(card, settled, model))
  check('payouts', compared.payouts, () => same('settlement') ?? checkPayouts(card, settled))
  check('evaluators', compared.evaluators, () => checkCertificate(card, settled))
  check('signature', compared.signature, () => {
    const bytes = readHex(card.signature, 64)
    return bytes && schnorrVerify(bytes, cardDigest(card), hexToBytes(task.client))
      ? undefined
      : 'it is not the client who signed this card'
  })
  return results
}

interface Settled {
  readonly chain: Chain
  readonly task: TaskState
  readonly claims: Claims
  readonly charge: Charge
}

/** One line for each check: what of the card was compared with what of the chain. */
function comparedLines(card: ModelCard, claims: Claims | undefined, chain: Chain) {
  const blocks = claims?.blocks.length ?? 0
  return {
    task: `task record of ${short(claims?.task.id)}, document with hash ${short(claims?.task.documentHash)}`,
    data: `segments root ${short(claims?.data.segmentsRoot)} with ${claims ? card.data?.segments?.length : 0} commitments, revealed test segments`,
    group: `${claims?.group.miners.length ?? 0} miners, ${claims?.group.supervisors.length ?? 0} supervisors, ${claims?.group.evaluators.length ?? 0} evaluators and their owners`,
    history: `final history root ${short(claims?.history.root)} of slots 0 to ${claims?.history.lastSlot ?? '?'}`,
    blocks: `${blocks} blocks of the task, each VERIFIED by ${chain.params.verifierQuorum} digests, in a chain of ${chain.tip().height}`,
    report: `hash of the report with ${short(claims?.report.hash)} in CHARGE_FOR_TASK`,
    metrics: 'ranks, accuracy, loss and recorded iterations of every miner with the report',
    model: `hash of the weights in ${MODEL_FILE} with the winner ${short(claims?.settlement.winnerHash)} in CHARGE_FOR_TASK`,
    payouts: `${claims?.settlement.payouts.length ?? 0} payouts with the outputs of CHARGE_FOR_TASK ${short(claims?.settlement.transaction)}; escrow = payouts + refund`,
    evaluators: `aggregate signature of ${claims?.settlement.certificate.signers.length ?? 0} evaluators over CHARGE_FOR_TASK`,
    signature: `BIP340 signature by ${short(claims?.task.client)} over the card`,
  }
}

function checkData(card: ModelCard, { task, claims }: Settled): string | undefined {
  const { segments, ...rest } = card.data
  const refusal = difference({ data: claims.data }, { data: rest })
  if (refusal) return refusal
  const { dataset } = task.document.ml
  if (segments.length !== dataset.segments) return `data.segments has ${segments.length} entries, expected ${dataset.segments}`
  if (!segments.every((commitment) => readHex(commitment, 32))) return 'data.segments: expected 64 lower-case hex digits each'
  const root = segmentsRoot([...segments])
  if (root !== claims.data.segmentsRoot) return `the commitments have the root ${root}`
  if (!claims.data.testReveal) return undefined
  const { test } = splitSegments(task.blockId, task.id, dataset.segments, dataset.testSegments)
  const testRoot = bytesToHex(merkleRoot(test.map((index) => hexToBytes(segments[index]!))))
  return testRoot === claims.data.testReveal.testRoot ? undefined : `the segments drawn for the test have the root ${testRoot}`
}

/** The certificates were checked when the blocks came; that they are of full size and all say yes is read here once more. */
function checkBlocks(card: ModelCard, chain: Chain): string | undefined {
  for (const { height, id } of card.blocks) {
    const entry = chain.at(height)
    if (!entry || printHash(entry.id) !== id) return `block ${id} is not at height ${height} of the best chain`
    const agreeing = new Set(
      committedCertificate(chain, height)
        .filter((digest) => digest.verdict === 1 && digest.blockId === entry.id)
        .map((digest) => digest.ticketId),
    )
    if (agreeing.size !== chain.params.verifierQuorum) return `block ${height} has ${agreeing.size} agreeing verifiers`
  }
  return undefined
}

/** The report as the card tells it, in the bytes whose hash 07 carries. */
function checkReport(card: ModelCard, { charge }: Settled): string | undefined {
  const report: Report = {
    slots: card.report.slots,
    miners: card.report.miners,
    supervisors: card.report.supervisors,
    evaluators: card.group.evaluators.map(({ ticket }) => ticket),
  }
  const hash = sha256Hex(encodeReport(report))
  if (hash !== charge.record.reportHash) return `the report of the card hashes to ${hash}`
  return card.report.hash === hash ? undefined : `report.hash is ${String(card.report.hash).slice(0, 64)}`
}

function checkMetrics(card: ModelCard, { report }: Claims): string | undefined {
  const best = report.miners.find((miner) => miner.rank === 1)!
  const expected = { ticket: best.ticket, accuracy: best.accuracy, loss: best.loss }
  return difference({ model: expected }, { model: pick(card.model, ['ticket', 'accuracy', 'loss']) })
}

function checkModel(card: ModelCard, { task, charge }: Settled, bytes: Uint8Array | undefined): string | undefined {
  const winnerHash = charge.record.winnerHash
  if (card.model.hash !== winnerHash) return `model.hash is ${String(card.model.hash).slice(0, 64)}`
  if (!bytes) return `there is no readable ${MODEL_FILE} beside the card`
  const model = decodeSafetensors(task.document, bytes)
  if (!model) return `${MODEL_FILE} is not a model as it was written`
  const hash = modelHash(model.taskId, model.ticketId, model.sequence, model.weights, bf16Numbers(task.document))
  if (hash !== winnerHash) return `the weights hash to ${hash}`
  const expected = {
    file: MODEL_FILE,
    bytes: bytes.length,
    sha256: sha256Hex(bytes),
    ticket: model.ticketId,
    sequence: model.sequence,
    hash,
    parameters: modelParams(task.document),
    // Compared with the report.
    accuracy: card.model.accuracy,
    loss: card.model.loss,
  }
  return difference({ model: expected }, { model: card.model })
}

/** The card's payouts one by one with the raw outputs of 07: zeros are left out there, the client comes last (A21). */
function checkPayouts(card: ModelCard, { charge, task }: Settled): string | undefined {
  const { settlement } = card
  const expected = settlement.payouts
    .filter(({ amount }) => BigInt(amount) > 0n)
    .map(({ owner, amount }) => ({ owner, amount: BigInt(amount) }))
  const refund = BigInt(settlement.refundToClient)
  if (refund > 0n) expected.push({ owner: task.client, amount: refund })
  const outputs = charge.tx.outputs.slice(1)
  if (outputs.length !== expected.length) return `CHARGE_FOR_TASK pays ${outputs.length} times, the card ${expected.length} times`
  for (const [index, { owner, amount }] of expected.entries()) {
    const { amount: paid, script } = outputs[index]!
    const parsed = parseScript(script)
    if (parsed.kind !== 'key' || parsed.key !== owner || paid !== amount) return `output ${index + 1} does not pay ${amount} to ${owner}`
  }
  const paid = outputs.reduce((sum, output) => sum + output.amount, 0n)
  const escrow = BigInt(settlement.fee) + BigInt(settlement.bond) + BigInt(settlement.confiscated)
  if (paid !== escrow) return `escrow and confiscated stakes are ${escrow}, but ${paid} was paid out`
  return BigInt(settlement.payoutTotal) + refund === escrow ? undefined : 'payouts and refund do not add up to the escrow'
}

/** The card's own signature bytes by the card's own signers, whose keys the chain knows. */
function checkCertificate(card: ModelCard, { chain, task, charge, claims }: Settled): string | undefined {
  const { signers, signature } = card.settlement.certificate
  const refusal = difference({ certificate: claims.settlement.certificate }, { certificate: card.settlement.certificate })
  if (refusal) return refusal
  const needed = quorum(task.evaluators.length)
  if (new Set(signers).size < needed) return `${signers.length} of ${task.evaluators.length} evaluators signed, ${needed} are needed`
  const keys = signers.map((ticket) => hexToBytes(chain.view().ticket(ticket)!.blsKey))
  return bls.fastAggregateVerify(keys, groupDigest(charge.tx), hexToBytes(signature))
    ? undefined
    : 'the aggregate signature does not verify'
}

function pick(value: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(value, key)).map((key) => [key, (value as Record<string, unknown>)[key]]))
}

function readHex(value: unknown, bytes: number): Uint8Array | undefined {
  return typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value) ? hexToBytes(value) : undefined
}

function short(hash: Hex | undefined): string {
  return hash === undefined ? '?' : `${hash.slice(0, 12)}...`
}
