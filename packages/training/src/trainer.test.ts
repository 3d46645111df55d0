import { bytesToHex, hexToBytes, sha256Hex, utf8 } from '@pouw/crypto'
import { decodeMap, encodeMap, type Hex, modelNumbers, modelParams, parseTaskDocument, type TaskDocument } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { BLOCK, generalTask, prepare, smallTask, TASK, TICKETS } from '../test/small-task.ts'
import { gpt } from './architectures/gpt.ts'
import { evaluate } from './evaluation.ts'
import type { IterationFailure, IterationOutput } from './iteration.ts'
import { type Backend, bindArithmetic, initialModel, initialWeights } from './model.ts'
import { createReplayTrainer, type ReplayInput, replay } from './replay.ts'
import { createSchedule, quantum, rateAt } from './schedule.ts'
import { modelBytes, openModel, residualBytes } from './state-bytes.ts'
import { createTrainer } from './trainer.ts'

const doc = smallTask()
const { batches } = prepare(doc)
const VERIFIER = TICKETS[2]!

/** What verifiers compare, as one value. */
function published(output: IterationOutput | IterationFailure) {
  if (!output.ok) return output.code
  const { loss, accuracy, overdrive, endModelHash, endResidualHash } = output
  return { map: bytesToHex(output.map), loss, accuracy, overdrive, endModelHash, endResidualHash, gradient: output.gradientHash(VERIFIER) }
}

/** A replay on a trainer that has replayed nothing before. */
function fresh(ticketId: Hex, input: ReplayInput, backend?: Backend, task = doc) {
  return published(replay(createReplayTrainer(task, TASK, ticketId, backend), input))
}

/** Three miners, each applying its peers' maps of the step before; every iteration with all that a replay of it needs. */
function record(iterations: number, doc: TaskDocument, { batches, owner } = prepare(doc)) {
  const miners = TICKETS.map((ticketId, i) => ({
    trainer: createTrainer(doc, TASK, ticketId),
    schedule: createSchedule(doc, BLOCK, ticketId, owner, i),
    ticketId,
  }))
  let last: Uint8Array[] = []
  const steps: { ticketId: Hex; input: ReplayInput; result: ReturnType<typeof published> }[] = []
  for (let sequence = 1; sequence <= iterations; sequence++) {
    const maps = miners.map(({ trainer, schedule, ticketId }, i) => {
      const { batchIndex, rate } = schedule.at(sequence)
      const input: ReplayInput = {
        sequence,
        startModel: modelBytes(TASK, ticketId, trainer.sequence, trainer.weights, trainer.halves),
        startResidual: residualBytes(TASK, ticketId, trainer.sequence, trainer.residual, trainer.halves),
        maps: last.filter((_, j) => j !== i),
        batch: batches[batchIndex]!.bytes,
        rate,
      }
      const output = trainer.iterate(input)
      if (!output.ok) throw new Error(output.code)
      steps.push({ ticketId, input, result: published(output) })
      return output.map
    })
    last = maps
  }
  return { steps, last, miners }
}

const run = record(20, doc)
const late = run.steps[run.steps.length - 2]!

test('replaying gives every bit of 20 iterations of three miners again, on the plain reference too', () => {
  let words = 0
  run.steps.forEach(({ ticketId, input, result }, i) => {
    expect(fresh(ticketId, input)).toEqual(result)
    if (i % 4 === 0) expect(fresh(ticketId, input, 'reference')).toEqual(result)
    words += input.maps.reduce((sum, map) => sum + map.length / 4, 0)
  })
  expect(words).toBeGreaterThan(500)
})

