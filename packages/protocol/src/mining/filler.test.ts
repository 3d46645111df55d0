import { type Ticket, workTarget } from '@pouw/chain'
import { sha256dHex } from '@pouw/crypto'
import { type Block, encodeHeader } from '@pouw/primitives'
import { fillerSeed } from '@pouw/training'
import { describe, expect, test } from 'vitest'
import { BRAIN, CONFIGS, MINER_TICKET, newContext, START_MS } from '../../test/node.ts'
import type { Blocks } from '../blocks.ts'
import { createComputer } from '../compute.ts'
import type { Context } from '../context.ts'
import { ZERO_HASH } from '../history/log.ts'
import type { Effect, Job, JobResult } from '../ports.ts'
import { checkWork, fillerBudget } from '../verification/evidence.ts'
import { checkReplay } from '../verification/replay-checks.ts'
import { createFillerMiner } from './filler.ts'

const { params } = BRAIN.genesis
const computer = createComputer({ filler: params.filler })

type FillerJob = Job & { kind: 'mine-filler' }
type Filler = Extract<JobResult, { kind: 'mine-filler' }>

/** A filler miner and what it asks of the world. */
function newMiner(config = BRAIN, change: (context: Context) => Context = (context) => context) {
  const parts = newContext(config)
  const proposed: Block[] = []
  const blocks = { certificateOf: () => [], propose: (block: Block) => void proposed.push(block) } as unknown as Blocks
  const context = change(parts.context)
  const miner = createFillerMiner(context, blocks, () => false)
  const effects = () => parts.drain()
  /** The one job that is asked for; undefined if none. */
  const job = () => {
    const jobs = effects().flatMap((effect) => (effect.kind === 'compute' ? [effect] : []))
    expect(jobs.length).toBeLessThanOrEqual(1)
    return jobs[0] as (Effect & { kind: 'compute'; job: FillerJob }) | undefined
  }
  return { miner, parts, context, proposed, effects, job }
}

const timers = (effects: readonly Effect[]) => effects.flatMap((effect) => (effect.kind === 'timer' ? [[effect.id, effect.atMs]] : []))

describe('a run', () => {
  test('starts from the template, and only one at a time', () => {
    const { miner, context, job } = newMiner()
    miner.poke()
    miner.poke()
    const asked = job()!
    const { seed, ticketId, mining } = asked.job
    expect(ticketId).toBe(MINER_TICKET)
    expect(seed).toBe(fillerSeed(sha256dHex(mining.zeroNonceHeader), ticketId))
    expect(mining.historyRoot).toBe(ZERO_HASH)
    expect(mining.target).toBe(workTarget(params, context.chain.nextBits(context.chain.tip().id), 'filler'))
    expect(mining.budget).toBe(fillerBudget(params))
  })

  test('that wins becomes a block which passes every check', () => {
    const { miner, parts, context, proposed, effects, job } = newMiner()
    miner.poke()
    const asked = job()!
    const result = computer.run(asked.job) as Filler
    expect(result.win).toBeDefined()
    parts.computed(asked.id, result)
    const [block] = proposed as [Block]
    expect(encodeHeader(block.header).subarray(0, 76)).toEqual(asked.job.mining.zeroNonceHeader)
    expect(context.chain.checkHeader(block, context.nowMs)).toEqual({ ok: true })
    expect(context.chain.checkBody(block)).toEqual({ ok: true })
    const checked = checkWork(block, context.chain.view(), params, context.networkId)
    if (!checked.ok || checked.evidence.kind !== 'filler') throw new Error('expected filler work that passes the cheap checks')
    const { seed, work } = checked.evidence
    expect(seed).toBe(asked.job.seed)
    const replayed = computer.run({
      kind: 'replay-filler',
      seed,
      ticketId: work.ticketId,
      iteration: work.iteration,
      verifier: MINER_TICKET,
    })
    if (replayed.kind !== 'replay') throw new Error('expected a replay')
    expect(checkReplay(checked.evidence, block, params, replayed)).toEqual({ ok: true })
    expect(result.tries).toBe(work.iteration * fillerBudget(params))
    expect(context.counters.fillerTries).toBe(result.tries)
    // The proposal waits for its verifiers for one spacing.
    expect(timers(effects())).toEqual([['filler', START_MS + params.spacingS * 1000]])
  })

  test('that loses is followed by another with another seed, after a pause', () => {
    const { miner, parts, proposed, effects, job } = newMiner()
    miner.poke()
    const first = job()!
    parts.computed(first.id, { kind: 'mine-filler', tries: 512 })
    expect(proposed).toEqual([])
    expect(timers(effects())).toEqual([['filler', START_MS + BRAIN.fillerPauseMs]])
    parts.timer('filler')
    const second = job()!
    expect(second.job.seed).not.toBe(first.job.seed)
  })

  test('that wins on a tip of yesterday is thrown away', () => {
    const first = newMiner()
    first.miner.poke()
    const asked = first.job()!
    const result = computer.run(asked.job) as Filler
    first.parts.computed(asked.id, result)

    const { miner, parts, context, proposed, effects, job } = newMiner()
    miner.poke()
    const late = job()!
    expect(context.chain.connect({ block: first.proposed[0]!, certificate: [] }).verdict).toEqual({ ok: true })
    parts.computed(late.id, result)
    expect(proposed).toEqual([])
    expect(timers(effects())).toEqual([['filler', START_MS + BRAIN.fillerPauseMs]])
  })
})

describe('who may', () => {
  const asTicket = (more: Partial<Ticket>) => (context: Context) => ({ ...context, ticket: () => ({ ...context.ticket()!, ...more }) })
  const starts = (change: (context: Context) => Context, config = BRAIN) => {
    const { miner, job } = newMiner(config, change)
    miner.poke()
    return job() !== undefined
  }

  test('a mature miner ticket, in whatever state but gone', () => {
    for (const state of ['LIVE', 'CANDIDATE', 'BACKUP', 'ACTIVE'] as const) expect(starts(asTicket({ state }))).toBe(true)
    for (const state of ['IMMATURE', 'EXPIRED', 'SPENT'] as const) expect(starts(asTicket({ state }))).toBe(false)
    expect(starts((context) => context, CONFIGS[1]!)).toBe(false)
    expect(starts((context) => ({ ...context, ticket: () => undefined }))).toBe(false)
  })

  /** ACTIVE in a task of this state. */
  const working = (state: string) => (context: Context) => {
    const view = { ...context.chain.view(), task: () => ({ state }) as never }
    return { ...asTicket({ state: 'ACTIVE', task: 'ab'.repeat(32) })(context), chain: { ...context.chain, view: () => view } }
  }

  test('who trains leaves four spacings to useful work (A15)', () => {
    const { miner, context, effects } = newMiner(BRAIN, working('TRAINING'))
    const patient = (context.chain.tip().header.time + 4 * params.spacingS) * 1000
    miner.poke()
    expect(effects()).toEqual([{ kind: 'timer', id: 'filler', atMs: patient }])
    context.nowMs = patient
    miner.poke()
    expect(effects().map((effect) => effect.kind)).toEqual(['compute'])
  })

  test('whose task has not begun or is over need not wait', () => {
    for (const state of ['STAFFED', 'KEYED', 'EVALUATING', 'SETTLED']) expect(starts(working(state))).toBe(true)
    expect(starts(working('TRAINING'))).toBe(false)
  })
})
