import { sha256, shuffle, u64le, utf8 } from '@pouw/crypto'
import type { Labels } from './rows.ts'

/** How rows are split into what is trained on and what is tested on. */
export type Validation =
  /** One split; floor(fraction rows + 1/2) rows, the product rounded to binary64, are validated. */
  | { readonly method: 'hold-out'; readonly fraction: number; readonly seed: number; readonly stratifyBy?: Labels }
  /** k splits whose validation rows are disjoint and together all rows; their numbers differ by at most 1. */
  | { readonly method: 'k-fold'; readonly k: number; readonly seed: number; readonly stratifyBy?: Labels }
  /** As many splits as rows, one row each, in order. */
  | { readonly method: 'leave-one-out' }

/** Row numbers, ascending in both; every row is in one of them. */
export interface ValidationSplit {
  readonly train: Uint32Array
  readonly validation: Uint32Array
}

/**
 * The splits of a data set's rows, made one at a time. Equal arguments give equal splits anywhere.
 *
 * Rows are shuffled (A25) under SHA-256("POUW-FOLDS" || u64 seed). Hold-out validates the first of them; the folds of k-fold are consecutive parts, the first
 * rows mod k of them one row longer. With `stratifyBy`, the label of each row, the shuffled rows are sorted by label, equal labels staying in order, and dealt: position
 * p goes to fold p mod k; hold-out takes the m positions where floor((p + 1) m / rows) > floor(p m / rows). So each label's rows in a fold are its share,
 * rounded down or up.
 *
 * @param rows how many there are, 2 or more
 * @throws RangeError, at the call and not at the first split, for a fraction that leaves either side empty, k not in 2..rows, a seed that is no safe
 *   natural number, or labels that are not one a row
 */
export function crossValidation(validation: Validation, rows: number): Generator<ValidationSplit, void, undefined> {
  if (!Number.isInteger(rows) || rows < 2 || rows > 0xffff_ffff)
    throw new RangeError(`crossValidation: expected rows in 2..2^32-1, received ${rows}`)
  switch (validation.method) {
    case 'leave-one-out':
      return splits(rows, rows, (fold) => Uint32Array.of(fold))
    case 'hold-out': {
      const { fraction, seed, stratifyBy } = validation
      const size = Math.floor(fraction * rows + 0.5)
      if (!(size >= 1 && size < rows))
        throw new RangeError(`crossValidation: expected a fraction that leaves rows on both sides of ${rows}, received ${fraction}`)
      const order = orderOf(rows, seed, stratifyBy)
      const taken = stratifyBy ? order.filter((_, p) => spread(p + 1, size, rows) > spread(p, size, rows)) : order.slice(0, size)
      return splits(1, rows, () => taken)
    }
    case 'k-fold': {
      const { k, seed, stratifyBy } = validation
      if (!Number.isInteger(k) || k < 2 || k > rows) throw new RangeError(`crossValidation: expected k in 2..${rows}, received ${k}`)
      const order = orderOf(rows, seed, stratifyBy)
      const [size, longer] = [Math.floor(rows / k), rows % k]
      const start = (fold: number) => fold * size + Math.min(fold, longer)
      return splits(k, rows, (fold) => (stratifyBy ? order.filter((_, p) => p % k === fold) : order.slice(start(fold), start(fold + 1))))
    }
    default:
      throw new RangeError(`crossValidation: expected hold-out, k-fold or leave-one-out, received ${(validation as Validation).method}`)
  }
}

function* splits(count: number, rows: number, validated: (fold: number) => Uint32Array): Generator<ValidationSplit, void, undefined> {
  for (let fold = 0; fold < count; fold++) {
    const validation = validated(fold).slice().sort(ascending)
    const train = new Uint32Array(rows - validation.length)
    let next = 0
    for (let row = 0, at = 0; row < rows; row++) {
      if (row === validation[at]) at++
      else train[next++] = row
    }
    yield { train, validation }
  }
}

function orderOf(rows: number, seed: number, stratifyBy: Labels | undefined): Uint32Array {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`crossValidation: expected a seed in 0..2^53-1, received ${seed}`)
  if (stratifyBy && stratifyBy.length !== rows)
    throw new RangeError(`crossValidation: expected a label for each of ${rows} rows, received ${stratifyBy.length}`)
  const order = shuffle(rows, sha256(utf8('POUW-FOLDS'), u64le(seed)))
  // Sorting is stable, so rows of one label keep their shuffled order.
  return Uint32Array.from(stratifyBy ? order.sort((a, b) => stratifyBy[a]! - stratifyBy[b]!) : order)
}

/** floor(p size / rows), exact: the product may be beyond 2^53. */
function spread(p: number, size: number, rows: number): number {
  return Number((BigInt(p) * BigInt(size)) / BigInt(rows))
}

function ascending(a: number, b: number): number {
  return a - b
}
