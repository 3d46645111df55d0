import { bytesToHex, sha256, utf8 } from '@pouw/crypto'
import {
  bf16Numbers,
  coreHash,
  encodeHeader,
  hashMeets,
  headerId,
  modelNumbers,
  parseTaskDocument,
  type TaskDocument,
} from '@pouw/primitives'
import { bindArithmetic, modelBytes, syntheticData } from '@pouw/training'
import { describe, expect, test } from 'vitest'
import { batchesOf, DOCUMENT, id, PARAMS, plan, TASK } from '../test/group.ts'
import { A, B, CUT, MINED, TEMPLATE, TRAINING } from '../test/history.ts'
import { type Computer, createComputer } from './compute.ts'
import { nonceIndex, nonceZero } from './mining/nonce.ts'
import type { IterateResult, Job, JobResult } from './ports.ts'

const { log, result: mined } = TRAINING
const batches = batchesOf()
const RUN = 'run'
const shared = plan()

type Kind<K extends JobResult['kind']> = Extract<JobResult, { kind: K }>
const ran = <K extends JobResult['kind']>(computer: Computer, job: Job, kind: K): Kind<K> => {
  const result = computer.run(job)
  if (result.kind !== kind) throw new Error(`expected ${kind}, received ${JSON.stringify(result)}`)
  return result as Kind<K>
}

const newComputer = () => createComputer({ filler: PARAMS.filler })
const open = (resume?: { sequence: number; model: Uint8Array; residual: Uint8Array }): Job => ({
  kind: 'open-run',
  run: RUN,
  document: DOCUMENT,
  taskId: TASK,
  ticketId: A.ticketId,
  ...(resume && { resume }),
})

/** A's iteration n once more, as a job; A recorded 1 to 5 and mined 6. */
function iteration(n: number, more: Partial<Job & { kind: 'iterate' }> = {}): Job {
  const message = n === MINED ? mined : log.result(A.ticketId, n)!.message
  const from = n === 1 ? 0 : log.result(A.ticketId, n - 1)!.message.peerCut
  return {
    kind: 'iterate',
    run: RUN,
    sequence: n,
    maps: log.peers(A.ticketId, from, message.peerCut).map((peer) => peer.message.map),
    batch: batches[message.batchIndex]!.bytes,
    rate: message.rate,
    draft: message,
    ...more,
  }
}

/** A computer whose run stands before A's iteration 6. */
function trained(): Computer {
  const computer = newComputer()
  computer.run(open())
  for (let n = 1; n < MINED; n++) ran(computer, iteration(n), 'iterate')
  return computer
}

const outcome = ({ map, loss, accuracy, overdrive, endModelHash, endResidualHash }: IterateResult | Kind<'replay'>) => ({
  map,
  loss,
  accuracy,
  overdrive,
  endModelHash,
  endResidualHash,
})
const MINED_OUTCOME = outcome({ ...mined, kind: 'iterate' })
const refused = (code: string) => ({ kind: 'refused', code })

