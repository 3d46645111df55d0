// Norms with statistics of a row: layer and root-mean-square norms of the last axis, group norm of the channels of one sample.

import { loadPart, storePart, sumLanes } from './reductions'
import { centredSquares, gradientRow, gradientRun, gradientSums, inverseDeviation, normalizeRow, normalizeRun } from './statistics'
import { barrier, share } from './threads'

const ROWS: u32 = 256

/** mean[i] (unless 0: then the mean is taken as +0), r[i] = 1 / sqrt(variance + epsilon), y. */
export function layerNormRows(
  x: usize,
  y: usize,
  n: u32,
  mean: usize,
  r: usize,
  scale: usize,
  shift: usize,
  epsilon: f32,
  first: u32,
  end: u32,
): void {
  for (let i = first; i < end; i++) {
    const row = <usize>i * (<usize>n << 2)
    const m = rowMean(x + row, n, mean, i)
    const deviation = inverseDeviation(centredSquares(x + row, n, m) / <f32>n, epsilon)
    store<f32>(r + (<usize>i << 2), deviation)
    normalizeRow(x + row, y + row, n, m, deviation, scale, shift)
  }
}

// @ts-ignore: decorator
@inline
function rowMean(x: usize, n: u32, mean: usize, i: u32): f32 {
  if (mean == 0) return 0
  const m = sumLanes(x, n) / <f32>n
  store<f32>(mean + (<usize>i << 2), m)
  return m
}

/** The same for groups of channels: rows of n = channels of a group x inner, scale and shift by channel. */
export function groupNormRows(
  x: usize,
  y: usize,
  n: u32,
  mean: usize,
  r: usize,
  scale: usize,
  shift: usize,
  epsilon: f32,
  groups: u32,
  inner: u32,
  first: u32,
  end: u32,
): void {
  const channels = n / inner
  for (let i = first; i < end; i++) {
    const row = <usize>i * (<usize>n << 2)
    const m = rowMean(x + row, n, mean, i)
    const deviation = inverseDeviation(centredSquares(x + row, n, m) / <f32>n, epsilon)
    store<f32>(r + (<usize>i << 2), deviation)
    for (let c: u32 = 0; c < channels; c++) {
      const channel = <usize>((i % groups) * channels + c) << 2
      const plane = row + <usize>c * (<usize>inner << 2)
      const k = scale != 0 ? deviation * load<f32>(scale + channel) : deviation
      normalizeRun(x + plane, y + plane, inner, m, k, shift != 0 ? load<f32>(shift + channel) : 0)
    }
  }
}

/** dx of layer and root-mean-square norms; mean 0 for the latter. */
export function layerNormBackwardRows(
  x: usize,
  d: usize,
  dx: usize,
  n: u32,
  mean: usize,
  r: usize,
  scale: usize,
  first: u32,
  end: u32,
): void {
  const size = <f32>n
  for (let i = first; i < end; i++) {
    const row = <usize>i * (<usize>n << 2)
    const m = mean != 0 ? load<f32>(mean + (<usize>i << 2)) : 0
    const deviation = load<f32>(r + (<usize>i << 2))
    const sums = gradientSums(x + row, d + row, scale, n, m)
    const a = mean != 0 ? f32x4.extract_lane(sums, 0) / size : 0
    const q = deviation * ((deviation * f32x4.extract_lane(sums, 1)) / size)
    gradientRow(x + row, d + row, dx + row, scale, n, m, deviation, a, q)
  }
}

/**
 * dscale[j] and dshift[j] (unless 0) of layer and root-mean-square norms: column sums in parts of 256 rows. scratch: for each part
 * after the first a row of dscale and one of dshift.
 */
