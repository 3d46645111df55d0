import { activate, activateBackward, activateWithSlope, SLOPE_SCRATCH } from '../activations'
import { roundBf16 } from '../bf16'
import { channelSums } from '../channel-sums'
import { scaleBytes, scaleFloats } from '../elementwise'
import { share } from '../threads'

/** Family 3: values of one place give the value of that place, so threads and lanes only share places. */
export function elementwise(code: u32, at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const a = <usize>load<u32>(at, 4)
  const b = <usize>load<u32>(at, 8)
  const c = <usize>load<u32>(at, 12)
  switch (code) {
    case 0x304:
      addRows(n, load<u32>(at, 4), <usize>load<u32>(at, 8), <usize>load<u32>(at, 12), <usize>load<u32>(at, 16), load<u32>(at, 20) != 0, thread, threads)
      return
    case 0x305:
      addChannels(n, load<u32>(at, 4), load<u32>(at, 8), <usize>load<u32>(at, 12), <usize>load<u32>(at, 16), <usize>load<u32>(at, 20), load<u32>(at, 24) != 0, thread, threads)
      return
    case 0x306:
      channelSums(n, load<u32>(at, 4), load<u32>(at, 8), <usize>load<u32>(at, 12), <usize>load<u32>(at, 16), thread, threads)
      return
  }
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const from = <usize>first << 2
  const to = <usize>end << 2
  switch (code) {
    case 0x301:
      add(a, b, c, from, to)
      break
    case 0x302:
      subtract(a, b, c, from, to)
      break
    case 0x303:
      multiply(a, b, c, from, to)
      break
    case 0x307:
      scaleBytes(a + first, b + from, load<f32>(at, 12), end - first)
      break
    case 0x308:
      if (a != b) memory.copy(b + from, a + from, to - from)
      scaleFloats(b + from, load<f32>(at, 12), end - first)
      break
    case 0x310:
      leakyRelu(a, b, load<f32>(at, 12), from, to)
      break
    case 0x311:
      leakyReluBackward(a, b, c, load<f32>(at, 16), from, to)
      break
    case 0x330:
      roundBf16(a + from, b + from, end - first)
      break
    case 0x320:
    case 0x321:
    case 0x322:
    case 0x323:
      activate(code & 3, a, b, from, to)
      break
    case 0x326:
    case 0x327:
      activateWithSlope(code & 3, a, b, c, from, to, <usize>load<u32>(at, 16) + <usize>thread * SLOPE_SCRATCH)
      break
    case 0x328:
    case 0x329:
    case 0x32a:
    case 0x32b:
      activateBackward(code & 3, a, b, c, from, to)
      break
    default:
      unreachable()
  }
}

function add(a: usize, b: usize, c: usize, i: usize, end: usize): void {
  for (; i + 16 <= end; i += 16) v128.store(c + i, f32x4.add(v128.load(a + i), v128.load(b + i)))
  for (; i < end; i += 4) store<f32>(c + i, load<f32>(a + i) + load<f32>(b + i))
}

function subtract(a: usize, b: usize, c: usize, i: usize, end: usize): void {
  for (; i + 16 <= end; i += 16) v128.store(c + i, f32x4.sub(v128.load(a + i), v128.load(b + i)))
  for (; i < end; i += 4) store<f32>(c + i, load<f32>(a + i) - load<f32>(b + i))
}

function multiply(a: usize, b: usize, c: usize, i: usize, end: usize): void {
  for (; i + 16 <= end; i += 16) v128.store(c + i, f32x4.mul(v128.load(a + i), v128.load(b + i)))
  for (; i < end; i += 4) store<f32>(c + i, load<f32>(a + i) * load<f32>(b + i))
}