describe('a run', () => {
  test('starts with the hashes that the plan expects', () => {
    expect(newComputer().run(open())).toEqual({
      kind: 'open-run',
      sequence: 0,
      modelHash: shared.initialModelHash(A.ticketId),
      residualHash: shared.initialResidualHash(A.ticketId),
    })
  })

  test('repeats the recorded iterations bit by bit', () => {
    const computer = newComputer()
    computer.run(open())
    for (let n = 1; n < MINED; n++)
      expect(outcome(ran(computer, iteration(n), 'iterate'))).toEqual(outcome({ ...log.result(A.ticketId, n)!.message, kind: 'iterate' }))
    expect(outcome(ran(computer, iteration(MINED), 'iterate'))).toEqual(MINED_OUTCOME)
  })

  test('goes on from a checkpoint as if nothing had happened', () => {
    const computer = newComputer()
    computer.run(open())
    ran(computer, iteration(1), 'iterate')
    const { checkpoint } = ran(computer, iteration(2, { checkpoint: true }), 'iterate')
    const later = newComputer()
    const opened = ran(later, open({ sequence: 2, ...checkpoint! }), 'open-run')
    const { endModelHash, endResidualHash } = log.result(A.ticketId, 2)!.message
    expect(opened).toEqual({ kind: 'open-run', sequence: 2, modelHash: endModelHash, residualHash: endResidualHash })
    for (let n = 3; n < MINED; n++) ran(later, iteration(n), 'iterate')
    expect(outcome(ran(later, iteration(MINED), 'iterate'))).toEqual(MINED_OUTCOME)
  })

  test('refuses a torn checkpoint, a gap, a foreign batch, and after the end everything', () => {
    const computer = trained()
    const torn = { sequence: 2, model: TRAINING.startModel.subarray(1), residual: TRAINING.startResidual }
    expect(newComputer().run(open(torn))).toEqual(refused('bad-checkpoint'))
    expect(computer.run(iteration(MINED, { sequence: MINED + 1 }))).toEqual(refused('sequence-gap'))
    expect(computer.run(iteration(MINED, { batch: TRAINING.batch.subarray(1) }))).toEqual(refused('bad-batch'))
    expect(computer.run(iteration(MINED, { maps: [new Uint8Array(3)] }))).toEqual(refused('bad-map'))
    expect(outcome(ran(computer, iteration(MINED), 'iterate'))).toEqual(MINED_OUTCOME)
    computer.run({ kind: 'close-run', run: RUN })
    expect(computer.run(iteration(MINED))).toEqual(refused('no-such-run'))
    expect(computer.run({ kind: 'final-model', run: RUN, maps: [] })).toEqual(refused('no-such-run'))
  })
})

describe('mining while training', () => {
  const zeroNonceHeader = encodeHeader(TEMPLATE).subarray(0, 76)
  const mine = (target: bigint, budget: number) =>
    ran(trained(), iteration(MINED, { mining: { zeroNonceHeader, historyRoot: log.rootAt(CUT), target, budget } }), 'iterate').win

  test('a win is a nonce of this iteration whose header meets the target, and the state before it', () => {
    const target = 2n ** 250n
    const budget = 1000
    const win = mine(target, budget)!
    expect(nonceIndex(nonceZero(mined.endModelHash, mined.map), win.nonce, budget)).toBeDefined()
    const header = { ...TEMPLATE, nonce: win.nonce, hashMsg: coreHash(mined), hashMsgHist: log.rootAt(CUT) }
    expect(hashMeets(headerId(header), target)).toBe(true)
    expect(win.startModel).toEqual(TRAINING.startModel)
    expect(win.startResidual).toEqual(TRAINING.startResidual)
  })

  test('without luck, or without leave to mine, there is none', () => {
    expect(mine(1n, 100)).toBeUndefined()
    expect(ran(trained(), iteration(MINED), 'iterate').win).toBeUndefined()
  })
})

describe('replay', () => {
  const job = (more: Partial<Job & { kind: 'replay' }> = {}): Job => ({
    kind: 'replay',
    document: DOCUMENT,
    taskId: TASK,
    ticketId: A.ticketId,
    sequence: MINED,
    model: TRAINING.startModel,
    residual: TRAINING.startResidual,
    maps: log.peers(A.ticketId, 4, CUT).map((peer) => peer.message.map),
    batch: TRAINING.batch,
    rate: mined.rate,
    verifier: B.ticketId,
    ...more,
  })

  test('gives what was published, again and again on one computer', () => {
    const computer = newComputer()
    for (let again = 0; again < 3; again++) expect(outcome(ran(computer, job(), 'replay'))).toEqual(MINED_OUTCOME)
    expect(ran(computer, job({ verifier: A.ticketId }), 'replay').gradientHash).not.toBe(ran(computer, job(), 'replay').gradientHash)
  })

  test('refuses what is no state before this iteration', () => {
    const computer = newComputer()
    expect(computer.run(job({ sequence: MINED - 1 }))).toEqual(refused('bad-start'))
    expect(computer.run(job({ residual: TRAINING.startModel }))).toEqual(refused('bad-start'))
    expect(outcome(ran(computer, job(), 'replay'))).toEqual(MINED_OUTCOME)
  })

  test('filler: an iteration of the run', () => {
    const filler = (iteration: number): Job => ({
      kind: 'replay-filler',
      seed: id('seed'),
      ticketId: A.ticketId,
      iteration,
      verifier: B.ticketId,
    })
    const computer = newComputer()
    for (const wrong of [0, PARAMS.filler.iterations + 1]) expect(computer.run(filler(wrong))).toEqual(refused('iteration-out-of-range'))
    expect(ran(computer, filler(2), 'replay')).toEqual(ran(newComputer(), filler(2), 'replay'))
    expect(ran(computer, filler(1), 'replay').endModelHash).not.toBe(ran(computer, filler(2), 'replay').endModelHash)
  })
})

