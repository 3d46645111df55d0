import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { crossValidation, type Validation } from './cross-validation.ts'

const list = (validation: Validation, rows: number) =>
  Array.from(crossValidation(validation, rows), ({ train, validation }) => ({ train: [...train], validation: [...validation] }))

/** Both sides ascending, and together every row once. */
function expectWhole(rows: number, split: { train: number[]; validation: number[] }): void {
  const all = [...split.train, ...split.validation]
  expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row))
  for (const side of [split.train, split.validation]) expect(side).toEqual(side.toSorted((a, b) => a - b))
}

const labelled = fc
  .record({ rows: fc.integer({ min: 2, max: 80 }), classes: fc.integer({ min: 1, max: 5 }), seed: fc.nat() })
  .map((given) => {
    const random = seeded(given.seed)
    return { ...given, labels: Uint8Array.from({ length: given.rows }, () => Math.floor(random() ** 2 * given.classes)) }
  })
const countOf = (labels: Uint8Array, rows: readonly number[], label: number) => rows.filter((row) => labels[row] === label).length

test('k-fold: each row is validated exactly once, folds differ by at most one row, and by at most one of a label where stratified', () => {
  fc.assert(
    fc.property(labelled, fc.nat(), fc.boolean(), ({ rows, classes, seed, labels }, draw, stratified) => {
      const k = 2 + (draw % (rows - 1))
      const folds = list({ method: 'k-fold', k, seed, ...(stratified ? { stratifyBy: labels } : {}) }, rows)
      expect(folds.length).toBe(k)
      for (const fold of folds) expectWhole(rows, fold)
      expect(folds.flatMap(({ validation }) => validation).toSorted((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row))
      const spreadOf = (sizes: readonly number[]) => Math.max(...sizes) - Math.min(...sizes)
      expect(spreadOf(folds.map(({ validation }) => validation.length))).toBeLessThanOrEqual(1)
      if (!stratified) return
      for (let label = 0; label < classes; label++)
        expect(spreadOf(folds.map(({ validation }) => countOf(labels, validation, label))), `label ${label}`).toBeLessThanOrEqual(1)
    }),
  )
})

test('hold-out: one split of the size asked for, each label by its share where stratified', () => {
  fc.assert(
    fc.property(labelled, fc.integer({ min: 1, max: 999 }), fc.boolean(), ({ rows, classes, seed, labels }, thousandths, stratified) => {
      const fraction = thousandths / 1000
      const size = Math.floor(fraction * rows + 0.5)
      fc.pre(size > 0 && size < rows)
      const splits = list({ method: 'hold-out', fraction, seed, ...(stratified ? { stratifyBy: labels } : {}) }, rows)
      expect(splits.length).toBe(1)
      expectWhole(rows, splits[0]!)
      expect(splits[0]!.validation.length).toBe(size)
      if (!stratified) return
      for (let label = 0; label < classes; label++) {
        const whole = labels.filter((other) => other === label).length
        expect(Math.abs(countOf(labels, splits[0]!.validation, label) - (whole * size) / rows), `label ${label}`).toBeLessThan(1)
      }
    }),
  )
})

test('leave-one-out: every row alone, in order', () => {
  expect(list({ method: 'leave-one-out' }, 3)).toEqual([
    { train: [1, 2], validation: [0] },
    { train: [0, 2], validation: [1] },
    { train: [0, 1], validation: [2] },
  ])
})

test('a seed is a split, for ever', () => {
  const folds = (seed: number) => list({ method: 'k-fold', k: 3, seed }, 10).map(({ validation }) => validation)
  expect(folds(7)).toEqual(folds(7))
  expect(folds(7)).not.toEqual(folds(8))
  expect(folds(7)).toEqual([
    [0, 1, 6, 8],
    [2, 5, 9],
    [3, 4, 7],
  ])
  const stratifyBy = Uint8Array.of(0, 0, 1, 1, 0, 1, 0, 1, 0, 0)
  expect(list({ method: 'hold-out', fraction: 0.3, seed: 7 }, 10)[0]!.validation).toEqual([1, 6, 8])
  expect(list({ method: 'hold-out', fraction: 0.3, seed: 7, stratifyBy }, 10)[0]!.validation).toEqual([0, 2, 3])
})

test('what gives no split is refused at the call', () => {
  const refused = (validation: Validation, rows: number, message: string) =>
    expect(() => crossValidation(validation, rows), message).toThrow(message)
  refused({ method: 'leave-one-out' }, 1, 'expected rows in 2..2^32-1, received 1')
  refused({ method: 'leave-one-out' }, 2.5, 'received 2.5')
  for (const fraction of [0, 1, 0.04, 0.96, -1, Number.NaN])
    refused({ method: 'hold-out', fraction, seed: 0 }, 10, `rows on both sides of 10, received ${fraction}`)
  for (const k of [1, 11, 2.5, Number.NaN]) refused({ method: 'k-fold', k, seed: 0 }, 10, `expected k in 2..10, received ${k}`)
  for (const seed of [-1, 0.5, 2 ** 53, Number.NaN]) refused({ method: 'k-fold', k: 2, seed }, 10, `received ${seed}`)
  refused({ method: 'k-fold', k: 2, seed: 0, stratifyBy: new Uint8Array(9) }, 10, 'a label for each of 10 rows, received 9')
  refused({ method: 'other' } as never, 10, 'expected hold-out, k-fold or leave-one-out, received other')
})
