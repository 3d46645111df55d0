import { sha256Hex } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { syntheticDataset } from './synthetic.ts'

test('the seed text fixes every byte', () => {
  const a = syntheticDataset('seed', 200, 20, 4)
  expect(syntheticDataset('seed', 200, 20, 4)).toEqual(a)
  expect(syntheticDataset('seed 2', 200, 20, 4).features).not.toEqual(a.features)
  // More samples extend the set, they do not change it.
  const more = syntheticDataset('seed', 300, 20, 4)
  expect(more.features.subarray(0, 4000)).toEqual(a.features)
  expect(more.labels.subarray(0, 200)).toEqual(a.labels)
  expect(sha256Hex(a.features, a.labels)).toBe('82c73f7b149c4f8a79b85ec3e46e9bfedba07d826355fead9ddd9f5cc9c4a1e5')
})

test('all classes occur, and a sample is nearest to the mean of its class', () => {
  const { features, labels } = syntheticDataset('means', 1000, 60, 5)
  const means = Array.from({ length: 5 }, (_, label) => {
    const rows = [...labels].flatMap((each, s) => (each === label ? [s] : []))
    expect(rows.length).toBeGreaterThan(100)
    return Array.from({ length: 60 }, (_, f) => rows.reduce((sum, s) => sum + features[s * 60 + f]!, 0) / rows.length)
  })
  const distance = (s: number, mean: number[]) => mean.reduce((sum, value, f) => sum + (features[s * 60 + f]! - value) ** 2, 0)
  let right = 0
  for (let s = 0; s < 1000; s++) {
    const distances = means.map((mean) => distance(s, mean))
    if (distances.indexOf(Math.min(...distances)) === labels[s]) right++
  }
  expect(right).toBeGreaterThan(900)
})

test('sizes out of range are refused', () => {
  expect(() => syntheticDataset('x', 0, 1, 1)).toThrow(RangeError)
  expect(() => syntheticDataset('x', 1, 1.5, 1)).toThrow(RangeError)
  expect(() => syntheticDataset('x', 1, 1, 257)).toThrow(RangeError)
})
