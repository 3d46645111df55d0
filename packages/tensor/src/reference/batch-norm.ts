import { bitsFloat, type ReferenceMemory } from './memory.ts'
import { centredSquares, chunkedSum, gradientRun, gradientSums, inverseDeviation, normalizeRun } from './norms.ts'
import { sumLanes } from './reductions.ts'

const fl = Math.fround

/** Plane (n, c) of an array [samples, channels, inner] at `at`. */
function planes(memory: ReferenceMemory, at: number, channels: number, inner: number) {
  return (n: number, c: number) => memory.f32(at + 4 * (n * channels + c) * inner, inner)
}

export function batchForward(args: Uint32Array, memory: ReferenceMemory): void {
  const [samples, channels, inner, xAt, scale, shift, meanAt, varianceAt, yAt] = Array.from(args) as number[] as Nine
  const [epsilon, training] = [bitsFloat(args[9]!), args[10] === 1]
  const [x, y] = [planes(memory, xAt, channels, inner), planes(memory, yAt, channels, inner)]
  const [mean, variance] = [memory.f32(meanAt, channels), memory.f32(varianceAt, channels)]
  const size = fl(samples * inner)
  for (let c = 0; c < channels; c++) {
    if (training) {
      mean[c] = chunkedSum(samples, (n) => sumLanes(x(n, c))) / size
      variance[c] = chunkedSum(samples, (n) => centredSquares(x(n, c), mean[c]!)) / size
    }
    const g = scale === 0 ? 1 : memory.f32(scale, channels)[c]!
    const b = shift === 0 ? 0 : memory.f32(shift, channels)[c]!
    const k = fl(inverseDeviation(variance[c]!, epsilon) * g)
    for (let n = 0; n < samples; n++) normalizeRun(x(n, c), y(n, c), mean[c]!, k, b)
  }
}

export function batchBackward(args: Uint32Array, memory: ReferenceMemory): void {
  const [samples, channels, inner, xAt, dAt, scale, meanAt, varianceAt, dxAt] = Array.from(args) as number[] as Nine
  const [dscale, dshift, epsilon, training] = [args[9]!, args[10]!, bitsFloat(args[11]!), args[12] === 1]
  const [x, d, dx] = [xAt, dAt, dxAt].map((at) => planes(memory, at, channels, inner)) as [Planes, Planes, Planes]
  const size = fl(samples * inner)
  for (let c = 0; c < channels; c++) {
    const mean = memory.f32(meanAt, channels)[c]!
    const r = inverseDeviation(memory.f32(varianceAt, channels)[c]!, epsilon)
    const k = fl(r * (scale === 0 ? 1 : memory.f32(scale, channels)[c]!))
    const sums = Array.from({ length: samples }, (_, n) => gradientSums(x(n, c), d(n, c), mean))
    const shift = chunkedSum(samples, (n) => sums[n]![0])
    const turn = fl(r * chunkedSum(samples, (n) => sums[n]![1]))
    if (dscale !== 0) memory.f32(dscale, channels)[c] = turn
    if (dshift !== 0) memory.f32(dshift, channels)[c] = shift
    const [a, q] = [fl(shift / size), fl(r * fl(turn / size))]
    for (let n = 0; n < samples; n++) {
      if (training) gradientRun(x(n, c), d(n, c), dx(n, c), { mean, g: 1, k, a, q })
      else dx(n, c).set(d(n, c).map((value) => k * value))
    }
  }
}

/** running = (1 - momentum) running + momentum batch; the variance is made unbiased first. */
export function updateRunning(args: Uint32Array, memory: ReferenceMemory): void {
  const [channels, size] = [args[0]!, args[1]!]
  const [runningMean, runningVariance, mean, variance] = [2, 3, 4, 5].map((i) => memory.f32(args[i]!, channels)) as Four
  const momentum = bitsFloat(args[6]!)
  const rest = fl(1 - momentum)
  for (let c = 0; c < channels; c++) {
    runningMean[c] = fl(rest * runningMean[c]!) + fl(momentum * mean[c]!)
    const unbiased = fl(fl(variance[c]! * fl(size)) / fl(size - 1))
    runningVariance[c] = fl(rest * runningVariance[c]!) + fl(momentum * unbiased)
  }
}

type Planes = (n: number, c: number) => Float32Array
type Nine = [number, number, number, number, number, number, number, number, number]
type Four = [Float32Array, Float32Array, Float32Array, Float32Array]
