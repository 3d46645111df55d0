import fc from 'fast-check'
import { expect, test } from 'vitest'
import { roundTicks } from './ticks.ts'

const range = fc
  .tuple(
    fc.integer({ min: -9999, max: 9999 }),
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: -40, max: 40 }),
    fc.integer({ min: 3, max: 10 }),
  )
  .map(([from, width, power, count]) => ({ least: Number(`${from}e${power}`), most: Number(`${from + width}e${power}`), count }))

test('ticks are even, inside or around the range, not too many, and their texts are their values', () => {
  fc.assert(
    fc.property(range, fc.boolean(), ({ least, most, count }, outer) => {
      const { values, labels } = roundTicks(least, most, count, outer)
      expect(values.length).toBeLessThanOrEqual(count + (outer ? 2 : 1))
      expect(values.length).toBeGreaterThanOrEqual(outer ? 2 : 1)
      const slack = (most - least) * 1e-5
      if (outer) expect(values[0]! <= least + slack && values.at(-1)! >= most - slack).toBe(true)
      else expect(values[0]! >= least - slack && values.at(-1)! <= most + slack).toBe(true)
      for (const [i, value] of values.entries()) expect(Number(labels[i]!.replaceAll('−', '-')), labels[i]).toBe(value)
      expect(new Set(labels).size).toBe(labels.length)
    }),
  )
})

test('their texts', () => {
  const labels = (least: number, most: number, outer = true) => roundTicks(least, most, 5, outer).labels
  expect(labels(0.1, 2.4)).toEqual(['0.0', '0.5', '1.0', '1.5', '2.0', '2.5'])
  expect(labels(0.1, 0.3, false)).toEqual(['0.10', '0.15', '0.20', '0.25', '0.30'])
  expect(labels(-30, 45)).toEqual(['−40', '−20', '0', '20', '40', '60'])
  expect(labels(0, 2.1e6)).toEqual(['0', '5e5', '1e6', '1.5e6', '2e6', '2.5e6'])
  expect(labels(0, 3e-6)).toEqual(['0', '1e−6', '2e−6', '3e−6'])
})
