import { scramble } from '../bf16.ts'
import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { softmax, softmaxBackward } from '../softmax.ts'

const fl = Math.fround

/** Family 8. */
export function int8(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const words = Array.from(args)
  const bytes = (at: number, n: number) => new Int8Array(memory.u8(at, n).buffer, at, n)
  switch (code) {
    case 0x801: {
      const [n, x, out] = words as [number, number, number]
      memory.u32(out, 1)[0] = memory.u32(x, n).reduce((top, bits) => Math.max(top, bits & 0x7fffffff), 0)
      return
    }
    case 0x802: {
      const [n, x, largest, out, key, stream] = words as [number, number, number, number, number, number]
      const draws = key === 0 ? undefined : memory.u32(key, 2)
      return quantize(memory.f32(x, n), memory.u32(largest, 1)[0]!, bytes(out, n), draws, stream)
    }
    case 0x803:
      return products(words, bytes, memory)
    case 0x804: {
      const [n, c, a, b, y] = words as [number, number, number, number, number]
      return rescale(memory.i32(c, n), memory.u32(a, 1)[0]!, memory.u32(b, 1)[0]!, memory.f32(y, n))
    }
    case 0x805: {
      const { images, channels, h, w, places, from } = sizes(words)
      const x = bytes(words[16]!, images * channels * h * w)
      const out = bytes(words[17]!, images * channels * places.length)
      for (let plane = 0; plane < images * channels; plane++)
        for (const [i, place] of places.entries()) out[plane * places.length + i] = from(place) < 0 ? 0 : x[plane * h * w + from(place)]!
      return
    }
    case 0x806: {
      const { images, channels, h, w, places, from } = sizes(words)
      const columns = memory.i32(words[16]!, images * channels * places.length)
      const out = memory.i32(words[17]!, images * channels * h * w).fill(0)
      for (let plane = 0; plane < images * channels; plane++)
        for (const [i, place] of places.entries())
          if (from(place) >= 0)
            out[plane * h * w + from(place)] = (out[plane * h * w + from(place)]! + columns[plane * places.length + i]!) | 0
      return
    }
    case 0x809:
    case 0x80a:
      return convolve(code, words, bytes, memory)
    case 0x807: {
      const [units, time, causal, scale, from, to] = words as [number, number, number, number, number, number]
      const [scores, p] = [memory.f32(from, units * time * time), memory.f32(to, units * time * time)]
      for (let row = 0; row < units * time; row++) {
        const length = causal ? (row % time) + 1 : time
        const at = row * time
        for (let j = at; j < at + length; j++) p[j] = fl(scores[j]! * bitsFloat(scale))
        softmax(p.subarray(at, at + length), p.subarray(at, at + length), length)
        p.fill(0, at + length, at + time)
      }
      return
    }
    case 0x808: {
      const [units, time, scale, probabilities, gradients, to] = words as [number, number, number, number, number, number]
      const n = units * time * time
      const ds = memory.f32(to, n)
      softmaxBackward(memory.f32(probabilities, n), memory.f32(gradients, n), ds, time)
      for (let i = 0; i < n; i++) ds[i] = fl(ds[i]! * bitsFloat(scale))
      return
    }
    default:
      throw new RangeError(`int8: unknown operation ${code}`)
  }
}

/** The exponent of an operand's unit: its largest magnitude is 64 to 128 units. */
const unit = (largest: number) => Math.max((largest >>> 23) - 127, -120) - 6
const finite = (largest: number) => largest < 0x7f800000

function power(exponent: number): number {
  let value = 1
  for (let i = 0; i < Math.abs(exponent); i++) value = exponent < 0 ? value / 2 : value * 2
  return value
}

function quantize(x: Float32Array, largest: number, out: Int8Array, key: Uint32Array | undefined, stream: number): void {
  if (largest === 0 || !finite(largest)) {
    out.fill(0)
    return
  }
  const scale = power(-unit(largest))
  const seed = key && scramble(scramble(stream ^ key[0]!) ^ key[1]!)
  for (let i = 0; i < x.length; i++) {
    const scaled = fl(x[i]! * scale)
    const whole = seed === undefined ? nearest(scaled) : Math.floor(fl(scaled + (scramble(i ^ seed) & 0xffff) / 65536))
    out[i] = Math.min(Math.max(whole, -127), 127)
  }
}

/** To the nearest whole number, ties to even. */
function nearest(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1
}

