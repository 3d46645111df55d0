import { word } from './columns'
import { share } from './threads'

/** Largest number of each window and where it stands in its plane; the first of equals, and a NaN before all. */
export function maxPool(at: usize, thread: u32, threads: u32): void {
  const planes = word(at, 0)
  const h = <i32>word(at, 1)
  const w = <i32>word(at, 2)
  const oh = word(at, 5)
  const ow = word(at, 6)
  const end = share(planes, 1, thread + 1, threads)
  for (let p = share(planes, 1, thread, threads); p < end; p++) {
    const x = <usize>word(at, 11) + ((<usize>p * h * w) << 2)
    let out = (<usize>p * oh * ow) << 2
    for (let oy: u32 = 0; oy < oh; oy++) {
      const top = <i32>(oy * word(at, 7)) - <i32>word(at, 9)
      const y0 = max(0, top)
      const y1 = min(h, top + <i32>word(at, 3))
      for (let ox: u32 = 0; ox < ow; ox++, out += 4) {
        const left = <i32>(ox * word(at, 8)) - <i32>word(at, 10)
        const x0 = max(0, left)
        const x1 = min(w, left + <i32>word(at, 4))
        let place = y0 * w + x0
        let best = load<f32>(x + (<usize>place << 2))
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) {
            const v = load<f32>(x + (<usize>(iy * w + ix) << 2))
            if (v > best || (v != v && best == best)) {
              best = v
              place = iy * w + ix
            }
          }
        }
        store<f32>(<usize>word(at, 12) + out, best)
        store<i32>(<usize>word(at, 13) + out, place)
      }
    }
  }
}

/** dx = +0, then each output's gradient is added where its number came from, outputs ascending. */
export function maxPoolBackward(at: usize, thread: u32, threads: u32): void {
  const planes = word(at, 0)
  const inner = word(at, 1)
  const places = word(at, 2)
  const end = share(planes, 1, thread + 1, threads)
  for (let p = share(planes, 1, thread, threads); p < end; p++) {
    const dx = <usize>word(at, 5) + ((<usize>p * inner) << 2)
    memory.fill(dx, 0, <usize>inner << 2)
    for (let i: u32 = 0; i < places; i++) {
      const from = (<usize>p * places + i) << 2
      const to = dx + (<usize>load<u32>(<usize>word(at, 4) + from) << 2)
      store<f32>(to, load<f32>(to) + load<f32>(<usize>word(at, 3) + from))
    }
  }
}

/** Mean of each window's numbers inside the image: summed ascending from +0, then divided by their count. */
export function averagePool(at: usize, thread: u32, threads: u32, backward: bool): void {
  const planes = word(at, 0)
  const h = <i32>word(at, 1)
  const w = <i32>word(at, 2)
  const oh = word(at, 5)
  const ow = word(at, 6)
  const end = share(planes, 1, thread + 1, threads)
  for (let p = share(planes, 1, thread, threads); p < end; p++) {
    const x = <usize>word(at, 11) + ((<usize>p * h * w) << 2)
    let y = <usize>word(at, 12) + ((<usize>p * oh * ow) << 2)
    if (backward) memory.fill(x, 0, (<usize>h * w) << 2)
    for (let oy: u32 = 0; oy < oh; oy++) {
      const top = <i32>(oy * word(at, 7)) - <i32>word(at, 9)
      const y0 = max(0, top)
      const y1 = min(h, top + <i32>word(at, 3))
      for (let ox: u32 = 0; ox < ow; ox++, y += 4) {
        const left = <i32>(ox * word(at, 8)) - <i32>word(at, 10)
        const x0 = max(0, left)
        const x1 = min(w, left + <i32>word(at, 4))
        const count = <f32>((y1 - y0) * (x1 - x0))
        const share = backward ? load<f32>(y) / count : 0
        let sum: f32 = 0
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) {
            const place = x + (<usize>(iy * w + ix) << 2)
            if (backward) store<f32>(place, load<f32>(place) + share)
            else sum += load<f32>(place)
          }
        }
        if (!backward) store<f32>(y, sum / count)
      }
    }
  }
}
