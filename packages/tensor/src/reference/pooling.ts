import type { ReferenceMemory } from './memory.ts'

const fl = Math.fround

/** Pooling: 0x210 largest, 0x211 its backward pass, 0x212 mean, 0x213 its backward pass. */
export function pool(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  if (code === 0x211) return maxBackward(args, memory)
  const [planes, h, w, kh, kw, oh, ow, sy, sx, top, left, xAt, yAt, placesAt] = Array.from(args) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  for (let p = 0; p < planes; p++) {
    const x = memory.f32(xAt + 4 * p * h * w, h * w)
    const y = memory.f32(yAt + 4 * p * oh * ow, oh * ow)
    if (code === 0x213) x.fill(0)
    for (let o = 0; o < oh * ow; o++) {
      const window = inside(h, w, Math.floor(o / ow) * sy - top, (o % ow) * sx - left, kh, kw)
      if (code === 0x210) {
        let best = window[0]!
        for (const place of window) if (x[place]! > x[best]! || (Number.isNaN(x[place]!) && !Number.isNaN(x[best]!))) best = place
        y[o] = x[best]!
        memory.i32(placesAt + 4 * p * oh * ow, oh * ow)[o] = best
      } else if (code === 0x212) {
        let sum = 0
        for (const place of window) sum = fl(sum + x[place]!)
        y[o] = fl(sum / window.length)
      } else {
        const part = fl(y[o]! / window.length)
        for (const place of window) x[place] = fl(x[place]! + part)
      }
    }
  }
}

function maxBackward(args: Uint32Array, memory: ReferenceMemory): void {
  const [planes, inner, places, dAt, placesAt, dxAt] = Array.from(args) as [number, number, number, number, number, number]
  const dx = memory.f32(dxAt, planes * inner).fill(0)
  const [d, from] = [memory.f32(dAt, planes * places), memory.i32(placesAt, planes * places)]
  for (let i = 0; i < d.length; i++) {
    const to = Math.floor(i / places) * inner + from[i]!
    dx[to] = fl(dx[to]! + d[i]!)
  }
}

/** Places of a window that lie inside the plane, row by row. */
function inside(h: number, w: number, top: number, left: number, kh: number, kw: number): number[] {
  const places: number[] = []
  for (let y = Math.max(0, top); y < Math.min(h, top + kh); y++)
    for (let x = Math.max(0, left); x < Math.min(w, left + kw); x++) places.push(y * w + x)
  return places
}
