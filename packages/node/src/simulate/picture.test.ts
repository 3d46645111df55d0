import { expect, test } from 'vitest'
import { picture } from './picture.ts'

const report = {
  virtualS: 640,
  phases: [
    { state: 'DEFINED', atS: 100 },
    { state: 'KEYED', atS: 200 },
    { state: 'TRAINING', atS: 240 },
    { state: 'EVALUATING', atS: 600 },
    { state: 'SETTLED', atS: 639 },
  ],
  blocks: [
    { height: 1, atS: 0, kind: 'filler', verifiers: 3 },
    { height: 2, atS: 300, kind: 'filler', verifiers: 3 },
    { height: 3, atS: 305, kind: 'task', verifiers: 3 },
    { height: 4, atS: 640, kind: 'filler', verifiers: 3 },
  ],
  restarts: [
    { node: 'miner-1', downAtS: 400, upAtS: 425 },
    { node: 'following-supervisor', downAtS: 630, upAtS: null },
  ],
  accuracy: [
    { ticket: 'aa', accuracy: 1, recorded: 222 },
    { ticket: 'bb', accuracy: 0.5, recorded: 111 },
  ],
} as const

test('a run as it is drawn', () => {
  expect(picture(report)).toEqual([
    '                0 s                             320 s                      640 s',
    '  phase                   |defined--|key|training---------------------------|ev|',
    '  blocks        f.............................T................................f',
    '  miner-1       ----------------------------------------xxx---------------------',
    '  following-sup ---------------------------------------------------------------x',
    '                T task block, f filler block, x down',
    '  since         defined 100, keyed 200, training 240, evaluating 600',
    '                settled 639',
    '  model 1       ######################################## 100.00 % in 222',
    '  model 2       ####################.................... 50.00 % in 111',
  ])
})

test('a run without anything is drawn, and no line is longer than 80 characters', () => {
  const empty = picture({ virtualS: 0, phases: [], blocks: [], restarts: [], accuracy: [] })
  expect(empty.length).toBe(4)
  const late = picture({ ...report, virtualS: 1, phases: report.phases.map((phase) => ({ ...phase, atS: 0 })) })
  for (const line of [...picture(report), ...empty, ...late]) expect(line.length, line).toBeLessThanOrEqual(80)
})
