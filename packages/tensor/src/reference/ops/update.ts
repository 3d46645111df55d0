import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { sumLanes } from '../reductions.ts'
import { exchange } from '../update-map.ts'

const fl = Math.fround

/** Family 7. */
export function update(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const n = args[0]!
  const array = (word: number, size = n) => memory.f32(args[word]!, size)
  const number = (word: number) => bitsFloat(args[word]!)
  const x = array(1)
  switch (code) {
    case 0x701:
      return scale(x, array(2), number(3))
    case 0x702:
      return clip(x, array(2), number(3))
    case 0x703:
      return globalNorm(x, array(2, 1))
    case 0x704:
      return clipToNorm(x, array(2, 1)[0]!, array(3), number(4))
    case 0x70b:
      return threadedExchange(args, memory)
  }
  const step: Step = { g: x, w: array(2), p: array(3), registers: array(4, 4), scale: number(5), decay: number(6) }
  if (code === 0x705) sgd(step)
  else if (code === 0x706 || code === 0x707) momentum(step, array(7), number(8), code === 0x707)
  else if (code === 0x708) rmsprop(step, array(7), number(8), number(9), number(10))
  else if (code === 0x709 || code === 0x70a) {
    const [b1, rest1, b2, rest2, epsilon] = [9, 10, 11, 12, 13].map(number) as [number, number, number, number, number]
    adam(step, { first: array(7), second: array(8), b1, rest1, b2, rest2, epsilon }, code === 0x70a)
  } else throw new RangeError(`update: unknown operation ${code}`)
}

function scale(x: Float32Array, y: Float32Array, factor: number): void {
  for (let i = 0; i < x.length; i++) y[i] = x[i]! * factor
}

function clip(x: Float32Array, y: Float32Array, max: number): void {
  for (let i = 0; i < x.length; i++) y[i] = x[i]! > max ? max : x[i]! < -max ? -max : x[i]!
}

function globalNorm(x: Float32Array, norm: Float32Array): void {
  let sum = 0
  for (let i = 0; i < x.length; i += 4096) sum = fl(sum + sumLanes(x.subarray(i, i + 4096).map((v) => v * v)))
  norm[0] = Math.sqrt(sum)
}

function clipToNorm(x: Float32Array, norm: number, y: Float32Array, max: number): void {
  const factor = norm === Number.POSITIVE_INFINITY ? Number.NaN : norm > max ? fl(max / norm) : 1
  scale(x, y, factor)
}

interface Step {
  readonly g: Float32Array
  readonly w: Float32Array
  readonly p: Float32Array
  /** Rate, two bias corrections, rate of decoupled decay. */
  readonly registers: Float32Array
  readonly scale: number
  readonly decay: number
}

function decayed({ g, w, scale: factor, decay }: Step, i: number): number {
  const d = fl(g[i]! * factor)
  return decay === 0 ? d : fl(d + fl(decay * w[i]!))
}

function sgd(step: Step): void {
  const rate = step.registers[0]!
  for (let i = 0; i < step.p.length; i++) step.p[i] = -fl(rate * decayed(step, i))
}

function momentum(step: Step, velocity: Float32Array, mu: number, ahead: boolean): void {
  const rate = step.registers[0]!
  for (let i = 0; i < step.p.length; i++) {
    const d = decayed(step, i)
    const v = fl(fl(mu * velocity[i]!) + d)
    velocity[i] = v
    step.p[i] = -fl(rate * (ahead ? fl(d + fl(mu * v)) : v))
  }
}

function rmsprop(step: Step, squares: Float32Array, rho: number, rest: number, epsilon: number): void {
  const rate = step.registers[0]!
  for (let i = 0; i < step.p.length; i++) {
    const d = decayed(step, i)
    const s = fl(fl(rho * squares[i]!) + fl(rest * fl(d * d)))
    squares[i] = s
    step.p[i] = -fl(rate * fl(d / fl(fl(Math.sqrt(s)) + epsilon)))
  }
}

interface Adam {
  readonly first: Float32Array
  readonly second: Float32Array
  readonly b1: number
  readonly rest1: number
  readonly b2: number
  readonly rest2: number
  readonly epsilon: number
}

function adam(step: Step, { first, second, b1, rest1, b2, rest2, epsilon }: Adam, apart: boolean): void {
  const [rate, k1, k2, decayRate] = step.registers as unknown as [number, number, number, number]
  const within = apart ? { ...step, decay: 0 } : step
  for (let i = 0; i < step.p.length; i++) {
    const d = decayed(within, i)
    const m = fl(fl(b1 * first[i]!) + fl(rest1 * d))
    const v = fl(fl(b2 * second[i]!) + fl(rest2 * fl(d * d)))
    first[i] = m
    second[i] = v
    const change = fl(rate * fl(fl(m * k1) / fl(fl(Math.sqrt(fl(v * k2))) + epsilon)))
    step.p[i] = apart && step.decay !== 0 ? -fl(change + fl(decayRate * step.w[i]!)) : -change
  }
}

function threadedExchange(args: Uint32Array, memory: ReferenceMemory): void {
  const [n, residual, step, weights, quanta, words, counts] = args as unknown as [number, number, number, number, number, number, number]
  const [tau, q] = memory.f32(quanta, 2) as unknown as [number, number]
  const found = exchange(memory.f32(residual, n), memory.f32(step, n), memory.f32(weights, n), memory.u32(words, n), tau, q)
  memory.u32(counts, 2).set([found.count, found.overdrive])
}
