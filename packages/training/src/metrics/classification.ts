import { classesOf, expectLabels, type Labels } from './rows.ts'

/**
 * Share of rows whose first largest score stands at the label: right / rows, one binary64 division.
 *
 * @param scores float32 `[rows, classes]`, logits or probabilities
 * @returns NaN if any score is NaN
 * @throws RangeError if sizes disagree or a label is no class
 */
export function accuracy(scores: Float32Array, labels: Labels): number {
  return topAccuracy(scores, labels, 1)
}

/**
 * Share of rows whose label is among the k largest scores; of equal scores the lower class is the larger.
 *
 * @param scores float32 `[rows, classes]`
 * @returns NaN if any score is NaN
 * @throws RangeError if sizes disagree, a label is no class, or k is not in 1..classes
 */
export function topAccuracy(scores: Float32Array, labels: Labels, k: number): number {
  const classes = classesOf('topAccuracy', scores, labels)
  if (!Number.isInteger(k) || k < 1 || k > classes) throw new RangeError(`topAccuracy: expected k in 1..${classes}, received ${k}`)
  let right = 0
  for (const [row, label] of labels.entries()) {
    const own = scores[row * classes + label]!
    let before = 0
    for (let c = 0; c < classes; c++) {
      const other = scores[row * classes + c]!
      if (Number.isNaN(other)) return Number.NaN
      if (other > own || (other === own && c < label)) before++
    }
    if (before < k) right++
  }
  return right / labels.length
}

/**
 * The first largest score of each row.
 *
 * @param scores float32 `[rows, classes]`
 * @throws RangeError if the scores are no whole rows, or for a row with a NaN: it has no largest
 */
export function predictedClasses(scores: Float32Array, classes: number): Int32Array {
  if (!Number.isInteger(classes) || classes < 2 || scores.length % classes !== 0)
    throw new RangeError(`predictedClasses: expected rows of 2 classes or more, received ${scores.length} scores for ${classes} classes`)
  return Int32Array.from({ length: scores.length / classes }, (_, row) => {
    let best = 0
    for (let c = 0; c < classes; c++) {
      const score = scores[row * classes + c]!
      if (Number.isNaN(score)) throw new RangeError(`predictedClasses: expected numbers, received NaN in row ${row}`)
      if (score > scores[row * classes + best]!) best = c
    }
    return best
  })
}

/** counts[actual * classes + predicted] rows. */
export interface ConfusionMatrix {
  readonly classes: number
  readonly counts: Uint32Array
}

/** @throws RangeError for no rows, other sizes, or an entry that is no class */
export function confusionMatrix(predicted: Labels, labels: Labels, classes: number): ConfusionMatrix {
  if (!Number.isInteger(classes) || classes < 2)
    throw new RangeError(`confusionMatrix: expected an integer of 2 classes or more, received ${classes}`)
  if (labels.length === 0 || predicted.length !== labels.length)
    throw new RangeError(`confusionMatrix: expected a prediction for each of ${labels.length} rows, received ${predicted.length}`)
  expectLabels('confusionMatrix', labels, classes)
  expectLabels('confusionMatrix, predictions', predicted, classes)
  const counts = new Uint32Array(classes * classes)
  for (const [row, label] of labels.entries()) counts[label * classes + predicted[row]!]!++
  return { classes, counts }
}

export interface ClassScore {
  readonly precision: number
  readonly recall: number
  readonly f1: number
}

/** Precision, recall and their harmonic mean, by class and over classes. */
export interface ClassScores {
  /** support: rows that are of this class. */
  readonly classes: readonly (ClassScore & { readonly support: number })[]
  /** Means over the classes that occur, as label or as prediction. */
  readonly macro: ClassScore
  /** Of the sums of all classes' counts; where each row has one label, all three are the accuracy. */
  readonly micro: ClassScore
}

/**
 * tp / (tp + fp), tp / (tp + fn) and 2 tp / (2 tp + fp + fn) of exact counts, one binary64 division each, 0 for 0 / 0 (a class that is never predicted, or
 * never there). Macro means add in the order of the classes and divide once. These are the conventions of scikit-learn's defaults.
 *
 * @throws RangeError for a matrix without rows or of another size
 */
export function classScores({ classes, counts }: ConfusionMatrix): ClassScores {
  if (counts.length !== classes * classes)
    throw new RangeError(`classScores: expected ${classes} x ${classes} counts, received ${counts.length}`)
  const tallies = Array.from({ length: classes }, (_, c) => {
    const [tp, support, predicted] = [counts[c * classes + c]!, rowSum(counts, c, classes), columnSum(counts, c, classes)]
    return { tp, fp: predicted - tp, fn: support - tp }
  })
  const all = tallies.reduce((sum, { tp, fp, fn }) => ({ tp: sum.tp + tp, fp: sum.fp + fp, fn: sum.fn + fn }))
  if (all.tp + all.fn === 0) throw new RangeError('classScores: expected at least one row, received none')
  const scores = tallies.map((tally) => ({ ...scoreOf(tally), support: tally.tp + tally.fn }))
  const present = scores.filter((_, c) => tallies[c]!.tp + tallies[c]!.fp + tallies[c]!.fn > 0)
  const mean = (of: (score: ClassScore) => number) => present.reduce((sum, score) => sum + of(score), 0) / present.length
  return {
    classes: scores,
    macro: { precision: mean((s) => s.precision), recall: mean((s) => s.recall), f1: mean((s) => s.f1) },
    micro: scoreOf(all),
  }
}

function scoreOf({ tp, fp, fn }: { readonly tp: number; readonly fp: number; readonly fn: number }): ClassScore {
  return { precision: share(tp, tp + fp), recall: share(tp, tp + fn), f1: share(2 * tp, 2 * tp + fp + fn) }
}

const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)

function rowSum(counts: Uint32Array, c: number, classes: number): number {
  return counts.subarray(c * classes, (c + 1) * classes).reduce((sum, count) => sum + count, 0)
}

function columnSum(counts: Uint32Array, c: number, classes: number): number {
  let sum = 0
  for (let row = 0; row < classes; row++) sum += counts[row * classes + c]!
  return sum
}
