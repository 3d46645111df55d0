import { hexToBytes, sha256, shuffle, u32le, utf8 } from '@pouw/crypto'
import type { Hex, TaskDocument } from '@pouw/primitives'
import { rateOf } from './optimizers/rate.ts'

/** What one miner has to do, iteration by iteration. */
export interface Schedule {
  /** Iterations that are due in all: epochs times own batches. */
  readonly iterations: number
  /** The batches this miner owns, ascending. */
  readonly ownBatches: readonly number[]
  /**
   * Epoch (from 0), batch and rate of one iteration.
   * @throws RangeError unless 1 <= sequence <= iterations
   */
  at(sequence: number): { readonly epoch: number; readonly batchIndex: number; readonly rate: number }
}

/**
 * The order of one miner's work over all epochs (spec 8.3), each of its batches once per epoch.
 * @param owner the table of `assignBatches`
 * @param minerIndex the index of `ticketId` in that table
 */
export function createSchedule(
  doc: TaskDocument,
  taskBlockHash: Hex,
  ticketId: Hex,
  owner: readonly number[],
  minerIndex: number,
): Schedule {
  const ownBatches: number[] = []
  owner.forEach((miner, batch) => {
    if (miner === minerIndex) ownBatches.push(batch)
  })
  const iterations = doc.ml.epochs * ownBatches.length
  // Miners walk forward, verifiers ask at random: one remembered epoch serves both.
  let remembered = -1
  let order: number[] = []
  return {
    iterations,
    ownBatches,
    at(sequence) {
      if (!Number.isInteger(sequence) || sequence < 1 || sequence > iterations)
        throw new RangeError(`Schedule.at: expected a sequence in 1..${iterations}, got ${sequence}`)
      const epoch = Math.floor((sequence - 1) / ownBatches.length)
      if (epoch !== remembered) {
        order = epochOrder(taskBlockHash, ticketId, epoch, ownBatches)
        remembered = epoch
      }
      return { epoch, batchIndex: order[(sequence - 1) % ownBatches.length]!, rate: rateAt(doc, sequence) }
    },
  }
}

/** A miner's batches in the order of one epoch (spec 8.3): shuffled under SHA-256("POUW-ORDER" || task block || ticket || u32 epoch). */
export function epochOrder(taskBlockHash: Hex, ticketId: Hex, epoch: number, ownBatches: readonly number[]): number[] {
  const key = sha256(utf8('POUW-ORDER'), hexToBytes(taskBlockHash), hexToBytes(ticketId), u32le(epoch))
  return shuffle(ownBatches.length, key).map((i) => ownBatches[i]!)
}

/**
 * The learning rate of an iteration, binary32 (A10): the document's rate, warm-up and schedule (`rateOf`). Sequences count each miner's own iterations
 * from 1, so all miners warm up alike.
 */
export function rateAt(doc: TaskDocument, sequence: number): number {
  return rateOf(doc.ml.optimizer, sequence)
}

/** The step of one map word, binary32 (A25): fl(fl(rate / batch) * tau). */
export function quantum(rate: number, batch: number, tau: number): number {
  return Math.fround(Math.fround(Math.fround(rate) / batch) * Math.fround(tau))
}