export function layerNormAffine(
  x: usize,
  d: usize,
  rows: u32,
  n: u32,
  mean: usize,
  r: usize,
  dscale: usize,
  dshift: usize,
  scratch: usize,
  thread: u32,
  threads: u32,
): void {
  const ld = <usize>n << 2
  const parts = (rows + ROWS - 1) / ROWS
  const blocks = (n + 15) >> 4
  const end = share(parts * blocks, 1, thread + 1, threads)
  for (let unit = share(parts * blocks, 1, thread, threads); unit < end; unit++) {
    const p = unit / blocks
    const left = (unit % blocks) << 4
    const pair = scratch + <usize>(p - 1) * (ld << 1)
    const toScale = (p == 0 ? dscale : pair) + (<usize>left << 2)
    const toShift = p == 0 ? (dshift != 0 ? dshift + (<usize>left << 2) : 0) : pair + ld + (<usize>left << 2)
    const start = <usize>p * ROWS
    const at = start * ld + (<usize>left << 2)
    affineBlock(
      x + at,
      d + at,
      ld,
      min(ROWS, rows - p * ROWS),
      min(16, n - left),
      mean != 0 ? mean + (start << 2) : 0,
      r + (start << 2),
      toScale,
      toShift,
    )
  }
  if (parts == 1) return
  barrier(thread, threads)
  const last = share(n, 4, thread + 1, threads)
  for (let j = share(n, 4, thread, threads); j < last; j++) {
    const at = <usize>j << 2
    addParts(dscale + at, scratch + at, parts, ld << 1)
    if (dshift != 0) addParts(dshift + at, scratch + ld + at, parts, ld << 1)
  }
}

function addParts(out: usize, part: usize, parts: u32, step: usize): void {
  let sum = load<f32>(out)
  for (let p: u32 = 1; p < parts; p++, part += step) sum += load<f32>(part)
  store<f32>(out, sum)
}

/** One part of up to 16 columns. */
function affineBlock(x: usize, d: usize, ld: usize, rows: u32, columns: u32, mean: usize, r: usize, dscale: usize, dshift: usize): void {
  if (columns < 16) {
    for (let j: u32 = 0; j < columns; j += 4) affineColumns(x + (<usize>j << 2), d + (<usize>j << 2), ld, rows, columns - j, mean, r, dscale + (<usize>j << 2), dshift != 0 ? dshift + (<usize>j << 2) : 0)
    return
  }
  let a0 = f32x4.splat(0)
  let a1 = f32x4.splat(0)
  let a2 = f32x4.splat(0)
  let a3 = f32x4.splat(0)
  let b0 = f32x4.splat(0)
  let b1 = f32x4.splat(0)
  let b2 = f32x4.splat(0)
  let b3 = f32x4.splat(0)
  for (let i: u32 = 0; i < rows; i++, x += ld, d += ld, r += 4) {
    const m = f32x4.splat(mean != 0 ? load<f32>(mean + (<usize>i << 2)) : 0)
    const v = f32x4.splat(load<f32>(r))
    a0 = f32x4.add(a0, v128.load(d))
    b0 = f32x4.add(b0, f32x4.mul(v128.load(d), f32x4.mul(f32x4.sub(v128.load(x), m), v)))
    a1 = f32x4.add(a1, v128.load(d, 16))
    b1 = f32x4.add(b1, f32x4.mul(v128.load(d, 16), f32x4.mul(f32x4.sub(v128.load(x, 16), m), v)))
    a2 = f32x4.add(a2, v128.load(d, 32))
    b2 = f32x4.add(b2, f32x4.mul(v128.load(d, 32), f32x4.mul(f32x4.sub(v128.load(x, 32), m), v)))
    a3 = f32x4.add(a3, v128.load(d, 48))
    b3 = f32x4.add(b3, f32x4.mul(v128.load(d, 48), f32x4.mul(f32x4.sub(v128.load(x, 48), m), v)))
  }
  v128.store(dscale, b0)
  v128.store(dscale, b1, 16)
  v128.store(dscale, b2, 32)
  v128.store(dscale, b3, 48)
  if (dshift == 0) return
  v128.store(dshift, a0)
  v128.store(dshift, a1, 16)
  v128.store(dshift, a2, 32)
  v128.store(dshift, a3, 48)
}