describe('hashes beside the computing', () => {
  // States of some 170 kB, which is enough for them to leave this thread.
  const layers: TaskDocument['ml']['model']['layers'] = [
    { id: 'hidden', nodes: 2000, activation: 'relu' },
    { id: 'output', nodes: 4, activation: 'identity' },
  ]
  const wide: TaskDocument = { ...DOCUMENT, ml: { ...DOCUMENT.ml, model: { ...DOCUMENT.ml.model, layers } } }
  const step = (run: string) => (n: number, more: Partial<Job & { kind: 'iterate' }>) =>
    iteration(1, { run, sequence: n, batch: batches[n]!.bytes, maps: [], rate: 0.125, checkpoint: true, ...more })
  const [own, peer] = [step('own'), step('peer')]
  const openRun = (run: string): Job => ({
    kind: 'open-run',
    run,
    document: wide,
    taskId: TASK,
    ticketId: run === 'own' ? A.ticketId : B.ticketId,
  })

  test('jobs thrown at it together give, one after the other, what they give one by one', async () => {
    const single = newComputer()
    const mining = {
      zeroNonceHeader: encodeHeader(TEMPLATE).subarray(0, 76),
      historyRoot: log.rootAt(CUT),
      target: 2n ** 250n,
      budget: 1000,
    }
    const results: JobResult[] = []
    const jobs: Job[] = []
    const both = (job: Job) => {
      jobs.push(job)
      results.push(single.run(job))
      return results.at(-1)!
    }
    both(openRun('own'))
    both(openRun('peer'))
    const first = both(own(1, {})) as IterateResult
    const { map } = both(peer(1, {})) as IterateResult
    both(own(2, { maps: [map], mining }))
    both(own(2, {}))
    both(own(3, { maps: [new Uint8Array(3)] }))
    both(own(3, { batch: batches[3]!.bytes.subarray(1) }))
    const { model, residual } = first.checkpoint!
    const rerun = {
      document: wide,
      taskId: TASK,
      ticketId: A.ticketId,
      sequence: 2,
      model,
      residual,
      maps: [map],
      batch: batches[2]!.bytes,
    }
    both({ kind: 'replay', ...rerun, rate: 0.125, verifier: B.ticketId })
    both({ kind: 'replay', ...rerun, sequence: 3, rate: 0.125, verifier: B.ticketId })
    // Weights beyond all bounds in one step: no hash of them is ever answered.
    both(own(3, { rate: 1e38, maps: [map] }))
    both(own(4, {}))
    expect(results.map((result) => ('code' in result ? result.code : result.kind))).toEqual([
      ...['open-run', 'open-run', 'iterate', 'iterate', 'iterate', 'sequence-gap', 'bad-map', 'bad-batch', 'replay', 'bad-start'],
      ...['not-finite', 'sequence-gap'],
    ])
    expect(model.length).toBeGreaterThan(131_072)

    const beside = newComputer()
    const started = jobs.map((job) => beside.runBeside(job))
    expect(() => beside.run(jobs[0]!)).toThrow('expected the job before to be finished')
    expect(await Promise.all(started)).toEqual(results)
    expect(beside.run({ kind: 'close-run', run: 'own' })).toEqual({ kind: 'close-run' })
  })
})

