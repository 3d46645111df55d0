import { bestChain, height, type Progress, phase } from './progress.ts'

/** The last word of `pouw devnet --json`: architecture section 4. Times in seconds since the start; amounts are decimal strings. */
export function summarise(progress: Progress, nowMs: number): Record<string, unknown> {
  const { model } = progress
  const seconds = (atMs: number | undefined) => (atMs === undefined ? null : (atMs - progress.startedMs) / 1000)
  return {
    taskId: model?.taskId ?? progress.task?.id ?? null,
    status: phase(progress),
    reason: progress.task?.reason ?? null,
    seconds: seconds(nowMs),
    secondsToFirstVerifiedBlock: seconds(progress.firstVerifiedBlockMs),
    secondsToFirstTaskBlock: seconds(progress.firstTaskBlockMs),
    secondsToState: Object.fromEntries(progress.taskSince.map(({ state, atMs }) => [state, seconds(atMs)])),
    testAccuracy: model?.accuracy ?? null,
    testLoss: model?.loss ?? null,
    bestModelFile: model?.modelFile ?? null,
    modelCardFile: model?.cardFile ?? null,
    height: height(progress),
    blocks: bestChain(progress).map(({ height, hash, miner, iteration, taskId, verifiers, replayMs, verified }) => ({
      height,
      hash,
      miner,
      iteration,
      taskId,
      verifiers,
      replayMs,
      verified,
    })),
    miners: minersOf(progress),
    payoutTotal: model?.settlement.payoutTotal ?? null,
    escrowTotal: model?.settlement.escrowTotal ?? null,
    confiscated: model?.settlement.confiscated ?? null,
    refundToClient: model?.settlement.refundToClient ?? null,
    processes: progress.members.size,
  }
}

/** As settled, or as far as they have come. */
function minersOf(progress: Progress): { ticket: string; iterations: number; accuracy: number; paid: string | null }[] {
  if (progress.model)
    return progress.model.settlement.miners.map(({ ticket, iterations, accuracy, paid }) => ({ ticket, iterations, accuracy, paid }))
  return [...progress.members.values()].flatMap(({ status }) =>
    status?.training
      ? [{ ticket: status.ticketId ?? '', iterations: status.training.sequence, accuracy: status.training.accuracy, paid: null }]
      : [],
  )
}
