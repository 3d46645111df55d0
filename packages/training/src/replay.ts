import { sha256Hex } from '@pouw/crypto'
import type { Hex, TaskDocument } from '@pouw/primitives'
import type { Digest, IterationFailure, IterationOutput } from './iteration.ts'
import type { Backend } from './model.ts'
import { openModel, openResidual } from './state-bytes.ts'
import { createTrainer, type Trainer } from './trainer.ts'

/** Everything one iteration depends on; the bytes are the preimages of the hashes in IT_RES, and the caller has compared those. */
export interface ReplayInput {
  /** The iteration to run, from 1; the start state has sequence - 1 (A13). */
  readonly sequence: number
  readonly startModel: Uint8Array
  readonly startResidual: Uint8Array
  readonly maps: readonly Uint8Array[]
  readonly batch: Uint8Array
  readonly rate: number
}

/** A trainer kept for replays of one miner's iterations of one task. */
export interface ReplayTrainer {
  readonly taskId: Hex
  readonly ticketId: Hex
  readonly trainer: Trainer
}

export function createReplayTrainer(doc: TaskDocument, taskId: Hex, ticketId: Hex, backend?: Backend): ReplayTrainer {
  return { taskId, ticketId, trainer: createTrainer(doc, taskId, ticketId, backend) }
}

/**
 * Runs one iteration of another miner again (checks 14 and 15 of spec 10.6) and answers what it should have published.
 * `bad-start`: the start bytes are not a finite state of this task, ticket and sequence.
 */
export function replay(replaying: ReplayTrainer, input: ReplayInput): IterationOutput | IterationFailure {
  return replayBeside(replaying, input, sha256Hex)
}

/** The same with hashes by a digest of the caller's, which may work beside this thread. */
export function replayBeside<D>(
  { taskId, ticketId, trainer }: ReplayTrainer,
  input: ReplayInput,
  digest: Digest<D>,
): IterationOutput<D> | IterationFailure {
  const model = openModel(input.startModel, trainer.weights.length, trainer.halves)
  const residual = openResidual(input.startResidual, trainer.residual.length, trainer.halves)
  if (!model || !residual) return { ok: false, code: 'bad-start' }
  for (const state of [model, residual])
    if (state.taskId !== taskId || state.ticketId !== ticketId || state.sequence !== input.sequence - 1)
      return { ok: false, code: 'bad-start' }
  trainer.restore(input.sequence - 1, model.weights, residual.residual)
  return trainer.iterateBeside(input, digest)
}
