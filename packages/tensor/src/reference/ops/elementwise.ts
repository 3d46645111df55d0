import { activations, slopes } from '../activations.ts'
import { roundBf16 } from '../bf16.ts'
import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { sumLanes } from '../reductions.ts'

const fl = Math.fround

/** Family 3. */
export function elementwise(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const [n, a, b, c, d, e, f] = args as unknown as [number, number, number, number, number, number, number]
  switch (code) {
    case 0x301:
      return each(n, memory.f32(c, n), memory.f32(a, n), memory.f32(b, n), (x, y) => x + y)
    case 0x302:
      return each(n, memory.f32(c, n), memory.f32(a, n), memory.f32(b, n), (x, y) => x - y)
    case 0x303:
      return each(n, memory.f32(c, n), memory.f32(a, n), memory.f32(b, n), (x, y) => x * y)
    case 0x304:
      return biased(memory.f32(b, n * a), memory.f32(c, a), memory.f32(d, n * a), (i) => i % a, e !== 0)
    case 0x305:
      return biased(memory.f32(c, n * a * b), memory.f32(d, a), memory.f32(e, n * a * b), (i) => Math.floor(i / b) % a, f !== 0)
    case 0x306:
      return channelSums(n, a, b, memory.f32(c, n * a * b), memory.f32(d, a))
    case 0x307:
      memory.f32(b, n).set(Array.from(memory.u8(a, n), (x) => fl(x * bitsFloat(c))))
      return
    case 0x308: {
      const x = memory.f32(a, n)
      return each(n, memory.f32(b, n), x, x, (v) => v * bitsFloat(c))
    }
    case 0x310: {
      const [x, slope] = [memory.f32(a, n), bitsFloat(c)]
      return each(n, memory.f32(b, n), x, x, (v) => (v < 0 ? (slope === 0 ? 0 : v * slope) : v))
    }
    case 0x311: {
      const slope = bitsFloat(d)
      return each(n, memory.f32(c, n), memory.f32(a, n), memory.f32(b, n), (g, y) => (y > 0 ? g : slope === 0 ? 0 : g * slope))
    }
    case 0x330: {
      const x = memory.f32(a, n)
      return each(n, memory.f32(b, n), x, x, roundBf16)
    }
    case 0x320:
    case 0x321:
    case 0x322:
    case 0x323: {
      const x = memory.f32(a, n)
      return each(n, memory.f32(b, n), x, x, activations[code & 3]!)
    }
    case 0x326:
    case 0x327: {
      const x = Float32Array.from(memory.f32(a, n))
      each(n, memory.f32(b, n), x, x, activations[code & 3]!)
      return each(n, memory.f32(c, n), x, x, slopes[code & 3]!)
    }
    case 0x328:
    case 0x329:
    case 0x32a:
    case 0x32b: {
      const slope = slopes[code & 3]!
      return each(n, memory.f32(c, n), memory.f32(a, n), memory.f32(b, n), (g, v) => g * slope(v))
    }
    default:
      throw new RangeError(`elementwise: unknown operation ${code}`)
  }
}

function each(n: number, to: Float32Array, a: Float32Array, b: Float32Array, f: (a: number, b: number) => number): void {
  for (let i = 0; i < n; i++) to[i] = f(a[i]!, b[i]!)
}

function biased(x: Float32Array, bias: Float32Array, y: Float32Array, place: (i: number) => number, relu: boolean): void {
  for (let i = 0; i < x.length; i++) {
    const v = fl(x[i]! + bias[place(i)]!)
    y[i] = relu && v < 0 ? 0 : v
  }
}

function channelSums(images: number, channels: number, positions: number, x: Float32Array, out: Float32Array): void {
  for (let channel = 0; channel < channels; channel++) {
    let total = 0
    for (let first = 0; first < images; first += 256) {
      let sum = 0
      for (let i = first; i < Math.min(images, first + 256); i++) {
        const at = (i * channels + channel) * positions
        sum = fl(sum + sumLanes(x.subarray(at, at + positions)))
      }
      total = first === 0 ? sum : fl(total + sum)
    }
    out[channel] = total
  }
}