/** y = x < 0 ? fl(slope x) : x; slope +0 stands for relu, whose negative side is +0 and not -0. */
function leakyRelu(x: usize, y: usize, slope: f32, i: usize, end: usize): void {
  const zero = f32x4.splat(0)
  const factor = f32x4.splat(slope)
  if (slope == 0) {
    for (; i + 16 <= end; i += 16) {
      const v = v128.load(x + i)
      v128.store(y + i, v128.andnot(v, f32x4.lt(v, zero)))
    }
  } else {
    for (; i + 16 <= end; i += 16) {
      const v = v128.load(x + i)
      v128.store(y + i, v128.bitselect(f32x4.mul(v, factor), v, f32x4.lt(v, zero)))
    }
  }
  for (; i < end; i += 4) {
    const v = load<f32>(x + i)
    store<f32>(y + i, v < 0 ? (slope == 0 ? <f32>0 : v * slope) : v)
  }
}

/** dx = y > 0 ? d : fl(slope d), +0 for relu. y tells the side, because slope is not negative. */
function leakyReluBackward(d: usize, y: usize, dx: usize, slope: f32, i: usize, end: usize): void {
  const zero = f32x4.splat(0)
  const factor = f32x4.splat(slope)
  if (slope == 0) {
    for (; i + 16 <= end; i += 16) v128.store(dx + i, v128.and(v128.load(d + i), f32x4.gt(v128.load(y + i), zero)))
  } else {
    for (; i + 16 <= end; i += 16) {
      const v = v128.load(d + i)
      v128.store(dx + i, v128.bitselect(v, f32x4.mul(v, factor), f32x4.gt(v128.load(y + i), zero)))
    }
  }
  for (; i < end; i += 4) {
    const v = load<f32>(d + i)
    store<f32>(dx + i, load<f32>(y + i) > 0 ? v : slope == 0 ? <f32>0 : v * slope)
  }
}

/** y[rows, columns] = x + bias[columns]; with relu in the same pass if asked. */
function addRows(rows: u32, columns: u32, x: usize, bias: usize, y: usize, relu: bool, thread: u32, threads: u32): void {
  const ld = <usize>columns << 2
  const zero = f32x4.splat(0)
  const end = share(rows, 1, thread + 1, threads)
  for (let r = share(rows, 1, thread, threads); r < end; r++) {
    const from = x + <usize>r * ld
    const to = y + <usize>r * ld
    let j: usize = 0
    if (relu) {
      for (; j + 16 <= ld; j += 16) {
        const v = f32x4.add(v128.load(from + j), v128.load(bias + j))
        v128.store(to + j, v128.andnot(v, f32x4.lt(v, zero)))
      }
      for (; j < ld; j += 4) {
        const v = load<f32>(from + j) + load<f32>(bias + j)
        store<f32>(to + j, v < 0 ? 0 : v)
      }
    } else {
      for (; j + 16 <= ld; j += 16) v128.store(to + j, f32x4.add(v128.load(from + j), v128.load(bias + j)))
      for (; j < ld; j += 4) store<f32>(to + j, load<f32>(from + j) + load<f32>(bias + j))
    }
  }
}

/** y[images, channels, positions] = x + bias[channels]; with relu in the same pass if asked. */
function addChannels(images: u32, channels: u32, positions: u32, x: usize, bias: usize, y: usize, relu: bool, thread: u32, threads: u32): void {
  const ld = <usize>positions << 2
  const zero = f32x4.splat(0)
  const end = share(images * channels, 1, thread + 1, threads)
  for (let r = share(images * channels, 1, thread, threads); r < end; r++) {
    const b = load<f32>(bias + (<usize>(r % channels) << 2))
    const four = f32x4.splat(b)
    const from = x + <usize>r * ld
    const to = y + <usize>r * ld
    let j: usize = 0
    for (; j + 16 <= ld; j += 16) {
      const v = f32x4.add(v128.load(from + j), four)
      v128.store(to + j, relu ? v128.andnot(v, f32x4.lt(v, zero)) : v)
    }
    for (; j < ld; j += 4) {
      const v = load<f32>(from + j) + b
      store<f32>(to + j, relu && v < 0 ? 0 : v)
    }
  }
}
