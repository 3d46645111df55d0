import { word } from './columns'
import { share } from './threads'

/** Largest number of each window and where it stands in its plane; the first of equals, and a NaN before all. */
export function maxPool(at: usize, thread: u32, threads: u32): void {
  const planes = word(at, 0)
  const h = <i32>word(at, 1)
  const w = <i32>word(at, 2)
  const kw = <i32>word(at, 4)
  const oh = word(at, 5)
  const ow = <i32>word(at, 6)
  const sx = <i32>word(at, 8)
  const padding = <i32>word(at, 10)
  // Windows in [first, last) lie inside the image's columns; four of them at a time, the last four again if the count is no multiple.
  const first = (padding + sx - 1) / sx
  const last = w + padding < kw ? 0 : min(ow, (w + padding - kw) / sx + 1)
  const four = sx <= 2 && last - first >= 4
  const end = share(planes, 1, thread + 1, threads)
  for (let p = share(planes, 1, thread, threads); p < end; p++) {
    const x = <usize>word(at, 11) + ((<usize>p * h * w) << 2)
    for (let oy: u32 = 0; oy < oh; oy++) {
      const top = <i32>(oy * word(at, 7)) - <i32>word(at, 9)
      const y0 = max(0, top)
      const y1 = min(h, top + <i32>word(at, 3))
      const out = (<usize>(p * oh + oy) * ow) << 2
      const best = <usize>word(at, 12) + out
      const place = <usize>word(at, 13) + out
      if (!four) {
        for (let ox = 0; ox < ow; ox++) largestOf(x, w, y0, y1, ox * sx - padding, kw, best, place, ox)
        continue
      }
      for (let ox = 0; ox < first; ox++) largestOf(x, w, y0, y1, ox * sx - padding, kw, best, place, ox)
      for (let ox = first; ox < last; ox += 4) {
        const from = min(ox, last - 4)
        largestOfFour(x, w, y0, y1, from * sx - padding, kw, sx, best + (<usize>from << 2), place + (<usize>from << 2))
      }
      for (let ox = last; ox < ow; ox++) largestOf(x, w, y0, y1, ox * sx - padding, kw, best, place, ox)
    }
  }
}

function largestOf(x: usize, w: i32, y0: i32, y1: i32, left: i32, kw: i32, bests: usize, places: usize, ox: i32): void {
  const x0 = max(0, left)
  const x1 = min(w, left + kw)
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
  store<f32>(bests + (<usize>ox << 2), best)
  store<i32>(places + (<usize>ox << 2), place)
}

/** Four windows beside each other that move by `sx`, 1 or 2, from column `left` of the image on. */
// @ts-ignore: decorator
@inline
function largestOfFour(x: usize, w: i32, y0: i32, y1: i32, left: i32, kw: i32, sx: i32, bests: usize, places: usize): void {
  const lanes = sx == 1 ? i32x4(0, 1, 2, 3) : i32x4(0, 2, 4, 6)
  const start = y0 * w + left
  let best = fourOf(x + (<usize>start << 2), sx)
  let place = i32x4.add(i32x4.splat(start), lanes)
  for (let iy = y0; iy < y1; iy++) {
    for (let ix = 0; ix < kw; ix++) {
      const i = iy * w + left + ix
      const v = fourOf(x + (<usize>i << 2), sx)
      const larger = v128.or(f32x4.gt(v, best), v128.and(f32x4.ne(v, v), f32x4.eq(best, best)))
      best = v128.bitselect(v, best, larger)
      place = v128.bitselect(i32x4.add(i32x4.splat(i), lanes), place, larger)
    }
  }
  v128.store(bests, best)
  v128.store(places, place)
}

/** Four numbers, `sx` apart; reads nothing past the last. */
// @ts-ignore: decorator
@inline
function fourOf(from: usize, sx: i32): v128 {
  if (sx == 1) return v128.load(from)
  return v128.shuffle<f32>(v128.load(from), v128.load(from, 12), 0, 2, 5, 7)
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
