/**
 * What a devnet has done so far, put together from the lines of its processes. A pure fold, so that every view (live screen, plain lines,
 * final document) shows the same, and tests need no processes.
 */
import type { BlockSummary, RoleName } from '@pouw/protocol'
import type { NodeLine, NodeStatusJson } from '../node-process.ts'

export interface Progress {
  readonly startedMs: number
  readonly members: Map<string, MemberProgress>
  /** Every block that some process had on its best chain, by its hash. */
  readonly blocks: Map<string, BlockSummary>
  /** Time of the first replay told of a block, ms, by its hash; verifiers tell it before the block is accepted. */
  readonly replays: Map<string, number>
  firstVerifiedBlockMs: number | undefined
  firstTaskBlockMs: number | undefined
  task: { readonly id: string; readonly state: string; readonly reason: string | null } | undefined
  taskSince: { readonly state: string; readonly atMs: number }[]
  model: ModelLine | undefined
}

export interface MemberProgress {
  readonly role: RoleName
  phase: 'starting' | 'running' | 'gone'
  status: NodeStatusJson | undefined
  peers: number
  rssBytes: number
  /** Iterations per second between the last two statuses. */
  iterationRate: number
  statusAtMs: number
  /** Hashes of its best chain, index = height. */
  readonly chain: (string | undefined)[]
}

export interface BlockProgress extends BlockSummary {
  readonly replayMs: number | null
}

/** The `model` line of the client; amounts are decimal strings. */
export interface ModelLine {
  readonly taskId: string
  readonly modelFile: string
  readonly cardFile: string
  readonly loss: number
  readonly accuracy: number
  readonly settlement: {
    readonly miners: readonly { readonly ticket: string; readonly iterations: number; readonly accuracy: number; readonly paid: string }[]
    readonly payoutTotal: string
    readonly escrowTotal: string
    readonly confiscated: string
    readonly refundToClient: string
  }
}

export function createProgress(members: readonly { readonly name: string; readonly role: RoleName }[], startedMs: number): Progress {
  const blank = (role: RoleName): MemberProgress => ({
    role,
    phase: 'starting',
    status: undefined,
    peers: 0,
    rssBytes: 0,
    iterationRate: 0,
    statusAtMs: startedMs,
    chain: [],
  })
  return {
    startedMs,
    members: new Map(members.map(({ name, role }) => [name, blank(role)])),
    blocks: new Map(),
    replays: new Map(),
    firstVerifiedBlockMs: undefined,
    firstTaskBlockMs: undefined,
    task: undefined,
    taskSince: [],
    model: undefined,
  }
}

/** Takes one line of one process into account. Answers what is worth a line to people, if anything. */
export function advance(progress: Progress, name: string, line: NodeLine, nowMs: number): string | undefined {
  const member = progress.members.get(name)
  if (!member) return undefined
  switch (line.kind) {
    case 'ready':
      member.phase = 'running'
      return `${name} is up at height ${line.height}`
    case 'status':
      return onStatus(progress, member, line, nowMs)
    case 'event':
      return onEvent(progress, name, member, line, nowMs)
    case 'model':
      progress.model = line.model as ModelLine
      return `the client has its model: ${quality(progress.model, 2)} on the test segments, in ${progress.model.modelFile}`
    case 'failed':
      return `${name} failed: ${line.error}`
    default:
      line satisfies never
      return undefined
  }
}

/** Greatest height that a process of the devnet has reached. */
export function height(progress: Progress): number {
  let best = 0
  for (const { status, chain } of progress.members.values()) best = Math.max(best, status?.height ?? 0, chain.length - 1)
  return best
}

/** The best chain as the process sees it that is furthest ahead, in ascending height. Processes may disagree about the last blocks for a moment. */
export function bestChain(progress: Progress): BlockProgress[] {
  let longest: readonly (string | undefined)[] = []
  for (const { chain } of progress.members.values()) if (chain.length > longest.length) longest = chain
  return longest.flatMap((hash) => {
    const block = hash === undefined ? undefined : progress.blocks.get(hash)
    return block ? [{ ...block, replayMs: progress.replays.get(block.hash) ?? null }] : []
  })
}

