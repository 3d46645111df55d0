/** What a block's height does to tasks: windows close, groups are fixed, deadlines pass (A20). Runs after the block's transactions. */
import type { Hex, NetworkParams } from '@pouw/primitives'
import { rankParticipants } from './selection.ts'
import type { Layer, TaskState, TicketState } from './state.ts'
import { releaseTickets } from './transactions.ts'

const MINERS_MIN = 3

/** @param blockId the block being connected: the randomness of tasks defined, and evaluations opened, in it */
export function advanceTasks(layer: Layer, height: number, blockId: Hex, params: NetworkParams): void {
  for (const [, task] of [...layer.tasks.entries()]) {
    const next = advance(layer, task, height, blockId, params)
    if (next !== task) layer.tasks.set(task.id, next)
  }
}

function advance(layer: Layer, task: TaskState, height: number, blockId: Hex, params: NetworkParams): TaskState {
  switch (task.state) {
    case 'DEFINED':
      if (task.definedAt === height) return { ...task, blockId }
      return height >= task.participationHeight ? staff(layer, task, height, params) : task
    case 'KEYED':
    case 'TRAINING':
      return height >= task.participationHeight + task.record.deadline ? fail(layer, task, height, params, 'deadline') : task
    case 'EVALUATING':
      if (task.evaluationHeight === height)
        return { ...task, evaluationBlock: blockId, evaluatorsHeight: height + params.participationWindow }
      if (task.evaluators.length === 0 && height >= task.evaluatorsHeight!) return drawEvaluators(layer, task, height, params)
      return height >= task.evaluationHeight! + params.graceBlocks ? fail(layer, task, height, params, 'not-settled') : task
    default:
      return task
  }
}

/** Block P: the group is fixed, or the window opens once more, or the task fails. Aggregate keys need no ceremony: KEYED at once. */
function staff(layer: Layer, task: TaskState, height: number, params: NetworkParams): TaskState {
  const { record } = task
  const miners = rankParticipants(task.participants, 1, task.client, record.minersWanted, record.backupMiners)
  const supervisors = rankParticipants(task.participants, 2, task.client, record.supervisorsWanted, record.backupSupervisors)
  if (miners.chosen.length < MINERS_MIN || supervisors.chosen.length < record.supervisorsWanted) {
    const first = height === task.definedAt + params.participationWindow
    return first ? { ...task, participationHeight: height + params.participationWindow } : fail(layer, task, height, params, 'not-staffed')
  }
  for (const ranked of [miners, supervisors]) {
    setState(layer, ranked.chosen, 'ACTIVE')
    setState(layer, ranked.backups, 'BACKUP')
    setState(layer, ranked.released, 'LIVE')
  }
  return {
    ...task,
    state: 'KEYED',
    miners: miners.chosen,
    supervisors: supervisors.chosen,
    backups: { miners: miners.backups, supervisors: supervisors.backups },
  }
}

function drawEvaluators(layer: Layer, task: TaskState, height: number, params: NetworkParams): TaskState {
  const { record } = task
  const ranked = rankParticipants(task.participants, 3, task.client, record.evaluatorsWanted, record.backupEvaluators)
  if (ranked.chosen.length < record.evaluatorsWanted) {
    const first = height === task.evaluationHeight! + params.participationWindow
    if (first) return { ...task, evaluatorsHeight: height + params.participationWindow }
    if (ranked.chosen.length === 0) return fail(layer, task, height, params, 'no-evaluators')
  }
  setState(layer, ranked.chosen, 'ACTIVE')
  setState(layer, ranked.backups, 'BACKUP')
  setState(layer, ranked.released, 'LIVE')
  return { ...task, evaluators: ranked.chosen, evaluatorBackups: ranked.backups }
}

function setState(layer: Layer, ids: readonly Hex[], state: TicketState): void {
  for (const id of ids) layer.tickets.set(id, { ...layer.tickets.get(id)!, state })
}

function fail(layer: Layer, task: TaskState, height: number, params: NetworkParams, reason: string): TaskState {
  releaseTickets(layer, task, height + params.evidenceWindow)
  return { ...task, state: 'FAILED', reason }
}
