// Batch norm: statistics of a channel over all samples. Threads share channels; a channel's passes follow each other, while its
// planes are still in the cache.

import { loadPart, storePart, sumLanes } from './reductions'
import { centredSquares, gradientRun, gradientSums, inverseDeviation, normalizeRun } from './statistics'

const CHUNK: u32 = 256

/** mean and variance (biased) of channels [first, end): plane sums by lanes, added over samples in chunks of 256. */
export function batchStatistics(x: usize, mean: usize, variance: usize, samples: u32, channels: u32, inner: u32, c: u32): void {
  const size = <f32>(samples * inner)
  const step = <usize>channels * (<usize>inner << 2)
  const plane = x + <usize>c * (<usize>inner << 2)
  const m = planeSums(plane, samples, inner, step, false, 0) / size
  store<f32>(mean + (<usize>c << 2), m)
  store<f32>(variance + (<usize>c << 2), planeSums(plane, samples, inner, step, true, m) / size)
}

function planeSums(x: usize, samples: u32, inner: u32, step: usize, squares: bool, mean: f32): f32 {
  let total: f32 = 0
  for (let n0: u32 = 0; n0 < samples; n0 += CHUNK) {
    let sum: f32 = 0
    const end = min(samples, n0 + CHUNK)
    for (let n = n0; n < end; n++, x += step) sum += squares ? centredSquares(x, inner, mean) : sumLanes(x, inner)
    total = n0 > 0 ? total + sum : sum
  }
  return total
}

/** y = (x - mean) (r scale) + shift for one channel. */
export function batchApply(
  x: usize,
  y: usize,
  mean: usize,
  variance: usize,
  scale: usize,
  shift: usize,
  epsilon: f32,
  samples: u32,
  channels: u32,
  inner: u32,
  c: u32,
): void {
  const at = <usize>c << 2
  const r = inverseDeviation(load<f32>(variance + at), epsilon)
  const m = load<f32>(mean + at)
  const k = scale != 0 ? r * load<f32>(scale + at) : r
  const b = shift != 0 ? load<f32>(shift + at) : 0
  const step = <usize>channels * (<usize>inner << 2)
  let plane = <usize>c * (<usize>inner << 2)
  for (let n: u32 = 0; n < samples; n++, plane += step) normalizeRun(x + plane, y + plane, inner, m, k, b)
}

/** dx, dscale, dshift (the latter unless 0) of one channel; without `training` the statistics are constants. */
export function batchBackward(
  x: usize,
  d: usize,
  dx: usize,
  mean: usize,
  variance: usize,
  scale: usize,
  dscale: usize,
  dshift: usize,
  epsilon: f32,
  training: bool,
  samples: u32,
  channels: u32,
  inner: u32,
  c: u32,
): void {
  const at = <usize>c << 2
  const r = inverseDeviation(load<f32>(variance + at), epsilon)
  const m = load<f32>(mean + at)
  const step = <usize>channels * (<usize>inner << 2)
  const first = <usize>c * (<usize>inner << 2)
  const k = scale != 0 ? r * load<f32>(scale + at) : r
  let total = f32x4.splat(0)
  let plane = first
  for (let n0: u32 = 0; n0 < samples; n0 += CHUNK) {
    let sum = f32x4.splat(0)
    const end = min(samples, n0 + CHUNK)
    for (let n = n0; n < end; n++, plane += step) sum = f32x4.add(sum, gradientSums(x + plane, d + plane, 0, inner, m))
    total = n0 > 0 ? f32x4.add(total, sum) : sum
  }
  const shift = f32x4.extract_lane(total, 0)
  const turn = r * f32x4.extract_lane(total, 1)
  if (dscale != 0) store<f32>(dscale + at, turn)
  if (dshift != 0) store<f32>(dshift + at, shift)
  const size = <f32>(samples * inner)
  const a: f32 = training ? shift / size : 0
  const q: f32 = training ? r * (turn / size) : 0
  plane = first
  for (let n: u32 = 0; n < samples; n++, plane += step)
    if (training) gradientRun(x + plane, d + plane, dx + plane, inner, m, 1, k, a, q)
    else scaleRun(d + plane, dx + plane, inner, k)
}

function scaleRun(d: usize, dx: usize, n: u32, k: f32): void {
  const vk = f32x4.splat(k)
  let left = n
  for (; left >= 4; left -= 4, d += 16, dx += 16) v128.store(dx, f32x4.mul(vk, v128.load(d)))
  for (; left > 0; left--, d += 4, dx += 4) store<f32>(dx, k * load<f32>(d))
}

