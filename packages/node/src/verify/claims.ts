/**
 * What a chain says about a settled task, in the words of a model card: the client writes its card from this, and a reader compares a card
 * with it. Values are JSON's own (amounts are decimal strings), so that what was written and what was read compare as they are.
 */
import type { Chain, TaskState } from '@pouw/chain'
import { bytesToHex } from '@pouw/crypto'
import {
  type ChainRecord,
  type Digest,
  decodeCertificate,
  decodeIterationResult,
  decodeRecord,
  type Hex,
  parseScript,
  printHash,
  type Tx,
  txId,
} from '@pouw/primitives'
import { toJson } from '../json.ts'
import { readSettlement } from '../settlement.ts'

/** A ticket and the x-only key that owns it. */
export interface CardMember {
  readonly ticket: Hex
  readonly owner: Hex
}

export interface CardBlock {
  readonly height: number
  /** As block explorers print it. */
  readonly id: string
  /** Ticket of the miner. */
  readonly miner: Hex
  /** The miner's own iteration that won. */
  readonly iteration: number
  /** Tickets of the quorum whose replay agreed, as the child block commits them. */
  readonly verifiers: readonly Hex[]
}

export interface Claims {
  readonly task: {
    readonly id: Hex
    /** x-only key of the client: it signs the card. */
    readonly client: Hex
    readonly documentHash: Hex
    readonly document: unknown
  }
  readonly data: {
    readonly segmentsRoot: Hex
    /** Record 0A: which segments tested the models. */
    readonly testReveal: { readonly testRoot: Hex; readonly keyHash: Hex; readonly bitSet: number } | null
  }
  readonly group: {
    readonly miners: readonly CardMember[]
    readonly supervisors: readonly CardMember[]
    readonly evaluators: readonly CardMember[]
  }
  readonly history: { readonly root: Hex; readonly lastSlot: number }
  /** Every block of the chain that was mined by an iteration of this task. */
  readonly blocks: readonly CardBlock[]
  readonly report: {
    readonly hash: Hex
    readonly slots: number
    readonly winner: Hex
    readonly miners: readonly {
      readonly ticket: Hex
      /** From 1; 0 = unpaid. */
      readonly rank: number
      /** Iterations recorded in the history. */
      readonly recorded: number
      readonly modelHash: Hex
      readonly loss: number
      readonly accuracy: number
    }[]
    readonly supervisors: readonly { readonly ticket: Hex; readonly signed: number }[]
  }
  readonly settlement: {
    /** Id of CHARGE_FOR_TASK as explorers print it. */
    readonly transaction: string
    readonly height: number
    readonly winnerHash: Hex
    readonly payoutsRoot: Hex
    readonly fee: string
    readonly bond: string
    readonly confiscated: string
    readonly payoutTotal: string
    readonly refundToClient: string
    readonly payouts: readonly (CardMember & { readonly role: 'miner' | 'supervisor' | 'evaluator'; readonly amount: string })[]
    /** The evaluators' aggregate BLS signature over record and outputs (A19). */
    readonly certificate: { readonly signers: readonly Hex[]; readonly signature: string }
  }
}

