import { expect, test } from 'vitest'
import { BLOCK, prepare, smallTask, TICKETS } from '../test/small-task.ts'
import { createSchedule, epochOrder, quantum, rateAt } from './schedule.ts'

const doc = smallTask()
const { owner } = prepare(doc)

test('each miner has every own batch once per epoch, in an order of its own', () => {
  const orders: string[] = []
  TICKETS.forEach((ticket, miner) => {
    const schedule = createSchedule(doc, BLOCK, ticket, owner, miner)
    const own = owner.flatMap((m, batch) => (m === miner ? [batch] : []))
    expect(schedule.ownBatches).toEqual(own)
    expect(schedule.iterations).toBe(3 * own.length)
    for (let epoch = 0; epoch < 3; epoch++) {
      const due = own.map((_, i) => schedule.at(epoch * own.length + i + 1))
      expect(due.every((step) => step.epoch === epoch)).toBe(true)
      const order = due.map((step) => step.batchIndex)
      expect(order).toEqual(epochOrder(BLOCK, ticket, epoch, own))
      expect([...order].sort((a, b) => a - b)).toEqual(own)
      orders.push(order.join())
    }
  })
  expect(new Set(orders).size).toBe(orders.length)
})

test('a schedule answers at random as it does in order, and refuses what is not due', () => {
  const schedule = createSchedule(doc, BLOCK, TICKETS[0]!, owner, 0)
  const inOrder = Array.from({ length: schedule.iterations }, (_, i) => schedule.at(i + 1))
  for (const sequence of [schedule.iterations, 1, 2, schedule.iterations - 1])
    expect(createSchedule(doc, BLOCK, TICKETS[0]!, owner, 0).at(sequence)).toEqual(inOrder[sequence - 1])
  for (const sequence of [0, schedule.iterations + 1, 1.5]) expect(() => schedule.at(sequence)).toThrow(RangeError)
  expect(createSchedule(doc, BLOCK, TICKETS[0]!, owner, 9).iterations).toBe(0)
})

test('the rate warms up in binary32 steps to exactly the full rate', () => {
  const f = Math.fround
  const warming = smallTask({ rate: f(0.3), warmup: 3 })
  expect(rateAt(warming, 1)).toBe(f(f(0.3) * f(1 / 3)))
  expect(rateAt(warming, 2)).toBe(f(f(0.3) * f(2 / 3)))
  expect(rateAt(warming, 3)).toBe(f(0.3))
  expect(rateAt(warming, 900)).toBe(f(0.3))
  expect(rateAt(smallTask({ warmup: 0 }), 1)).toBe(f(0.3))
})

test('the quantum rounds after each step', () => {
  const f = Math.fround
  expect(quantum(f(0.1), 100, 12)).toBe(f(f(f(0.1) / 100) * 12))
  // Rounding once at the end gives other bits for some of these.
  const late = [3, 7, 11, 96, 100, 123].some((batch) => quantum(f(0.1), batch, f(1.3)) !== f((f(0.1) / batch) * f(1.3)))
  expect(late).toBe(true)
})
