import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { accuracy, classScores, confusionMatrix, predictedClasses, topAccuracy } from './classification.ts'

const scores = Float32Array.of(0.1, 0.7, 0.2, 0.5, 0.5, 0, -1, -2, -0.5, 3, 3, 3)
const labels = Uint8Array.of(1, 1, 0, 2)

test('the first largest score counts, of equal ones the lower class', () => {
  expect([...predictedClasses(scores, 3)]).toEqual([1, 0, 2, 0])
  expect(accuracy(scores, labels)).toBe(1 / 4)
  expect(topAccuracy(scores, labels, 2)).toBe(3 / 4)
  expect(topAccuracy(scores, labels, 3)).toBe(1)
})

test('accuracy is top-1, grows with k, and is the share of equal predictions', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 2, max: 9 }), fc.integer(), (rows, classes, seed) => {
      const random = seeded(seed)
      const given = Float32Array.from({ length: rows * classes }, () => Math.floor(random() * 6) - 3)
      const wanted = Int32Array.from({ length: rows }, () => Math.floor(random() * classes))
      const tops = Array.from({ length: classes }, (_, k) => topAccuracy(given, wanted, k + 1))
      expect(tops).toEqual(tops.toSorted((a, b) => a - b))
      expect(tops.at(-1)).toBe(1)
      const predicted = predictedClasses(given, classes)
      expect(accuracy(given, wanted)).toBe(predicted.filter((c, row) => c === wanted[row]).length / rows)
      const { micro } = classScores(confusionMatrix(predicted, wanted, classes))
      expect(micro).toEqual({ precision: tops[0], recall: tops[0], f1: tops[0] })
    }),
  )
})

test('precision, recall and F1 of counts worked out by hand', () => {
  const matrix = confusionMatrix(Uint8Array.of(0, 2, 1, 0, 0, 1), Uint8Array.of(0, 1, 2, 0, 1, 2), 4)
  expect([...matrix.counts]).toEqual([2, 0, 0, 0, 1, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0])
  const { classes, macro, micro } = classScores(matrix)
  expect(classes).toEqual([
    { precision: 2 / 3, recall: 1, f1: 4 / 5, support: 2 },
    { precision: 0, recall: 0, f1: 0, support: 2 },
    { precision: 0, recall: 0, f1: 0, support: 2 },
    // Neither there nor predicted: not in the means.
    { precision: 0, recall: 0, f1: 0, support: 0 },
  ])
  expect(macro).toEqual({ precision: 2 / 3 / 3, recall: 1 / 3, f1: 4 / 5 / 3 })
  expect(micro).toEqual({ precision: 2 / 6, recall: 2 / 6, f1: 2 / 6 })
})

test('a NaN is never hidden', () => {
  const broken = Float32Array.from(scores)
  broken[2] = Number.NaN
  expect(accuracy(broken, labels)).toBeNaN()
  expect(topAccuracy(broken, labels, 3)).toBeNaN()
  expect(() => predictedClasses(broken, 3)).toThrow(new RangeError('predictedClasses: expected numbers, received NaN in row 0'))
  expect(accuracy(Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY, 1), Uint8Array.of(1, 0))).toBe(1)
})

test('what does not fit is refused', () => {
  expect(() => accuracy(scores, Uint8Array.of())).toThrow('expected at least one row')
  expect(() => accuracy(scores, Uint8Array.of(1, 2, 3, 0, 0))).toThrow('expected scores [5, 2 classes or more], received 12 numbers')
  expect(() => accuracy(scores, Uint8Array.of(1, 1, 3, 2))).toThrow('expected labels in 0..2, received 3 in row 2')
  expect(() => accuracy(scores, Int32Array.of(1, -1, 0, 2))).toThrow('received -1 in row 1')
  for (const k of [0, 4, 1.5, Number.NaN]) expect(() => topAccuracy(scores, labels, k)).toThrow('expected k in 1..3')
  expect(() => predictedClasses(scores, 5)).toThrow(RangeError)
  expect(() => confusionMatrix(labels.subarray(1), labels, 3)).toThrow('a prediction for each of 4 rows, received 3')
  expect(() => confusionMatrix(Int32Array.of(0, 0, 0, 3), labels, 3)).toThrow('received 3 in row 3')
  expect(() => confusionMatrix(labels, labels, 1)).toThrow('2 classes or more')
  expect(() => classScores({ classes: 2, counts: new Uint32Array(4) })).toThrow('at least one row')
  expect(() => classScores({ classes: 2, counts: new Uint32Array(3) })).toThrow('2 x 2 counts')
})