/** What the devnet is doing, in one word. */
export function phase(progress: Progress): string {
  if (progress.model) return 'SETTLED'
  if (progress.task) return progress.task.state
  for (const member of progress.members.values()) if (member.phase === 'starting') return 'starting'
  return height(progress) === 0 ? 'first block' : 'tickets'
}

function onStatus(progress: Progress, member: MemberProgress, line: NodeLine & { kind: 'status' }, nowMs: number): string | undefined {
  const before = member.status?.training
  const now = line.status.training
  const elapsedS = (nowMs - member.statusAtMs) / 1000
  member.iterationRate =
    now && before && now.taskId === before.taskId && elapsedS > 0 ? Math.max(0, now.sequence - before.sequence) / elapsedS : 0
  member.phase = 'running'
  member.status = line.status
  member.peers = line.peers
  member.rssBytes = line.rssBytes
  member.statusAtMs = nowMs
  // The newest task; devnets have one, and the chain lists them in the order they came.
  const task = line.status.tasks.at(-1)
  return task && seeTask(progress, task, nowMs)
}

const ORDER = ['DEFINED', 'STAFFED', 'KEYED', 'TRAINING', 'EVALUATING', 'SETTLED', 'FAILED']

/** Processes see the same chain a little apart; only a step forward counts. */
function seeTask(progress: Progress, task: { id: string; state: string; reason: string | null }, nowMs: number): string | undefined {
  const known = progress.task
  if (known?.id === task.id && ORDER.indexOf(task.state) <= ORDER.indexOf(known.state)) return undefined
  progress.task = { id: task.id, state: task.state, reason: task.reason }
  progress.taskSince.push({ state: task.state, atMs: nowMs })
  return `task ${task.id.slice(0, 12)} is ${task.state}${task.reason ? `: ${task.reason}` : ''}`
}

function onEvent(
  progress: Progress,
  name: string,
  member: MemberProgress,
  line: NodeLine & { kind: 'event' },
  nowMs: number,
): string | undefined {
  const { fields } = line
  switch (line.name) {
    case 'block': {
      const block = fields as unknown as BlockSummary
      // A block at this height ends what stood at it and above.
      member.chain.length = block.height
      member.chain[block.height] = block.hash
      if (progress.blocks.has(block.hash)) return undefined
      progress.blocks.set(block.hash, block)
      progress.firstVerifiedBlockMs ??= nowMs
      if (block.taskId) progress.firstTaskBlockMs ??= nowMs
      const work = block.taskId ? `iteration ${block.iteration} of the task` : 'filler work'
      return `block ${block.height} ${block.hash.slice(0, 16)} by ${block.miner.slice(0, 8)}, ${work}, ${block.verifiers.length} verifiers`
    }
    case 'block-replayed': {
      const { hash, ms } = fields as { hash: string; ms: number | null }
      if (typeof ms === 'number' && !progress.replays.has(hash)) progress.replays.set(hash, ms)
      return undefined
    }
    case 'task-submitted':
      return `the client paid for task ${String(fields.taskId).slice(0, 12)}`
    default:
      return REMARKABLE.has(line.name) ? `${name}: ${line.name} ${JSON.stringify(fields)}` : undefined
  }
}

/** Events that are worth a line to people beside blocks and the task's steps: what should not happen. */
const REMARKABLE = new Set([
  'block-rejected',
  'blocks-lost',
  'connect-refused',
  'effect-failed',
  'events-dropped',
  'history-refused',
  'own-block-refused',
  'store-truncated',
  'task-refused',
  'task-without-winner',
  'training-broken',
])

/** How good a model is: loss, and accuracy where the loss knows right and wrong. */
export function quality({ loss, accuracy }: { readonly loss: number; readonly accuracy: number }, digits: number): string {
  return `loss ${loss.toFixed(4)}${accuracy > 0 ? `  accuracy ${(100 * accuracy).toFixed(digits)} %` : ''}`
}