test('a kept trainer replays iterations in any order, and after a refused one', () => {
  const own = run.steps.filter(({ ticketId }) => ticketId === TICKETS[0])
  const kept = createReplayTrainer(doc, TASK, TICKETS[0]!)
  const first = own[0]!.input
  const huge = modelBytes(
    TASK,
    TICKETS[0]!,
    0,
    initialWeights(doc).map((weight) => weight * 1e30),
  )
  for (const { input, result } of [own[9]!, own[3]!, own[19]!, own[3]!]) {
    expect(published(replay(kept, input))).toEqual(result)
    expect(published(replay(kept, { ...first, startModel: huge }))).toBe('not-finite')
    expect(published(replay(kept, { ...input, maps: [new Uint8Array(1)] }))).toBe('bad-map')
  }
})

test('the end hashes of an iteration are the hashes of the start bytes of the next', () => {
  const [first, next] = [run.steps[0]!, run.steps[3]!]
  expect(first.result).toMatchObject({
    endModelHash: sha256Hex(next.input.startModel),
    endResidualHash: sha256Hex(next.input.startResidual),
  })
})

test('another map, peer set, batch or rate gives other hashes', () => {
  const { ticketId, input, result } = late
  expect(input.maps).toHaveLength(2)
  const words = decodeMap(input.maps[0]!)!
  const turned = encodeMap(words.map((word, i) => (i === 0 ? (word ^ 0x8000_0000) >>> 0 : word)))
  const other = batches.find((batch) => bytesToHex(batch.bytes) !== bytesToHex(input.batch))!
  const changed: ReplayInput[] = [
    { ...input, maps: [turned, input.maps[1]!] },
    { ...input, maps: [input.maps[1]!] },
    { ...input, maps: [] },
    { ...input, batch: other.bytes },
    { ...input, rate: Math.fround(0.2) },
  ]
  const hashes = [result, ...changed.map((each) => fresh(ticketId, each))].map((each) =>
    typeof each === 'string' ? each : each.endModelHash,
  )
  expect(new Set(hashes).size).toBe(1 + changed.length)
  expect(fresh(ticketId, { ...input, maps: [...input.maps].reverse() })).toEqual(result)
})

test('a start state of another task, ticket or sequence, or broken bytes, are refused', () => {
  const { ticketId, input } = late
  expect(fresh(ticketId, { ...input, sequence: input.sequence + 1 })).toBe('bad-start')
  expect(fresh(TICKETS[0]!, input)).toBe('bad-start')
  expect(fresh(ticketId, { ...input, startModel: input.startModel.subarray(1) })).toBe('bad-start')
  expect(fresh(ticketId, { ...input, startResidual: input.startModel })).toBe('bad-start')
  expect(published(replay(createReplayTrainer(doc, BLOCK, ticketId), input))).toBe('bad-start')
})

test('bad maps and batches leave the trainer as it was', () => {
  const { input } = run.steps[0]!
  const trainer = createTrainer(doc, TASK, TICKETS[0]!)
  const params = trainer.weights.length
  const before = trainer.weights.slice()
  const refused = (change: Partial<ReplayInput>) => published(trainer.iterate({ ...input, ...change }))
  expect(refused({ maps: [new Uint8Array(3)] })).toBe('bad-map')
  expect(refused({ maps: [encodeMap(new Uint32Array([5, 4]))] })).toBe('bad-map')
  expect(refused({ maps: [encodeMap(new Uint32Array([params]))] })).toBe('bad-map')
  expect(refused({ batch: input.batch.subarray(0, -1) })).toBe('bad-batch')
  expect(refused({ batch: Uint8Array.from(input.batch, (byte, i) => (i === 1 ? byte ^ 1 : byte)) })).toBe('bad-batch')
  expect(refused({ batch: Uint8Array.from(input.batch, (byte, i) => (i === input.batch.length - 1 ? 5 : byte)) })).toBe('bad-batch')
  expect(trainer.sequence).toBe(0)
  expect(trainer.weights).toEqual(before)
  expect(published(trainer.iterate(input))).toEqual(run.steps[0]!.result)
})

