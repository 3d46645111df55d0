import { expect, test } from 'vitest'
import { regressionScores } from './regression.ts'

test('errors and r2 worked out by hand', () => {
  const got = regressionScores(Float32Array.of(2.5, 0, 2, 8), Float32Array.of(3, -0.5, 2, 7))
  expect(got).toEqual({ meanSquaredError: 0.375, meanAbsoluteError: 0.5, r2: 1 - 1.5 / 29.1875 })
  // Two outputs: the second one's targets do not vary.
  const two = regressionScores(Float32Array.of(1, 5, 2, 5, 4, 5), Float32Array.of(1, 5, 2, 5, 3, 5), 2)
  expect(two).toEqual({ meanSquaredError: 1 / 6, meanAbsoluteError: 1 / 6, r2: (0.5 + 1) / 2 })
  expect(regressionScores(Float32Array.of(1, 2), Float32Array.of(2, 2)).r2).toBe(0)
})

test('NaN and infinity show', () => {
  const { meanSquaredError, meanAbsoluteError, r2 } = regressionScores(Float32Array.of(1, Number.NaN), Float32Array.of(2, 2))
  expect([meanSquaredError, meanAbsoluteError, r2]).toEqual([Number.NaN, Number.NaN, Number.NaN])
  expect(regressionScores(Float32Array.of(1, Number.POSITIVE_INFINITY), Float32Array.of(2, 2)).r2).toBe(Number.NEGATIVE_INFINITY)
  expect(regressionScores(Float32Array.of(1, 2), Float32Array.of(2, Number.NaN)).r2).toBeNaN()
})

test('what does not fit is refused', () => {
  expect(() => regressionScores(new Float32Array(0), new Float32Array(0))).toThrow(RangeError)
  expect(() => regressionScores(new Float32Array(4), new Float32Array(6), 2)).toThrow('received 4 and 6 numbers')
  expect(() => regressionScores(new Float32Array(5), new Float32Array(5), 2)).toThrow('[rows, 2]')
  expect(() => regressionScores(new Float32Array(4), new Float32Array(4), 0)).toThrow('a positive integer of outputs')
})