describe("the client's data", () => {
  const { dataset } = DOCUMENT.ml
  const data = syntheticData(DOCUMENT)
  const commit = (seed: string): Job => ({ kind: 'commit-data', document: DOCUMENT, seed: sha256(utf8(seed)), ...data })

  test('equal segments, salted, the same for the same seed', () => {
    const computer = newComputer()
    const first = ran(computer, commit('seed'), 'commit-data')
    expect(first).toEqual(ran(newComputer(), commit('seed'), 'commit-data'))
    expect(first.segments.length).toBe(dataset.segments)
    expect(first.commitments).toEqual(first.segments.map((segment) => bytesToHex(sha256(segment))))
    const other = ran(computer, commit('other seed'), 'commit-data')
    expect(other.commitments.some((commitment) => first.commitments.includes(commitment))).toBe(false)
  })

  test('no sample is lost or doubled', () => {
    const { segments } = ran(newComputer(), commit('seed'), 'commit-data')
    const features = segments.map((segment) => segment.subarray(segment.length - 60 * (dataset.features + 1)))
    const rows = features.flatMap((block) =>
      Array.from({ length: 60 }, (_, i) =>
        bytesToHex(Uint8Array.of(...block.subarray(i * dataset.features, (i + 1) * dataset.features), block[60 * dataset.features + i]!)),
      ),
    )
    const expected = Array.from({ length: dataset.samples }, (_, i) =>
      bytesToHex(Uint8Array.of(...data.features.subarray(i * dataset.features, (i + 1) * dataset.features), data.labels[i]!)),
    )
    expect(rows.sort()).toEqual(expected.sort())
  })

  test('of another size is refused', () => {
    const wrong = { ...commit('seed'), labels: data.labels.subarray(1) } as Job
    expect(newComputer().run(wrong)).toEqual(refused('data-size'))
  })

  test('is cut into batches, and evaluated, segment by segment', () => {
    const computer = newComputer()
    const { segments } = ran(computer, commit('seed'), 'commit-data')
    const cut: Job = { kind: 'cut-batches', document: DOCUMENT, taskId: TASK, segments: segments.slice(0, 7) }
    const { hashes, batches: made } = ran(computer, cut, 'cut-batches')
    expect(hashes.length).toBe(42)
    expect(hashes).toEqual(made.map((batch) => bytesToHex(sha256(batch))))
    const test: Job = { kind: 'evaluate', document: DOCUMENT, model: TRAINING.startModel, segments: segments.slice(7) }
    const report = ran(computer, test, 'evaluate')
    expect(report).toEqual(ran(newComputer(), test, 'evaluate'))
    expect(report.accuracy).toBeGreaterThan(0)
    const torn = [segments[0]!.subarray(1)]
    expect(computer.run({ ...cut, segments: torn })).toEqual(refused('bad-segment'))
    expect(computer.run({ ...test, segments: torn })).toEqual(refused('bad-segment'))
    expect(computer.run({ ...test, model: TRAINING.startModel.subarray(4) })).toEqual(refused('bad-model'))
    // Features first, then labels: the last byte is a class.
    const strange = segments[0]!.with(segments[0]!.length - 1, dataset.classes)
    expect(computer.run({ ...cut, segments: [strange] })).toEqual(refused('bad-segment'))
    expect(computer.run({ ...test, segments: [strange] })).toEqual(refused('bad-segment'))
  })

  test.each(['f32', 'bf16x', 'int8x'] as const)('a model of huge weights has no score: %s', (profile) => {
    const { model: small, ...ml } = DOCUMENT.ml
    const model = {
      ...small,
      type: 'layers',
      input: [dataset.features],
      layers: [
        { id: 'hidden', nodes: 8 },
        { id: 'output', nodes: 4 },
      ],
    }
    const arithmetic = { kernels: '00'.repeat(32), program: '00'.repeat(32) }
    const document = bindArithmetic(parseTaskDocument({ ...DOCUMENT, version: 2, profile, arithmetic, ml: { ...ml, model } }))
    const computer = newComputer()
    const { segments } = ran(computer, { ...commit('seed'), document } as Job, 'commit-data')
    const huge = (weight: number): Job => {
      const weights = new Float32Array(modelNumbers(document)).fill(weight)
      const model = modelBytes(TASK, A.ticketId, 1, weights, bf16Numbers(document))
      return { kind: 'evaluate', document, model, segments: segments.slice(7) }
    }
    expect(ran(computer, huge(2 ** -10), 'evaluate').beatsTrivial).toBe(false)
    expect(computer.run(huge(2 ** 127))).toEqual(refused('not-finite'))
  })
})

test('figures for people come from the clock that is handed in', () => {
  let now = 0
  const computer = createComputer({ filler: PARAMS.filler, nowUs: () => (now += 7) })
  computer.run(open())
  expect(ran(computer, iteration(1), 'iterate')).toMatchObject({ trainUs: 7, overheadUs: 7 })
})
