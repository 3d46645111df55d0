/** Who was paid what by a task: read back from the chain alone, for the summary of a devnet and for model cards. */
import type { Chain } from '@pouw/chain'
import { decodeRecord, type Hex, parseScript, printHash, type Report, type Tx, txId } from '@pouw/primitives'

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
  const outputs = found.tx.outputs.slice(1)
  const refundToClient = outputs.pop()?.amount ?? 0n

  // Outputs stand in the order of A21 with the zeros left out, so each payee takes the next output if it pays to his key.
  let next = 0
  const paidTo = (ticket: Hex): bigint => {
    const output = outputs[next]
    const script = output && parseScript(output.script)
    if (!output || script?.kind !== 'key' || script.key !== chain.view().ticket(ticket)?.owner) return 0n
    next++
    return output.amount
  }
  const ranked = [...report.miners].filter((miner) => miner.rank > 0).sort((a, b) => a.rank - b.rank)
  const minersPaid = new Map(ranked.map((miner) => [miner.ticket, paidTo(miner.ticket)]))
  const supervisors = report.supervisors.map(({ ticket }) => ({ ticket, paid: paidTo(ticket) }))
  const evaluators = report.evaluators.map((ticket) => ({ ticket, paid: paidTo(ticket) }))
  const payoutTotal = outputs.reduce((sum, output) => sum + output.amount, 0n)
  return {
    txid: printHash(txId(found.tx)),
    height: found.height,
    miners: report.miners.map(({ ticket, rank, recorded, accuracy, loss }) => ({
      ticket,
      rank,
      iterations: recorded,
      accuracy,
      loss,
      paid: minersPaid.get(ticket) ?? 0n,
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