function affineColumns(x: usize, d: usize, ld: usize, rows: u32, left: u32, mean: usize, r: usize, dscale: usize, dshift: usize): void {
  let a = f32x4.splat(0)
  let b = f32x4.splat(0)
  for (let i: u32 = 0; i < rows; i++, x += ld, d += ld, r += 4) {
    const m = f32x4.splat(mean != 0 ? load<f32>(mean + (<usize>i << 2)) : 0)
    const v = loadPart(d, left)
    a = f32x4.add(a, v)
    b = f32x4.add(b, f32x4.mul(v, f32x4.mul(f32x4.sub(loadPart(x, left), m), f32x4.splat(load<f32>(r)))))
  }
  storePart(dscale, left, b)
  if (dshift != 0) storePart(dshift, left, a)
}

/** dx, dscale and dshift (each unless 0) of group norm; scratch: two floats for each sample and channel. */
export function groupNormBackward(
  x: usize,
  d: usize,
  dx: usize,
  samples: u32,
  channels: u32,
  inner: u32,
  groups: u32,
  mean: usize,
  r: usize,
  scale: usize,
  dscale: usize,
  dshift: usize,
  scratch: usize,
  thread: u32,
  threads: u32,
): void {
  const bytes = <usize>inner << 2
  const members = channels / groups
  const planes = samples * channels
  const planeEnd = share(planes, 1, thread + 1, threads)
  for (let p = share(planes, 1, thread, threads); p < planeEnd; p++) {
    const m = load<f32>(mean + (<usize>(p / members) << 2))
    const sums = gradientSums(x + <usize>p * bytes, d + <usize>p * bytes, 0, inner, m)
    v128.store64_lane(scratch + (<usize>p << 3), sums, 0)
  }
  barrier(thread, threads)

  if (dscale != 0) {
    const end = share(channels, 1, thread + 1, threads)
    for (let c = share(channels, 1, thread, threads); c < end; c++)
      channelSums(c, samples, channels, groups, r, scratch, dscale + (<usize>c << 2), dshift != 0 ? dshift + (<usize>c << 2) : 0)
  }

  const rows = samples * groups
  const size = <f32>(members * inner)
  const end = share(rows, 1, thread + 1, threads)
  for (let i = share(rows, 1, thread, threads); i < end; i++) {
    const m = load<f32>(mean + (<usize>i << 2))
    const deviation = load<f32>(r + (<usize>i << 2))
    const first = (i % groups) * members
    let sums = f32x4.splat(0)
    for (let c: u32 = 0; c < members; c++) {
      const g: f32 = scale != 0 ? load<f32>(scale + (<usize>(first + c) << 2)) : 1
      sums = f32x4.add(sums, f32x4.mul(v128.load64_zero(scratch + (<usize>(i * members + c) << 3)), f32x4.splat(g)))
    }
    const a = f32x4.extract_lane(sums, 0) / size
    const q = deviation * ((deviation * f32x4.extract_lane(sums, 1)) / size)
    for (let c: u32 = 0; c < members; c++) {
      const g: f32 = scale != 0 ? load<f32>(scale + (<usize>(first + c) << 2)) : 1
      const plane = <usize>(i * members + c) * bytes
      gradientRun(x + plane, d + plane, dx + plane, inner, m, g, deviation, a, q)
    }
  }
}

/** Sums over the samples of one channel, in chunks of 256. */
function channelSums(c: u32, samples: u32, channels: u32, groups: u32, r: usize, sums: usize, dscale: usize, dshift: usize): void {
  const group = c / (channels / groups)
  let scale: f32 = 0
  let shift: f32 = 0
  for (let n0: u32 = 0; n0 < samples; n0 += ROWS) {
    let a: f32 = 0
    let b: f32 = 0
    const end = min(samples, n0 + ROWS)
    for (let n = n0; n < end; n++) {
      const at = sums + (<usize>(n * channels + c) << 3)
      a += load<f32>(at)
      b += load<f32>(r + (<usize>(n * groups + group) << 2)) * load<f32>(at, 4)
    }
    scale = n0 > 0 ? scale + b : b
    shift = n0 > 0 ? shift + a : a
  }
  store<f32>(dscale, scale)
  if (dshift != 0) store<f32>(dshift, shift)
}
