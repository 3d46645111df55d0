/** Who was paid what by a task: read back from the chain alone, for the summary of a devnet and for model cards. */
import { type Chain, settlementOf } from '@pouw/chain'
import {
  attachmentOf,
  decodeRecord,
  decodeSettlement,
  type Hex,
  parseScript,
  printHash,
  type Report,
  type Tx,
  txId,
} from '@pouw/primitives'

export interface Settlement {
  readonly txid: string
  readonly height: number
  readonly miners: readonly {
    readonly ticket: Hex
    readonly rank: number
    readonly iterations: number
    readonly accuracy: number
    readonly loss: number
    readonly paid: bigint
  }[]
  readonly supervisors: readonly { readonly ticket: Hex; readonly paid: bigint }[]
  readonly evaluators: readonly { readonly ticket: Hex; readonly paid: bigint }[]
  /** Sum over the workers. */
  readonly payoutTotal: bigint
  /** Fee and bond. */
  readonly escrowTotal: bigint
  /** Stake that joined the pot. */
  readonly confiscated: bigint
  /** What came back to the client: the bond and what nobody earned. */
  readonly refundToClient: bigint
}

/** Undefined while the best chain holds no CHARGE_FOR_TASK of this task. */
export function readSettlement(chain: Chain, taskId: Hex, report: Report): Settlement | undefined {
  const found = findCharge(chain, taskId)
  const task = chain.view().task(taskId)
  if (!found || !task) return undefined
  const attachment = attachmentOf(found.tx)
  const settled = attachment && decodeSettlement(attachment)
  if (!settled) return undefined
  // Who is paid, in the order of the outputs (A21); what he is paid is what the output says. The client's comes last, if anything is left.
  const { payouts } = settlementOf(task, settled.report, settled.salts)
  const outputs = found.tx.outputs.slice(1)
  const paid = new Map(payouts.map(({ ticket }, index) => [ticket, outputs[index]!.amount]))
  const paidTo = (ticket: Hex) => paid.get(ticket) ?? 0n
  const supervisors = report.supervisors.map(({ ticket }) => ({ ticket, paid: paidTo(ticket) }))
  const evaluators = report.evaluators.map((ticket) => ({ ticket, paid: paidTo(ticket) }))
  const payoutTotal = outputs.slice(0, payouts.length).reduce((sum, output) => sum + output.amount, 0n)
  const refundToClient = outputs.slice(payouts.length).reduce((sum, output) => sum + output.amount, 0n)
  return {
    txid: printHash(txId(found.tx)),
    height: found.height,
    miners: report.miners.map(({ ticket, rank, recorded, accuracy, loss }) => ({
      ticket,
      rank,
      iterations: recorded,
      accuracy,
      loss,
      paid: paidTo(ticket),
    })),
    supervisors,
    evaluators,
    payoutTotal,
    escrowTotal: task.record.fee + task.bond,
    confiscated: found.confiscated,
    refundToClient,
  }
}

function findCharge(chain: Chain, taskId: Hex): { tx: Tx; height: number; confiscated: bigint } | undefined {
  for (let height = chain.tip().height; height > 0; height--) {
    const id = chain.at(height)?.id
    const certified = id && chain.block(id)
    if (!certified) continue
    for (const tx of certified.block.transactions) {
      const script = tx.outputs[0] && parseScript(tx.outputs[0].script)
      const record = script?.kind === 'record' ? decodeRecord(script.record) : undefined
      if (record?.type === 'CHARGE_FOR_TASK' && record.taskId === taskId) return { tx, height, confiscated: record.confiscated }
    }
  }
  return undefined
}
