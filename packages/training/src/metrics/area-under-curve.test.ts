import fc from 'fast-check'
import { expect, test } from 'vitest'
import { areaUnderCurve, macroAreaUnderCurve } from './area-under-curve.ts'

test('the area is the share of pairs in order, equal ones half', () => {
  expect(areaUnderCurve(Float32Array.of(0.1, 0.4, 0.35, 0.8), Uint8Array.of(0, 0, 1, 1))).toBe(0.75)
  const score = fc.constantFrom(-0, 0, 1, 1.5, -2, 1e-40, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
  fc.assert(
    fc.property(fc.array(fc.tuple(score, fc.nat(1)), { minLength: 2, maxLength: 30 }), (rows) => {
      const [zeros, ones] = [0, 1].map((label) => rows.filter((row) => row[1] === label).map((row) => row[0])) as [number[], number[]]
      fc.pre(zeros.length > 0 && ones.length > 0)
      const points = ones.flatMap((a) => zeros.map((b) => (a > b ? 1 : a === b ? 0.5 : 0) as number))
      const want = points.reduce((sum, point) => sum + point, 0) / points.length
      const [scores, labels] = [Float32Array.from(rows, (row) => row[0]), Int32Array.from(rows, (row) => row[1])]
      expect(areaUnderCurve(scores, labels)).toBe(want)
      expect(
        areaUnderCurve(
          scores,
          labels.map((label) => 1 - label),
        ),
      ).toBeCloseTo(1 - want, 14)
    }),
  )
})

test('of several classes, the mean of each against the rest', () => {
  const scores = Float32Array.of(0.8, 0.1, 0.1, 0.2, 0.6, 0.2, 0.4, 0.3, 0.3, 0.1, 0.7, 0.2)
  const labels = Uint8Array.of(0, 1, 2, 2)
  const column = (c: number) => scores.filter((_, i) => i % 3 === c)
  const area = (c: number) =>
    areaUnderCurve(
      column(c),
      labels.map((label) => (label === c ? 1 : 0)),
    )
  expect([0, 1, 2].map(area)).toEqual([1, 2 / 3, 7 / 8])
  expect(macroAreaUnderCurve(scores, labels)).toBe((1 + 2 / 3 + 7 / 8) / 3)
})

test('NaN shows, and one class alone has no area', () => {
  expect(areaUnderCurve(Float32Array.of(0, Number.NaN), Uint8Array.of(0, 1))).toBeNaN()
  expect(macroAreaUnderCurve(Float32Array.of(0, 1, Number.NaN, 0), Uint8Array.of(0, 1))).toBeNaN()
  expect(() => areaUnderCurve(Float32Array.of(0, 1), Uint8Array.of(1, 1))).toThrow('rows of this class and of another, received 2 and 0')
  expect(() => areaUnderCurve(Float32Array.of(0, 1), Uint8Array.of(1, 2))).toThrow('labels in 0..1, received 2')
  expect(() => areaUnderCurve(Float32Array.of(0, 1), Uint8Array.of(1))).toThrow('a score for each of 1 rows, received 2')
  expect(() => macroAreaUnderCurve(new Float32Array(6), Uint8Array.of(0, 1))).toThrow('class 2: expected rows of this class')
})