test('numbers that leave the finite make no iteration, until the state is restored', () => {
  const { input } = run.steps[0]!
  const trainer = createTrainer(doc, TASK, TICKETS[0]!)
  const start = trainer.weights.slice()
  const huge = start.map((weight) => weight * 1e30)
  trainer.restore(4, huge, new Float32Array(start.length))
  expect(published(trainer.iterate(input))).toBe('not-finite')
  expect(trainer.sequence).toBe(4)
  trainer.weights.set(start)
  expect(published(trainer.iterate(input))).toBe('not-finite')
  trainer.restore(0, start, new Float32Array(start.length))
  expect(published(trainer.iterate(input))).toEqual(run.steps[0]!.result)
  expect(() => trainer.restore(0, start.subarray(1), start)).toThrow(RangeError)
})

test('an iteration moves the weights by its map and the maps of its peers, each rounded by itself', () => {
  const f = Math.fround
  const scaled = smallTask({ peerScale: f(0.3) })
  const { input } = run.steps[0]!
  const start = initialWeights(scaled)
  const peers = [encodeMap(new Uint32Array([0, 7])), encodeMap(new Uint32Array([0, 0x8000_0007, 0x8000_0009]))]
  const trainer = createTrainer(scaled, TASK, TICKETS[0]!)
  const output = trainer.iterate({ ...input, maps: peers })
  if (!output.ok) throw new Error(output.code)
  const q = quantum(input.rate, 10, f(0.7))
  const expected = start.slice()
  // Bit 31 set means +tau of gradient and so a move down; the sums are -2, 0 and +1.
  expected[0] = expected[0]! - f(f(q * f(0.3)) * -2)
  expected[9] = expected[9]! - f(q * f(0.3))
  for (const word of decodeMap(output.map)!) expected[word & 0x7fff_ffff]! += word >>> 31 ? -q : q
  expect(trainer.weights).toEqual(expected)
})

test('maps that cancel are told from maps that do not', () => {
  const trainer = createTrainer(doc, TASK, TICKETS[0]!)
  const up = encodeMap(new Uint32Array([0x8000_0003, 0x8000_0100]))
  const down = encodeMap(new Uint32Array([3, 0x100]))
  expect(trainer.peersCancel([])).toBe(true)
  expect(trainer.peersCancel([new Uint8Array(0)])).toBe(true)
  expect(trainer.peersCancel([up])).toBe(false)
  expect(trainer.peersCancel([up, down])).toBe(true)
  expect(trainer.peersCancel([up, down, up])).toBe(false)
  expect(() => trainer.peersCancel([new Uint8Array(1)])).toThrow(RangeError)
})

test('the final model is the weights plus the rest of the peer maps, and leaves the trainer alone', () => {
  const { trainer } = run.miners[0]!
  const before = trainer.weights.slice()
  const maps = run.last.slice(1)
  const final = trainer.finalModel(maps)
  expect(sha256Hex(final.bytes)).toBe(final.hash)
  const opened = openModel(final.bytes, before.length)!
  expect(opened).toMatchObject({ taskId: TASK, ticketId: TICKETS[0], sequence: 21 })
  expect(opened.weights).not.toEqual(before)
  expect(trainer.weights).toEqual(before)
  expect(trainer.sequence).toBe(20)
  const q = quantum(rateAt(doc, 21), 10, doc.ml.optimizer.tau)
  const sums = new Map<number, number>()
  for (const word of maps.flatMap((map) => [...decodeMap(map)!]))
    sums.set(word & 0x7fff_ffff, (sums.get(word & 0x7fff_ffff) ?? 0) + (word >>> 31 ? 1 : -1))
  opened.weights.forEach((weight, i) => {
    expect(weight).toBe(Math.fround(before[i]! - Math.fround(q * (sums.get(i) ?? 0))))
  })
  expect(() => trainer.finalModel([new Uint8Array(1)])).toThrow(RangeError)
})

