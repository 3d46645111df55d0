import { parseTaskDocument } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { BLOCK, prepare, smallTask, TASK, TICKETS } from '../test/small-task.ts'
import { evaluate } from './evaluation.ts'
import { bindArithmetic, initialWeights, modelOf } from './model.ts'
import { createNet } from './net/net.ts'
import { createSchedule } from './schedule.ts'
import type { SegmentData } from './segments.ts'
import { createTrainer } from './trainer.ts'

const doc = smallTask()
const { batches, test: segments } = prepare(doc)

test('one miner alone learns the synthetic data', () => {
  const alone = smallTask({ tau: Math.fround(0.3) }, { epochs: 15 })
  const schedule = createSchedule(
    alone,
    BLOCK,
    TICKETS[0]!,
    batches.map(() => 0),
    0,
  )
  const trainer = createTrainer(alone, TASK, TICKETS[0]!)
  const before = evaluate(alone, trainer.weights, segments)
  for (let sequence = 1; sequence <= schedule.iterations; sequence++) {
    const { batchIndex, rate } = schedule.at(sequence)
    const output = trainer.iterate({ maps: [], batch: batches[batchIndex]!.bytes, rate })
    if (!output.ok) throw new Error(output.code)
  }
  const after = evaluate(alone, trainer.weights, segments)
  expect(before.accuracy).toBeLessThan(0.5)
  expect(after.accuracy).toBeGreaterThan(0.9)
  expect(after.loss).toBeLessThan(before.loss / 2)
  expect(after.beatsTrivial).toBe(true)
})

test('an evaluation is exact: chunks in order, the last one short, equal on both backends', () => {
  const odd = smallTask({}, { batch: 64 })
  const weights = initialWeights(odd)
  const got = evaluate(odd, weights, segments)
  expect(evaluate(odd, weights, segments, 'reference')).toEqual(got)

  const net = createNet(modelOf(odd), 64)
  net.weights.set(weights)
  const features = segments.flatMap((segment) => [...segment.features])
  const labels = segments.flatMap((segment) => [...segment.labels])
  let loss = 0
  let right = 0
  for (let first = 0; first < 300; first += 64) {
    const last = Math.min(300, first + 64)
    net.loadBatch(new Uint8Array(features.slice(first * 40, last * 40)), new Uint8Array(labels.slice(first, last)), odd.ml.dataset.scale)
    const chunk = net.forward()
    loss += chunk.lossSum
    right += chunk.correct
  }
  const commonest = Math.max(...[0, 1, 2, 3, 4].map((label) => labels.filter((each) => each === label).length))
  expect(got).toEqual({
    loss: Math.fround(loss / 300),
    accuracy: Math.fround(right / 300),
    beatsTrivial: Math.fround(right / 300) > Math.fround(commonest / 300),
  })
})

test.each([
  ['softmax-cross-entropy', {}],
  ['mean-squared-error', { answers: 5, answerScale: 0.25 }],
  ['huber', { answers: 5, answerScale: 0.25 }],
  ['binary-cross-entropy', { answers: 5, answerScale: 0.25 }],
] as const)('%s: who always says the same does not beat who always says the same', (loss, dataset) => {
  const { ml, ...rest } = smallTask()
  const layers = [{ id: 'out', nodes: 5 }]
  const task = bindArithmetic(
    parseTaskDocument({
      ...rest,
      version: 2,
      arithmetic: { kernels: '00'.repeat(32), program: '00'.repeat(32) },
      ml: {
        ...ml,
        dataset: { ...ml.dataset, ...dataset },
        model: { ...ml.model, type: 'layers', input: [40], layers, loss },
        'evaluation-metrics': loss === 'softmax-cross-entropy' ? ['accuracy', 'cross-entropy'] : [loss],
      },
    }),
  )
  const { test: parts } = prepare(task)
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const wanted = parts.flatMap((part) => [...part.labels])
  const scale = 'answerScale' in dataset ? dataset.answerScale : 1
  const column = (output: number) => wanted.filter((_, i) => i % 5 === output).map((byte) => byte * scale)
  const shares = [0, 1, 2, 3, 4].map((label) => wanted.filter((each) => each === label).length / count)
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const constant = (by: number) =>
    [0, 1, 2, 3, 4].map((output) => {
      if (loss === 'softmax-cross-entropy') return shares[output]!
      const said = mean(column(output)) + by
      if (loss !== 'binary-cross-entropy') return said
      const likely = Math.min(Math.max(said, 0.01), 0.99)
      return Math.log(likely / (1 - likely))
    })
  // Weights of the features are zero, so the bias is all that a sample is answered with.
  const scored = (said: number[]) => evaluate(task, Float32Array.of(...new Float32Array(200), ...said), parts)
  const same = scored(constant(0))
  expect(same.beatsTrivial).toBe(false)
  const squared = mean([0, 1, 2, 3, 4].map((output) => mean(column(output).map((value) => (value - mean(column(output))) ** 2))))
  if (loss === 'mean-squared-error') expect(same.loss).toBeCloseTo(squared, 5)
  if (loss === 'softmax-cross-entropy') expect(same.accuracy).toBe(Math.fround(Math.max(...shares)))
  else for (const by of [0.1, -0.1]) expect(scored(constant(by)).loss).toBeGreaterThan(same.loss)
})

test('what does not fit the document is refused', () => {
  const weights = initialWeights(doc)
  const segment: SegmentData = segments[0]!
  expect(() => evaluate(doc, weights, [])).toThrow(RangeError)
  expect(() => evaluate(doc, weights.subarray(1), segments)).toThrow(RangeError)
  expect(() => evaluate(doc, weights, [{ ...segment, count: segment.count - 1 }])).toThrow(RangeError)
  expect(() => evaluate(doc, weights, [{ ...segment, labels: segment.labels.map(() => 5) }])).toThrow(RangeError)
})
