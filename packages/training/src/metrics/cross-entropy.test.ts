import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { crossEntropy, perplexity } from './cross-entropy.ts'

test('the mean loss of rows, the same on both backends and however many rows there are', () => {
  const random = seeded(4)
  const [rows, classes] = [2500, 7]
  const logits = Float32Array.from({ length: rows * classes }, () => random() * 10 - 5)
  const labels = Uint8Array.from({ length: rows }, () => Math.floor(random() * classes))
  const got = crossEntropy(logits, labels)
  expect(crossEntropy(logits, Int32Array.from(labels), 'reference')).toBe(got)
  let sum = 0
  let exact = 0
  for (const [row, label] of labels.entries()) {
    const own = logits.subarray(row * classes, (row + 1) * classes)
    sum += crossEntropy(own, Uint8Array.of(label))
    exact += Math.log(own.reduce((total, x) => total + Math.exp(x), 0)) - own[label]!
  }
  expect(got).toBe(sum / rows)
  expect(got).toBeCloseTo(exact / rows, 6)
})

test('perplexity is the exponential, infinite beyond binary32', () => {
  expect(perplexity(0)).toBe(1)
  for (const entropy of [1e-3, 0.5, Math.log(10), 4, 20, 88])
    expect(Math.abs(perplexity(entropy) / Math.exp(Math.fround(entropy)) - 1), `${entropy}`).toBeLessThan(1.1 * 2 ** -23)
  expect(perplexity(3.7, 'reference')).toBe(perplexity(3.7))
  expect(perplexity(89)).toBe(Number.POSITIVE_INFINITY)
  expect(perplexity(crossEntropy(new Float32Array(40), new Uint8Array(4)))).toBeCloseTo(10, 4)
})

test('NaN shows, and what does not fit is refused', () => {
  expect(crossEntropy(Float32Array.of(0, Number.NaN, 1, 2), Uint8Array.of(0, 1))).toBeNaN()
  expect(perplexity(Number.NaN)).toBeNaN()
  expect(crossEntropy(Float32Array.of(0, Number.NEGATIVE_INFINITY), Uint8Array.of(1))).toBe(Number.POSITIVE_INFINITY)
  expect(() => crossEntropy(new Float32Array(4), Uint8Array.of(0, 2))).toThrow('expected labels in 0..1, received 2 in row 1')
  expect(() => crossEntropy(new Float32Array(5), Uint8Array.of(0, 1))).toThrow('received 5 numbers')
  expect(() => perplexity(-0.1)).toThrow(RangeError)
})