test('the gradient hash is over the gradient of step 3 and bound to the ticket', () => {
  // With a threshold that nothing reaches, the first residual is the gradient itself (spec 9.1).
  const trainer = createTrainer(smallTask({ tau: 1000 }), TASK, TICKETS[0]!)
  const output = trainer.iterate(run.steps[0]!.input)
  if (!output.ok) throw new Error(output.code)
  expect(output.map).toHaveLength(0)
  const gradient = trainer.residual.slice()
  expect(gradient.some((value) => value !== 0)).toBe(true)
  for (const ticket of TICKETS)
    expect(output.gradientHash(ticket)).toBe(sha256Hex(utf8('POUW-GRAD'), new Uint8Array(gradient.buffer), hexToBytes(ticket)))
})

test.each([
  { type: 'adamw', weightDecay: 0.01 },
  { type: 'momentum', clip: { type: 'norm', max: 1 } },
  { type: 'rmsprop' },
  { type: 'sgd', weightDecay: 0.001 },
  { type: 'adam', profile: 'bf16x' },
  { type: 'adam', profile: 'int8x' },
  { type: 'sgd', profile: 'bf16x', tau: 0.3, rate: 0.2 },
])('any layers with $type: each iteration is replayed from its bytes alone, and the model learns (%j)', ({ profile, ...optimizer }) => {
  const task = generalTask(optimizer, profile)
  const { steps, miners, last } = record(40, task)
  for (const { ticketId, input, result } of steps.filter((_, i) => i % 17 === 0))
    expect(fresh(ticketId, input, 'wasm', task)).toEqual(result)
  const middle = steps[5]!
  expect(fresh(middle.ticketId, middle.input, 'reference', task)).toEqual(middle.result)

  // What the optimiser keeps and the running statistics are part of the bytes, so a changed one is another iteration.
  const { trainer } = miners[0]!
  if (optimizer.type !== 'sgd') expect(trainer.residual.length).toBeGreaterThan(trainer.weights.length)
  for (const part of ['startModel', 'startResidual'] as const) {
    const bytes = middle.input[part].slice()
    bytes[bytes.length - 2]! ^= 1
    expect(fresh(middle.ticketId, { ...middle.input, [part]: bytes }, 'wasm', task)).not.toEqual(middle.result)
  }
  const losses = steps.map(({ result }) => (typeof result === 'object' ? result.loss : Number.NaN))
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  expect(mean(losses.slice(-9))).toBeLessThan(mean(losses.slice(0, 9)))
  // The model that a miner ends with holds its statistics.
  expect(trainer.finalModel(last.slice(1)).bytes.length).toBe(68 + 4 * trainer.weights.length - 2 * trainer.halves)
  expect(trainer.halves).toBe(profile === 'bf16x' ? modelParams(task) : 0)
})

/** A language model of tokens, and nets with other losses, on synthetic data of their kind. */
function answeringTask(
  loss: TaskDocument['ml']['model']['loss'],
  ml: { dataset?: object; model: object; optimizer?: object },
): TaskDocument {
  const { ml: small, ...rest } = smallTask()
  return bindArithmetic(
    parseTaskDocument({
      ...rest,
      version: 2,
      arithmetic: { kernels: '00'.repeat(32), program: '00'.repeat(32) },
      ml: {
        ...small,
        dataset: { ...small.dataset, ...ml.dataset },
        model: { ...small.model, type: 'layers', input: [40], loss, ...ml.model },
        optimizer: { type: 'adam', rate: 0.01, warmup: 3, tau: 0.005, peerScale: 1, ...ml.optimizer },
        'evaluation-metrics': loss === 'softmax-cross-entropy' ? ['accuracy', 'cross-entropy'] : [loss],
      },
    }),
  )
}
const language = (optimizer?: object) => {
  const { input, layers } = gpt({ layers: 1, heads: 2, width: 16, time: 20, vocabulary: 9 })
  if (input.kind !== 'tokens') throw new Error('expected tokens')
  return answeringTask('softmax-cross-entropy', {
    dataset: { features: 20, classes: 9, answers: 20, scale: 1 },
    model: { input: [input.length], vocabulary: input.vocabulary, layers },
    optimizer: optimizer ?? {},
  })
}
const denoising = (loss: 'mean-squared-error' | 'binary-cross-entropy' | 'huber', model: object = {}) =>
  answeringTask(loss, {
    dataset: { answers: 40, classes: 2 },
    optimizer: { rate: 0.005, tau: 0.004 },
    model: {
      layers: [
        { id: 'hidden', nodes: 30, activation: 'relu' },
        { id: 'out', nodes: 40 },
      ],
      ...model,
    },
  })

