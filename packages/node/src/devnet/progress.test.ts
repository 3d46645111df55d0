import { expect, test } from 'vitest'
import type { NodeLine, NodeStatusJson } from '../node-process.ts'
import { advance, createProgress, height, phase, quality } from './progress.ts'
import { summarise } from './summary.ts'
import { redraw, renderProgress } from './view.ts'

const names = [
  { name: 'miner-1', role: 'miner' },
  { name: 'verifier-1', role: 'verifier' },
] as const

const status = (more: Partial<NodeStatusJson>): NodeLine => ({
  kind: 'status',
  peers: 3,
  rssBytes: 2 ** 20,
  status: {
    role: 'miner',
    owner: '',
    ticketId: 'aa',
    ticketState: 'LIVE',
    height: 0,
    tip: '',
    mempool: 0,
    candidates: 0,
    balance: '0',
    tasks: [],
    training: null,
    result: null,
    lastReplayMs: null,
    counters: {},
    ...more,
  },
})
const training = (sequence: number) => ({ taskId: 't', sequence, due: 100, loss: 0.5, accuracy: 0.75, finalised: sequence })
const task = (state: string) => ({ id: 'ab'.repeat(32), state, reason: null, miners: [], supervisors: [], evaluators: [], lastSlot: 0 })
const block = (at: number, taskId: string | null, hash = `${at}`.repeat(32)): NodeLine => ({
  kind: 'event',
  name: 'block',
  atMs: 0,
  fields: { height: at, hash, miner: 'cd'.repeat(32), iteration: 5, taskId, verifiers: ['x'], verified: true, timeS: 0 },
})

test('phases follow the processes, the chain and the task, never backwards', () => {
  const progress = createProgress(names, 0)
  expect(phase(progress)).toBe('starting')
  for (const { name } of names) advance(progress, name, { kind: 'ready', pid: 1, peerId: '', addresses: [], height: 0 }, 1)
  expect(phase(progress)).toBe('first block')
  advance(progress, 'miner-1', block(1, null), 500)
  expect(phase(progress)).toBe('tickets')
  advance(progress, 'miner-1', status({ tasks: [task('TRAINING')] }), 2)
  // A process that lags behind does not turn the clock back.
  expect(advance(progress, 'verifier-1', status({ tasks: [task('KEYED')] }), 3)).toBeUndefined()
  expect(phase(progress)).toBe('TRAINING')
  expect(advance(progress, 'verifier-1', status({ tasks: [task('EVALUATING')] }), 4)).toContain('EVALUATING')
})

test('blocks are told once, a reorganisation replaces, replay times find their block before and after it', () => {
  const progress = createProgress(names, 0)
  const replayed = (hash: string, ms: number): NodeLine => ({
    kind: 'event',
    name: 'block-replayed',
    atMs: 0,
    fields: { height: 1, hash, ok: true, ms },
  })
  const hash = `${'00'.repeat(31)}ff`
  advance(progress, 'verifier-1', replayed(hash, 4.5), 100)
  expect(advance(progress, 'miner-1', block(1, null, hash), 200)).toContain('filler work')
  expect(advance(progress, 'verifier-1', block(1, null, hash), 210)).toBeUndefined()
  advance(progress, 'miner-1', block(2, null, '22'.repeat(32)), 300)
  advance(progress, 'miner-1', block(3, null, '33'.repeat(32)), 300)
  advance(progress, 'miner-1', block(2, 't', '44'.repeat(32)), 400)
  advance(progress, 'verifier-1', replayed('44'.repeat(32), 7), 500)
  advance(progress, 'verifier-1', replayed('44'.repeat(32), 9), 500)
  expect(height(progress)).toBe(2)
  expect(summarise(progress, 1_000)).toMatchObject({
    seconds: 1,
    secondsToFirstVerifiedBlock: 0.2,
    secondsToFirstTaskBlock: 0.4,
    blocks: [
      { height: 1, hash, replayMs: 4.5, taskId: null },
      { height: 2, hash: '44'.repeat(32), replayMs: 7, taskId: 't' },
    ],
  })
  expect(renderProgress(progress, 1_000, 200).join('\n')).toContain('1 of 2 blocks by useful work')
})

test('the live picture shows speed, loss and accuracy of each miner and fits the screen', () => {
  const progress = createProgress(names, 0)
  advance(progress, 'miner-1', status({ training: training(10), height: 1 }), 1_000)
  advance(progress, 'miner-1', status({ training: training(30), height: 1 }), 2_000)
  const text = renderProgress(progress, 2_000, 200).join('\n')
  expect(text).toContain('30/100')
  expect(text).toContain('20.0/s')
  expect(text).toContain('loss 0.5000')
  expect(text).toContain('accuracy 75.0 %')
  expect(quality({ loss: 0.25, accuracy: 0 }, 1)).toBe('loss 0.2500')
  expect(renderProgress(progress, 2_000, 20).every((line) => line.length <= 20)).toBe(true)
})

test('a picture is drawn over the one before it', () => {
  expect(redraw(['a', 'b'], 0)).toBe('\r\u001b[2Ka\n\u001b[2Kb\n\u001b[J')
  expect(redraw(['a'], 3).startsWith('\u001b[3A\r')).toBe(true)
})
