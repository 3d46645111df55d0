import { sha256Hex } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { syntheticDataset, syntheticTokens } from './synthetic.ts'

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

test('several answers are the prototype without its noise', () => {
  const one = syntheticDataset('seed', 200, 20, 4)
  const many = syntheticDataset('seed', 200, 20, 4, 20)
  expect(many.features).toEqual(one.features)
  for (const [i, answer] of many.labels.entries()) {
    expect(answer === 0 || answer === 3).toBe(true)
    // A quarter of a feature is its prototype: 63 of 255, and no noise reaches further than 191.
    if (many.features[i]! < 63) expect(answer).toBe(0)
    if (many.features[i]! > 191) expect(answer).toBe(3)
    // Samples of one label are alike.
    const first = one.labels.indexOf(one.labels[Math.floor(i / 20)]!)
    expect(answer).toBe(many.labels[first * 20 + (i % 20)])
  }
})

test('tokens: answers are the next ones, which follow one table three times out of four', () => {
  const { features, labels } = syntheticTokens('seed', 300, 12, 9, 12)
  expect(sha256Hex(features, labels)).toBe('1012ef874927aad0a597c16e90eabf87a4a3d52b6ff407d961abf4bd9b0ca085')
  const pairs = Array.from({ length: 9 }, () => new Uint32Array(9))
  for (let i = 0; i < labels.length; i++) {
    if (i % 12 < 11) expect(features[i + 1]).toBe(labels[i])
    pairs[features[i]!]![labels[i]!]!++
  }
  const likeliest = pairs.map((row) => row.indexOf(Math.max(...row)))
  expect(new Set(likeliest).size).toBe(9)
  const followed = pairs.reduce((sum, row) => sum + Math.max(...row), 0) / labels.length
  expect(followed).toBeGreaterThan(0.72)
  expect(followed).toBeLessThan(0.83)
  // Fewer answers are the last of them.
  const one = syntheticTokens('seed', 300, 12, 9)
  expect(one.features).toEqual(features)
  expect([...one.labels]).toEqual([...labels].filter((_, i) => i % 12 === 11))
})

test('sizes out of range are refused', () => {
  expect(() => syntheticDataset('x', 0, 1, 1)).toThrow(RangeError)
  expect(() => syntheticDataset('x', 1, 1.5, 1)).toThrow(RangeError)
  expect(() => syntheticDataset('x', 1, 1, 257)).toThrow(RangeError)
  expect(() => syntheticDataset('x', 1, 1, 2, 2)).toThrow('at most 1 answers')
  expect(() => syntheticTokens('x', 1, 0, 2)).toThrow(RangeError)
})
