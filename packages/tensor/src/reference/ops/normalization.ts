import { batchBackward, batchForward, updateRunning } from '../batch-norm.ts'
import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { centredSquares, chunkedSum, gradientRun, gradientSums, inverseDeviation, normalizeRun } from '../norms.ts'
import { sumLanes } from '../reductions.ts'

const fl = Math.fround

/** Family 4. A place of 0 says that there is no such array: a scale of 1, a shift and a mean of +0. */
export function normalization(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const words = Array.from(args)
  if (code === 0x401) rowNorm(words, memory)
  else if (code === 0x402) layerBackward(words, memory)
  else if (code === 0x403) layerAffine(words, memory)
  else if (code === 0x404) groupBackward(words, memory)
  else if (code === 0x405) batchForward(args, memory)
  else if (code === 0x406) batchBackward(args, memory)
  else if (code === 0x407) updateRunning(args, memory)
  else throw new RangeError(`normalization: unknown operation ${code}`)
}

function rowNorm(words: readonly number[], memory: ReferenceMemory): void {
  const [rows, n, x, scale, shift, mean, r, y, epsilon, groups, inner] = words as Eleven
  const members = n / inner
  for (let i = 0; i < rows; i++) {
    const row = memory.f32(x + 4 * i * n, n)
    const to = memory.f32(y + 4 * i * n, n)
    const m = mean === 0 ? 0 : fl(sumLanes(row) / fl(n))
    if (mean !== 0) memory.f32(mean, rows)[i] = m
    const deviation = inverseDeviation(fl(centredSquares(row, m) / fl(n)), bitsFloat(epsilon))
    memory.f32(r, rows)[i] = deviation
    for (let c = 0; c < members; c++) {
      const channel = (i % groups) * members + c
      const g = scale === 0 ? 1 : memory.f32(scale, groups * members)[channel]!
      const b = shift === 0 ? 0 : memory.f32(shift, groups * members)[channel]!
      // Where the scale belongs to a number, not to a plane, it multiplies the normalised number.
      if (groups === 1 && inner === 1) to[c] = fl(fl(fl(row[c]! - m) * deviation) * g) + b
      else normalizeRun(row.subarray(c * inner, (c + 1) * inner), to.subarray(c * inner, (c + 1) * inner), m, fl(deviation * g), b)
    }
  }
}

function layerBackward(words: readonly number[], memory: ReferenceMemory): void {
  const [rows, n, x, d, scale, mean, r, dx] = words as Eleven
  for (let i = 0; i < rows; i++) {
    const row = memory.f32(x + 4 * i * n, n)
    const m = mean === 0 ? 0 : memory.f32(mean, rows)[i]!
    const k = memory.f32(r, rows)[i]!
    const scaled = memory.f32(d + 4 * i * n, n).map((value, j) => (scale === 0 ? value : value * memory.f32(scale, n)[j]!))
    const [sum, turn] = gradientSums(row, scaled, m)
    const a = mean === 0 ? 0 : fl(sum / fl(n))
    const q = fl(k * fl(fl(k * turn) / fl(n)))
    gradientRun(row, scaled, memory.f32(dx + 4 * i * n, n), { mean: m, g: 1, k, a, q })
  }
}

function layerAffine(words: readonly number[], memory: ReferenceMemory): void {
  const [rows, n, xAt, dAt, mean, r, dscale, dshift] = words as Eleven
  const [x, d] = [memory.f32(xAt, rows * n), memory.f32(dAt, rows * n)]
  const normal = (i: number, j: number) => fl(fl(x[i * n + j]! - (mean === 0 ? 0 : memory.f32(mean, rows)[i]!)) * memory.f32(r, rows)[i]!)
  for (let j = 0; j < n; j++) {
    memory.f32(dscale, n)[j] = chunkedSum(rows, (i) => fl(d[i * n + j]! * normal(i, j)))
    if (dshift !== 0) memory.f32(dshift, n)[j] = chunkedSum(rows, (i) => d[i * n + j]!)
  }
}

function groupBackward(words: readonly number[], memory: ReferenceMemory): void {
  const [samples, channels, inner, groups, x, d, scale, mean, r, dx, dscale] = words as Eleven
  const dshift = words[11]!
  const members = channels / groups
  const plane = (at: number, p: number) => memory.f32(at + 4 * p * inner, inner)
  const means = memory.f32(mean, samples * groups)
  const deviations = memory.f32(r, samples * groups)
  const sums = Array.from({ length: samples * channels }, (_, p) => gradientSums(plane(x, p), plane(d, p), means[Math.floor(p / members)]!))
  for (let c = 0; c < channels && dscale !== 0; c++) {
    const deviation = (i: number) => deviations[i * groups + Math.floor(c / members)]!
    memory.f32(dscale, channels)[c] = chunkedSum(samples, (i) => fl(deviation(i) * sums[i * channels + c]![1]))
    if (dshift !== 0) memory.f32(dshift, channels)[c] = chunkedSum(samples, (i) => sums[i * channels + c]![0])
  }
  const size = fl(members * inner)
  for (let i = 0; i < samples * groups; i++) {
    const first = i * members
    const scaleOf = (p: number) => (scale === 0 ? 1 : memory.f32(scale, channels)[p % channels]!)
    let [sum, turn] = [0, 0]
    for (let p = first; p < first + members; p++) {
      sum = fl(sum + fl(sums[p]![0] * scaleOf(p)))
      turn = fl(turn + fl(sums[p]![1] * scaleOf(p)))
    }
    const k = deviations[i]!
    const [a, q] = [fl(sum / size), fl(k * fl(fl(k * turn) / size))]
    for (let p = first; p < first + members; p++)
      gradientRun(plane(x, p), plane(d, p), plane(dx, p), { mean: means[i]!, g: scaleOf(p), k, a, q })
  }
}

type Eleven = [number, number, number, number, number, number, number, number, number, number, number]
