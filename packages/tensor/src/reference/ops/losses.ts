import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { binaryCrossEntropy, huber, meanSquaredError, outputLoss } from '../output-losses.ts'
import { columnSums, sumLanes } from '../reductions.ts'
import { softmax, softmaxBackward, softmaxCrossEntropy } from '../softmax.ts'

const fl = Math.fround

/** Family 5: losses, softmax, reductions. Every instruction begins with rows and columns. */
export function losses(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const [rows, columns, a, b, c, d, e] = Array.from(args) as [number, number, number, number, number, number, number]
  const sameShape = (at: number) => memory.f32(at, rows * columns)
  // The one operation that reads less than it writes.
  if (code === 0x50a) {
    const from = memory.f32(a, (rows - 1) * c + (columns - 1) * d + 1)
    const y = sameShape(b)
    for (let i = 0; i < y.length; i++) y[i] = from[Math.floor(i / columns) * c + (i % columns) * d]!
    return
  }
  const x = sameShape(a)
  const outputLosses = { 1282: binaryCrossEntropy, 1283: meanSquaredError, 1284: huber }
  switch (code) {
    case 0x501:
      return crossEntropyRows(x, memory.i32(b, rows), c === 0 ? undefined : sameShape(c), memory.f32(d, rows), columns)
    case 0x502:
    case 0x503:
    case 0x504: {
      const gradient = c === 0 ? undefined : sameShape(c)
      return outputLoss(outputLosses[code], code !== 0x502, x, sameShape(b), gradient, memory.f32(d, rows), bitsFloat(e))
    }
    case 0x505:
      return softmax(x, sameShape(b), columns)
    case 0x506:
      return softmaxBackward(x, sameShape(b), sameShape(c), columns)
    case 0x507:
      memory.f32(b, 1)[0] = sumAll(x)
      return
    case 0x508:
      for (let i = 0; i < rows; i++) memory.f32(b, rows)[i] = sumLanes(x.subarray(i * columns, (i + 1) * columns))
      return
    case 0x509:
      return columnSums(x, memory.f32(b, columns), rows, columns)
    case 0x50b:
      memory.i32(c, 1)[0] = countTop(x, memory.i32(b, rows), columns, d, e === 1)
      return
    case 0x50c:
      memory.i32(b, 1)[0] = x.every(Number.isFinite) ? 1 : 0
      return
    default:
      throw new RangeError(`losses: unknown operation ${code}`)
  }
}

/** Row by row, so that the gradient may lie where the logits do. */
function crossEntropyRows(
  x: Float32Array,
  labels: Int32Array,
  gradient: Float32Array | undefined,
  loss: Float32Array,
  classes: number,
): void {
  for (let i = 0; i < labels.length; i++) {
    const row = x.slice(i * classes, (i + 1) * classes)
    const g = gradient?.subarray(i * classes, (i + 1) * classes)
    const label = labels[i]!
    if (label >= 0 && label < classes) {
      softmaxCrossEntropy(row, [label], g, loss.subarray(i, i + 1), 1, classes)
    } else {
      loss[i] = Number.NaN
      g?.fill(Number.NaN)
    }
  }
}

function sumAll(x: Float32Array): number {
  let sum = sumLanes(x.subarray(0, 2 ** 20))
  for (let at = 2 ** 20; at < x.length; at += 2 ** 20) sum = fl(sum + sumLanes(x.subarray(at, at + 2 ** 20)))
  return sum
}

/** `search`: the first largest value found from index 0 up, which a NaN there keeps to itself. */
function countTop(x: Float32Array, labels: Int32Array, classes: number, k: number, search: boolean): number {
  let count = 0
  for (const [i, label] of labels.entries()) {
    const row = x.subarray(i * classes, (i + 1) * classes)
    if (label < 0 || label >= classes) continue
    if (search) {
      let best = 0
      for (let j = 1; j < classes; j++) if (row[j]! > row[best]!) best = j
      if (best === label) count++
    } else if (!Number.isNaN(row[label])) {
      const before = row.filter((value, j) => value > row[label]! || (value === row[label]! && j < label))
      if (before.length < k) count++
    }
  }
  return count
}
