import { expect, test } from 'vitest'
import { BLOCK, prepare, smallTask, TASK, TICKETS } from '../test/small-task.ts'
import { evaluate } from './evaluation.ts'
import { initialWeights, modelOf } from './model.ts'
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
  expect(after.commonestShare).toBeLessThan(0.3)
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
  expect(got).toEqual({ loss: Math.fround(loss / 300), accuracy: Math.fround(right / 300), commonestShare: Math.fround(commonest / 300) })
})

test('what does not fit the document is refused', () => {
  const weights = initialWeights(doc)
  const segment: SegmentData = segments[0]!
  expect(() => evaluate(doc, weights, [])).toThrow(RangeError)
  expect(() => evaluate(doc, weights.subarray(1), segments)).toThrow(RangeError)
  expect(() => evaluate(doc, weights, [{ ...segment, count: segment.count - 1 }])).toThrow(RangeError)
  expect(() => evaluate(doc, weights, [{ ...segment, labels: segment.labels.map(() => 5) }])).toThrow(RangeError)
})
