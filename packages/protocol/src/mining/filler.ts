/**
 * Filler work: a network-defined training run that keeps the chain alive when no task trains (A11, A15).
 */
import { workTarget } from '@pouw/chain'
import { ed25519Sign } from '@pouw/crypto'
import { type Block, blockId, type Hex } from '@pouw/primitives'
import { fillerSeed } from '@pouw/training'
import type { Blocks } from '../blocks.ts'
import type { Context } from '../context.ts'
import { ZERO_HASH } from '../history/log.ts'
import { fillerBudget, fillerSigned } from '../verification/evidence.ts'
import { extraNonce, makeTemplate } from './templates.ts'

const ALLOWED = new Set(['LIVE', 'CANDIDATE', 'BACKUP', 'ACTIVE'])
/** With an ACTIVE ticket in a training task, filler waits for so many block spacings without a block (A15). */
const PATIENCE_SPACINGS = 4

export interface FillerMiner {
  /** Starts a run if the rules let us mine and none is under way. */
  poke(): void
}

/** @param isFinished true if we have no iteration left to do in this task: nothing useful waits then */
export function createFillerMiner(context: Context, blocks: Blocks, isFinished: (taskId: Hex) => boolean): FillerMiner {
  let busy = false
  let counter = 0
  const { params, chain } = context

  const miner: FillerMiner = {
    poke() {
      if (busy) return
      const ticket = context.ticket()
      if (!ticket || ticket.role !== 1 || !ALLOWED.has(ticket.state)) return
      const waitMs = patienceMs(ticket.task)
      if (waitMs > 0) {
        context.at('filler', context.nowMs + waitMs, miner.poke)
        return
      }
      mine(ticket.id)
    },
  }
  return miner

  /** How long to leave the field to useful work. */
  function patienceMs(taskId: Hex | undefined): number {
    const task = taskId === undefined ? undefined : chain.view().task(taskId)
    if (task?.state !== 'TRAINING' || isFinished(task.id)) return 0
    return (chain.tip().header.time + PATIENCE_SPACINGS * params.spacingS) * 1000 - context.nowMs
  }

  function mine(ticketId: Hex): void {
    busy = true
    const template = makeTemplate(context, blocks, ticketId, extraNonce(counter++))
    const seed = fillerSeed(template.zeroNonceHash, ticketId)
    const mining = {
      zeroNonceHeader: template.zeroNonceHeader,
      historyRoot: ZERO_HASH,
      target: workTarget(params, template.header.bits, 'filler'),
      budget: fillerBudget(params),
    }
    context.compute({ kind: 'mine-filler', seed, ticketId, mining }, (result) => {
      busy = false
      if (result.kind === 'mine-filler') {
        context.counters.fillerTries = (context.counters.fillerTries ?? 0) + result.tries
        if (result.win && template.parentId === chain.tip().id) {
          const { iteration, nonce, endModelHash, endResidualHash, map, messageHash } = result.win
          const header = { ...template.header, nonce, hashMsg: messageHash, hashMsgHist: ZERO_HASH }
          const unsigned: Block = {
            header,
            transactions: template.transactions,
            work: { kind: 'filler', ticketId, iteration, endModelHash, endResidualHash, map, signature: new Uint8Array(64) },
            parentCertificate: blocks.certificateOf(template.parentId),
          }
          const signature = ed25519Sign(fillerSigned(blockId(unsigned)), context.config.keys.ticketSeed)
          blocks.propose({ ...unsigned, work: { ...unsigned.work, signature } as Block['work'] })
          // A proposal of ours waits for its verifiers: mining on the same tip meanwhile would only make a rival.
          context.at('filler', context.nowMs + params.spacingS * 1000, miner.poke)
          return
        }
      }
      context.at('filler', context.nowMs + context.config.fillerPauseMs, miner.poke)
    })
  }
}
