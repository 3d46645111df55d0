import { classesOf, expectLabels, type Labels } from './rows.ts'

/**
 * Area under the receiver operating characteristic by ranks (Mann and Whitney 1947): the share of pairs (one of class 1, one of class 0) whose
 * score of class 1 is the larger, pairs of equal scores counted half.
 *
 * (2 larger + equal) / (2 positives negatives), both exact integers, so there is one rounding. Time O(n log n).
 *
 * @param scores float32 `[rows]`, any monotone measure of class 1
 * @param labels 0 or 1
 * @returns NaN if any score is NaN
 * @throws RangeError for other sizes or labels, rows of one class only, or more pairs than 2^52
 */
export function areaUnderCurve(scores: Float32Array, labels: Labels): number {
  if (scores.length !== labels.length)
    throw new RangeError(`areaUnderCurve: expected a score for each of ${labels.length} rows, received ${scores.length}`)
  expectLabels('areaUnderCurve', labels, 2)
  return areaOf((row) => scores[row]!, labels, 1, 'areaUnderCurve')
}

/**
 * The mean of each class's area against all other classes; areas add in the order of the classes, and the sum is divided once.
 *
 * @param scores float32 `[rows, classes]`, column c a measure of class c; probabilities, if rows are to be comparable
 * @returns NaN if any score is NaN
 * @throws RangeError if sizes disagree, a label is no class, or a class has no row
 */
export function macroAreaUnderCurve(scores: Float32Array, labels: Labels): number {
  const classes = classesOf('macroAreaUnderCurve', scores, labels)
  let sum = 0
  for (let c = 0; c < classes; c++) sum += areaOf((row) => scores[row * classes + c]!, labels, c, `macroAreaUnderCurve, class ${c}`)
  return sum / classes
}

function areaOf(score: (row: number) => number, labels: Labels, positive: number, name: string): number {
  let count = 0
  for (const label of labels) if (label === positive) count++
  const [own, others] = [new Float32Array(count), new Float32Array(labels.length - count)]
  if (own.length === 0 || others.length === 0)
    throw new RangeError(`${name}: expected rows of this class and of another, received ${own.length} and ${others.length}`)
  if (own.length * others.length > 2 ** 52)
    throw new RangeError(`${name}: expected at most 2^52 pairs, received ${own.length} x ${others.length}`)
  let [nextOwn, nextOther] = [0, 0]
  for (const [row, label] of labels.entries()) {
    const value = score(row)
    if (Number.isNaN(value)) return Number.NaN
    if (label === positive) own[nextOwn++] = value
    else others[nextOther++] = value
  }
  own.sort(ascending)
  others.sort(ascending)
  let twice = 0
  let below = 0
  let upTo = 0
  for (const value of own) {
    while (below < others.length && others[below]! < value) below++
    while (upTo < others.length && others[upTo]! <= value) upTo++
    twice += below + upTo
  }
  return twice / (2 * own.length * others.length)
}

/** By comparison: a difference of infinities would be NaN. */
function ascending(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