function rescale(c: Int32Array, a: number, b: number, y: Float32Array): void {
  const e = unit(a) + unit(b)
  const half = e >> 1
  for (let i = 0; i < c.length; i++) y[i] = finite(a) && finite(b) ? fl(fl(fl(c[i]!) * power(half)) * power(e - half)) : Number.NaN
}

function products(words: readonly number[], bytes: (at: number, n: number) => Int8Array, memory: ReferenceMemory): void {
  const [kind, m, n, k, a, lda, b, ldb, c, ldc, , outer, inner, ao, ai, bo, bi, co, ci, sum] = words as [
    number,
    number,
    number,
    ...number[],
  ]
  const numbers = bytes(0, memory.bytes)
  for (let o = 0; o < outer!; o++) {
    for (let i = 0; i < inner!; i++) {
      for (let row = 0; row < m; row++) {
        const to = memory.i32(c! + o * co! + i * ci! + row * ldc!, n)
        for (let column = 0; column < n; column++) {
          let total = sum !== 0 && o > 0 ? to[column]! : 0
          for (let p = 0; p < k!; p++) {
            const x = numbers[a! + o * ao! + i * ai! + (kind === 2 ? p * lda! + row : row * lda! + p)]!
            const y = numbers[b! + o * bo! + i * bi! + (kind === 0 ? column * ldb! + p : p * ldb! + column)]!
            total = (total + x * y) | 0
          }
          to[column] = total
        }
      }
    }
  }
}

/** Places of a window over an image: where each comes from, below 0 for outside. */
function sizes(words: readonly number[]) {
  const [images, channels, h, w, , kh, kw, oh, ow, sy, sx, dy, dx, top, left] = words as [number, number, number, number, ...number[]]
  const places: (readonly [ky: number, kx: number, oy: number, ox: number])[] = []
  for (let ky = 0; ky < kh!; ky++)
    for (let kx = 0; kx < kw!; kx++) for (let oy = 0; oy < oh!; oy++) for (let ox = 0; ox < ow!; ox++) places.push([ky, kx, oy, ox])
  const from = ([ky, kx, oy, ox]: readonly [number, number, number, number]) => {
    const [y, x] = [oy * sy! + ky * dy! - top!, ox * sx! + kx * dx! - left!]
    return y < 0 || y >= h || x < 0 || x >= w ? -1 : y * w + x
  }
  return { images, channels, h, w, places, from }
}

/** Windows of 3 x 3: plain sums, since the kernels' algorithm is exact. 0x809 forward, or of dy to dx with the windows turned around; 0x80a the weight's gradient. */
function convolve(code: number, words: readonly number[], bytes: (at: number, n: number) => Int8Array, memory: ReferenceMemory): void {
  const [images, channels, h, w, filters, oh, ow, top, left, turned, xAt, weightAt, yAt] = words as readonly number[] as [
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
  const x = bytes(xAt, images * channels * h * w)
  /** Calls back for each product with the places of its factors and its result. */
  const each = (use: (x: number, weight: number, y: number) => void) => {
    for (let n = 0; n < images; n++)
      for (let f = 0; f < filters; f++)
        for (let c = 0; c < channels; c++)
          for (let ky = 0; ky < 3; ky++)
            for (let kx = 0; kx < 3; kx++) {
              const weight = turned ? 9 * (c * filters + f) + 8 - 3 * ky - kx : 9 * (f * channels + c) + 3 * ky + kx
              for (let oy = Math.max(0, top - ky); oy < Math.min(oh, h + top - ky); oy++)
                for (let ox = Math.max(0, left - kx); ox < Math.min(ow, w + left - kx); ox++)
                  use(((n * channels + c) * h + oy + ky - top) * w + ox + kx - left, weight, ((n * filters + f) * oh + oy) * ow + ox)
            }
  }
  if (code === 0x809) {
    const weight = bytes(weightAt, filters * channels * 9)
    const y = memory.i32(yAt, images * filters * oh * ow).fill(0)
    each((i, j, to) => {
      y[to] = (y[to]! + x[i]! * weight[j]!) | 0
    })
  } else {
    const weight = memory.i32(weightAt, filters * channels * 9).fill(0)
    const dy = bytes(yAt, images * filters * oh * ow)
    each((i, to, j) => {
      weight[to] = (weight[to]! + x[i]! * dy[j]!) | 0
    })
  }
}
