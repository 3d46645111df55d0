import {
  batchApply,
  batchApplyColumns,
  batchBackward,
  batchBackwardColumns,
  batchStatistics,
  batchStatisticsColumns,
  updateRunning,
} from '../batch-norm'
import { groupNormBackward, groupNormRows, layerNormAffine, layerNormBackwardRows, layerNormRows } from '../row-norm'
import { share } from '../threads'

// @ts-ignore: decorator
@inline
function place(at: usize, word: usize): usize {
  return <usize>load<u32>(at + (word << 2))
}

/** Family 4. The order of words is that of `words` in src/ops/normalization.ts and src/ops/batch-norm.ts. */
export function normalization(code: u32, at: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(at)
  const n = load<u32>(at, 4)
  const first = share(rows, 1, thread, threads)
  const end = share(rows, 1, thread + 1, threads)
  const p2 = place(at, 2)
  const p3 = place(at, 3)
  const p4 = place(at, 4)
  const p5 = place(at, 5)
  const p6 = place(at, 6)
  switch (code) {
    case 0x401: {
      const epsilon = load<f32>(at, 32)
      const groups = load<u32>(at, 36)
      const inner = load<u32>(at, 40)
      if (groups == 1 && inner == 1) layerNormRows(p2, place(at, 7), n, p5, p6, p3, p4, epsilon, first, end)
      else groupNormRows(p2, place(at, 7), n, p5, p6, p3, p4, epsilon, groups, inner, first, end)
      break
    }
    case 0x402:
      layerNormBackwardRows(p2, p3, place(at, 7), n, p5, p6, p4, first, end)
      break
    case 0x403:
      layerNormAffine(p2, p3, rows, n, p4, p5, p6, place(at, 7), place(at, 8), thread, threads)
      break
    case 0x404:
      groupNormBackward(
        p4,
        p5,
        place(at, 9),
        rows,
        n,
        <u32>p2,
        <u32>p3,
        place(at, 7),
        place(at, 8),
        p6,
        place(at, 10),
        place(at, 11),
        place(at, 12),
        thread,
        threads,
      )
      break
    case 0x405:
      batchForward(at, thread, threads)
      break
    case 0x406:
      batchGradient(at, thread, threads)
      break
    case 0x407:
      if (thread == 0) updateRunning(p2, p3, p4, p5, rows, load<f32>(at, 24), n)
      break
    default:
      unreachable()
  }
}

function batchForward(at: usize, thread: u32, threads: u32): void {
  const samples = load<u32>(at)
  const channels = load<u32>(at, 4)
  const inner = load<u32>(at, 8)
  const x = place(at, 3)
  const scale = place(at, 4)
  const shift = place(at, 5)
  const mean = place(at, 6)
  const variance = place(at, 7)
  const y = place(at, 8)
  const epsilon = load<f32>(at, 36)
  const training = load<u32>(at, 40) != 0
  const grain: u32 = inner == 1 ? 4 : 1
  const end = share(channels, grain, thread + 1, threads)
  for (let c = share(channels, grain, thread, threads); c < end; c += grain) {
    if (inner > 1) {
      if (training) batchStatistics(x, mean, variance, samples, channels, inner, c)
      batchApply(x, y, mean, variance, scale, shift, epsilon, samples, channels, inner, c)
    } else {
      const o = <usize>c << 2
      const left = min(4, end - c)
      if (training) batchStatisticsColumns(x + o, mean + o, variance + o, samples, channels, left)
      batchApplyColumns(
        x + o,
        y + o,
        mean + o,
        variance + o,
        scale != 0 ? scale + o : 0,
        shift != 0 ? shift + o : 0,
        epsilon,
        samples,
        channels,
        left,
      )
    }
  }
}

function batchGradient(at: usize, thread: u32, threads: u32): void {
  const samples = load<u32>(at)
  const channels = load<u32>(at, 4)
  const inner = load<u32>(at, 8)
  const x = place(at, 3)
  const d = place(at, 4)
  const scale = place(at, 5)
  const mean = place(at, 6)
  const variance = place(at, 7)
  const dx = place(at, 8)
  const dscale = place(at, 9)
  const dshift = place(at, 10)
  const epsilon = load<f32>(at, 44)
  const training = load<u32>(at, 48) != 0
  const grain: u32 = inner == 1 ? 4 : 1
  const end = share(channels, grain, thread + 1, threads)
  for (let c = share(channels, grain, thread, threads); c < end; c += grain) {
    if (inner > 1) {
      batchBackward(x, d, dx, mean, variance, scale, dscale, dshift, epsilon, training, samples, channels, inner, c)
    } else {
      const o = <usize>c << 2
      batchBackwardColumns(
        x + o,
        d + o,
        dx + o,
        mean + o,
        variance + o,
        scale != 0 ? scale + o : 0,
        dscale != 0 ? dscale + o : 0,
        dshift != 0 ? dshift + o : 0,
        epsilon,
        training,
        samples,
        channels,
        min(4, end - c),
      )
    }
  }
}