/** Four channels at once where a plane is one number: the same sums, column by column. `left` channels are there. */
export function batchStatisticsColumns(x: usize, mean: usize, variance: usize, samples: u32, channels: u32, left: u32): void {
  const size = f32x4.splat(<f32>samples)
  const ld = <usize>channels << 2
  const m = f32x4.div(columnTotal(x, samples, ld, left, false, f32x4.splat(0)), size)
  storePart(mean, left, m)
  storePart(variance, left, f32x4.div(columnTotal(x, samples, ld, left, true, m), size))
}

function columnTotal(x: usize, samples: u32, ld: usize, left: u32, squares: bool, m: v128): v128 {
  let total = f32x4.splat(0)
  for (let n0: u32 = 0; n0 < samples; n0 += CHUNK) {
    let sum = f32x4.splat(0)
    const end = min(samples, n0 + CHUNK)
    for (let n = n0; n < end; n++, x += ld) {
      let v = loadPart(x, left)
      if (squares) {
        v = f32x4.sub(v, m)
        v = f32x4.mul(v, v)
      }
      sum = f32x4.add(sum, v)
    }
    total = n0 > 0 ? f32x4.add(total, sum) : sum
  }
  return total
}

export function batchApplyColumns(
  x: usize,
  y: usize,
  mean: usize,
  variance: usize,
  scale: usize,
  shift: usize,
  epsilon: f32,
  samples: u32,
  channels: u32,
  left: u32,
): void {
  const r = deviations(variance, epsilon, left)
  const m = loadPart(mean, left)
  const k = scale != 0 ? f32x4.mul(r, loadPart(scale, left)) : r
  const b = shift != 0 ? loadPart(shift, left) : f32x4.splat(0)
  const ld = <usize>channels << 2
  for (let n: u32 = 0; n < samples; n++, x += ld, y += ld)
    storePart(y, left, f32x4.add(f32x4.mul(f32x4.sub(loadPart(x, left), m), k), b))
}

function deviations(variance: usize, epsilon: f32, left: u32): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(loadPart(variance, left), f32x4.splat(epsilon))))
}

export function batchBackwardColumns(
  x: usize,
  d: usize,
  dx: usize,
  mean: usize,
  variance: usize,
  scale: usize,
  dscale: usize,
  dshift: usize,
  epsilon: f32,
  training: bool,
  samples: u32,
  channels: u32,
  left: u32,
): void {
  const r = deviations(variance, epsilon, left)
  const m = loadPart(mean, left)
  const k = scale != 0 ? f32x4.mul(r, loadPart(scale, left)) : r
  const ld = <usize>channels << 2
  let shift = f32x4.splat(0)
  let turn = f32x4.splat(0)
  let at: usize = 0
  for (let n0: u32 = 0; n0 < samples; n0 += CHUNK) {
    let a = f32x4.splat(0)
    let b = f32x4.splat(0)
    const end = min(samples, n0 + CHUNK)
    for (let n = n0; n < end; n++, at += ld) {
      const v = loadPart(d + at, left)
      a = f32x4.add(a, v)
      b = f32x4.add(b, f32x4.mul(v, f32x4.sub(loadPart(x + at, left), m)))
    }
    shift = n0 > 0 ? f32x4.add(shift, a) : a
    turn = n0 > 0 ? f32x4.add(turn, b) : b
  }
  turn = f32x4.mul(r, turn)
  if (dscale != 0) storePart(dscale, left, turn)
  if (dshift != 0) storePart(dshift, left, shift)
  const size = f32x4.splat(<f32>samples)
  const a = f32x4.div(shift, size)
  const q = f32x4.mul(r, f32x4.div(turn, size))
  at = 0
  for (let n: u32 = 0; n < samples; n++, at += ld) {
    const v = loadPart(d + at, left)
    if (training) {
      const inner = f32x4.sub(f32x4.sub(v, a), f32x4.mul(f32x4.sub(loadPart(x + at, left), m), q))
      storePart(dx + at, left, f32x4.mul(k, inner))
    } else {
      storePart(dx + at, left, f32x4.mul(k, v))
    }
  }
}

/** running = (1 - momentum) running + momentum batch, the variance made unbiased first: v size / (size - 1). */
export function updateRunning(running: usize, runningVariance: usize, mean: usize, variance: usize, channels: u32, momentum: f32, size: u32): void {
  const rest = <f32>1 - momentum
  for (let c: u32 = 0; c < channels; c++) {
    const at = <usize>c << 2
    store<f32>(running + at, rest * load<f32>(running + at) + momentum * load<f32>(mean + at))
    const unbiased = (load<f32>(variance + at) * <f32>size) / <f32>(size - 1)
    store<f32>(runningVariance + at, rest * load<f32>(runningVariance + at) + momentum * unbiased)
  }
}