/** Undefined unless the best chain holds the task, settled and with a winner. */
export function claimsOf(chain: Chain, taskId: Hex): Claims | undefined {
  const view = chain.view()
  const task = view.task(taskId)
  const report = task?.report
  const charge = report && chargeOf(chain, task)
  const settlement = charge && readSettlement(chain, taskId, report)
  const winner = report?.miners.find((miner) => miner.rank === 1)?.ticket
  const certificate = charge && decodeCertificate(charge.tx.inputs[0]?.witness[0] ?? new Uint8Array(0))
  if (!task || !report || !charge || !settlement || !winner || !certificate) return undefined

  const member = (ticket: Hex): CardMember => ({ ticket, owner: view.ticket(ticket)!.owner })
  const paid = (role: 'miner' | 'supervisor' | 'evaluator') => (entry: { readonly ticket: Hex; readonly paid: bigint }) => ({
    role,
    ...member(entry.ticket),
    amount: entry.paid.toString(),
  })
  const byRank = [...settlement.miners].sort((a, b) => (a.rank || Number.MAX_SAFE_INTEGER) - (b.rank || Number.MAX_SAFE_INTEGER))
  const { testReveal } = task
  return asJson({
    task: { id: task.id, client: task.client, documentHash: task.record.documentHash, document: task.document },
    data: {
      segmentsRoot: task.record.segmentsRoot,
      testReveal: testReveal ? { testRoot: testReveal.testRoot, keyHash: testReveal.keyHash, bitSet: testReveal.bitSet } : null,
    },
    group: {
      miners: task.miners.map(member),
      supervisors: task.supervisors.map(member),
      evaluators: task.evaluators.map(member),
    },
    history: { root: task.history.root, lastSlot: task.history.lastSlot },
    blocks: blocksOf(chain, taskId),
    report: {
      hash: charge.record.reportHash,
      slots: report.slots,
      winner,
      miners: report.miners.map(({ ticket, rank, recorded, modelHash, loss, accuracy }) => ({
        ticket,
        rank,
        recorded,
        modelHash,
        loss,
        accuracy,
      })),
      supervisors: report.supervisors.map(({ ticket, signed }) => ({ ticket, signed })),
    },
    settlement: {
      transaction: printHash(txId(charge.tx)),
      height: charge.height,
      winnerHash: charge.record.winnerHash,
      payoutsRoot: charge.record.payoutsRoot,
      fee: task.record.fee.toString(),
      bond: task.bond.toString(),
      confiscated: charge.record.confiscated.toString(),
      payoutTotal: settlement.payoutTotal.toString(),
      refundToClient: settlement.refundToClient.toString(),
      payouts: [
        ...byRank.map(paid('miner')),
        ...settlement.supervisors.map(paid('supervisor')),
        ...settlement.evaluators.map(paid('evaluator')),
      ],
      certificate: {
        signers: task.evaluators.filter((_, index) => (certificate.signers >>> index) & 1),
        signature: bytesToHex(certificate.signature),
      },
    },
  } satisfies Claims)
}

export interface Charge {
  readonly tx: Tx
  readonly record: ChainRecord<'CHARGE_FOR_TASK'>
  readonly height: number
}

/** The transaction that settled a task, from the block that holds it. */
export function chargeOf(chain: Chain, task: TaskState): Charge | undefined {
  const height = task.settledAt
  const entry = height === undefined ? undefined : chain.at(height)
  const certified = entry && chain.block(entry.id)
  for (const tx of certified?.block.transactions ?? []) {
    if (txId(tx) !== task.settlement) continue
    const script = tx.outputs[0] && parseScript(tx.outputs[0].script)
    const record = script?.kind === 'record' ? decodeRecord(script.record) : undefined
    if (record?.type === 'CHARGE_FOR_TASK') return { tx, record, height: height! }
  }
  return undefined
}

function blocksOf(chain: Chain, taskId: Hex): CardBlock[] {
  const blocks: CardBlock[] = []
  for (let height = 1; height <= chain.tip().height; height++) {
    const { id } = chain.at(height)!
    const certified = chain.block(id)!
    const { work } = certified.block
    const result = work.kind === 'task' ? decodeIterationResult(work.result) : undefined
    if (result?.taskId !== taskId) continue
    blocks.push({
      height,
      id: printHash(id),
      miner: result.ticketId,
      iteration: result.sequence,
      verifiers: committedCertificate(chain, height).map((digest) => digest.ticketId),
    })
  }
  return blocks
}

/**
 * The digests that made a block VERIFIED, as its child's record 06 commits them (A12): nodes may hold other quorums of the same block,
 * but the chain has one. Empty for a height without a child.
 */
export function committedCertificate(chain: Chain, height: number): readonly Digest[] {
  const child = chain.at(height + 1)
  return (child && chain.block(child.id)?.block.parentCertificate) ?? []
}

/** As the value looks after it was written and read. */
export function asJson<T>(value: T): T {
  return JSON.parse(toJson(value))
}