test.each<[string, TaskDocument]>([
  ['tokens', language()],
  ['tokens, plain SGD', language({ type: 'sgd', rate: 0.5, tau: 2 })],
  ['mean-squared-error', denoising('mean-squared-error')],
  ['binary-cross-entropy', denoising('binary-cross-entropy')],
  ['huber', denoising('huber', { delta: 0.5 })],
])('%s: replayed from its bytes, alike in the reference, and in the end better than a trivial model', (_, task) => {
  const { steps, miners, last } = record(60, task)
  for (const { ticketId, input, result } of steps.filter((_, i) => i % 29 === 0))
    expect(fresh(ticketId, input, 'wasm', task)).toEqual(result)
  const middle = steps[5]!
  expect(fresh(middle.ticketId, middle.input, 'reference', task)).toEqual(middle.result)
  const { test: segments } = prepare(task)
  const before = evaluate(task, initialModel(task), segments)
  const final = openModel(miners[0]!.trainer.finalModel(last.slice(1)).bytes, modelNumbers(task))!
  const after = evaluate(task, final.weights, segments)
  expect(evaluate(task, final.weights, segments, 'reference')).toEqual(after)
  expect(after.loss).toBeLessThan(before.loss)
  expect([before.beatsTrivial, after.beatsTrivial]).toEqual([false, true])
  expect(after.accuracy > 0).toBe(task.ml.model.loss === 'softmax-cross-entropy')
  // What is published of an iteration is a mean, too.
  const { result } = steps.at(-1)!
  if (typeof result !== 'object') throw new Error(result)
  expect(result.accuracy).toBeLessThanOrEqual(1)
  expect(result.loss).toBeLessThan(2 * before.loss)
})

test('a batch whose tokens or answers are out of range is refused', () => {
  const task = language()
  const trainer = createTrainer(task, TASK, TICKETS[0]!)
  const { bytes } = prepare(task).batches[0]!
  const at = 37 + 20 * task.ml.batch
  for (const place of [37, at - 1, at, bytes.length - 1]) {
    const stray = bytes.slice()
    stray[place] = 9
    expect(trainer.iterate({ maps: [], batch: stray, rate: 0.1 })).toEqual({ ok: false, code: 'bad-batch' })
  }
  expect(trainer.iterate({ maps: [], batch: bytes, rate: 0.1 })).toMatchObject({ ok: true })
})

test('a task of other kernels or another program is refused by name', () => {
  const task = generalTask()
  for (const key of ['kernels', 'program'] as const) {
    const other = { ...task, arithmetic: { ...task.arithmetic!, [key]: 'ab'.repeat(32) } }
    expect(() => createTrainer(other, TASK, TICKETS[0]!)).toThrow(`arithmetic.${key}: expected ${task.arithmetic![key]}`)
  }
})

test('an iteration that leaves the finite says in which layer', () => {
  const trainer = createTrainer(doc, TASK, TICKETS[0]!)
  trainer.restore(
    0,
    trainer.weights.map((weight) => weight * 1e30),
    trainer.residual.slice(),
  )
  const result = trainer.iterate({ maps: [], batch: batches[0]!.bytes, rate: 0.1 })
  expect(result).toEqual({ ok: false, code: 'not-finite', layer: 'output' })
})
