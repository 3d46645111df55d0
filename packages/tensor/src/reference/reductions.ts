/** Sum by 16 virtual lanes: lane l adds x[l], x[l+16], ... ascending from +0, then lanes fold in halves 8, 4, 2, 1. */
export function sumLanes(x: Float32Array): number {
  const lanes = new Float32Array(16)
  for (let i = 0; i < x.length; i++) lanes[i % 16]! += x[i]!
  for (let half = 8; half >= 1; half /= 2) for (let l = 0; l < half; l++) lanes[l]! += lanes[l + half]!
  return lanes[0]!
}

/** out[columns] = sums over rows: row chunks of 256, each ascending from +0, chunk sums added ascending. */
export function columnSums(x: Float32Array, out: Float32Array, rows: number, columns: number): void {
  for (let j = 0; j < columns; j++) {
    for (let r0 = 0; r0 < rows; r0 += 256) {
      let sum = 0
      for (let r = r0; r < Math.min(r0 + 256, rows); r++) sum = Math.fround(sum + x[r * columns + j]!)
      out[j] = r0 === 0 ? sum : Math.fround(out[j]! + sum)
    }
  }
}

/** Rows whose first largest logit stands at their label; a NaN is never larger. */
export function countCorrect(logits: Float32Array, labels: Uint8Array, rows: number, classes: number): number {
  let correct = 0
  for (let i = 0; i < rows; i++) {
    let best = 0
    for (let j = 1; j < classes; j++) if (logits[i * classes + j]! > logits[i * classes + best]!) best = j
    if (best === labels[i]) correct++
  }
  return correct
}
