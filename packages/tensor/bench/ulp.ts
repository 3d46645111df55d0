/**
 * How far activations and their slopes are from the true values, over every STEP-th binary32 number:
 *
 *     node packages/tensor/bench/ulp.ts NAME [STEP]       NAME: tanh, sigmoid, silu, gelu; STEP 1 (two minutes or more) takes all 2^32
 *
 * True values are those of binary64 with the functions of the host, whose error is 2^-28 of the unit here. Errors of values are in units of the last
 * place (2^-149 where the result is subnormal); those of slopes also in 2^-24, because a slope that crosses 0 has no bounded relative error.
 */
import { differentiate } from '../src/autograd/differentiate.ts'
import { createGraph } from '../src/graph/graph.ts'
import { createExecutable } from '../src/machine/executable.ts'
import { gelu, sigmoid, silu, tanh } from '../src/ops/activations.ts'

const rate = 2 * Math.sqrt(2 / Math.PI)
const gate = (v: number) => 1 / (1 + Math.exp(-v))
const inner = (x: number) => rate * (x + 0.044715 * x * x * x)
/** sigma(v) (1 + b (1 - sigma(v))); 0 and 1 where the exponential leaves binary64. */
const slope = (v: number, b: number) => (v < -700 ? 0 : v > 700 ? 1 : gate(v) * (1 + b * gate(-v)))
const exact = {
  tanh: { build: tanh, value: Math.tanh, slope: (x: number) => (Math.abs(x) > 350 ? 0 : Math.cosh(x) ** -2) },
  sigmoid: { build: sigmoid, value: gate, slope: (x: number) => gate(x) * gate(-x) },
  silu: { build: silu, value: (x: number) => (x < -700 ? -0 : x * gate(x)), slope: (x: number) => slope(x, x) },
  gelu: {
    build: gelu,
    value: (x: number) => (x < -20 ? -0 : x * gate(inner(x))),
    slope: (x: number) => (x < -20 ? 0 : x > 20 ? 1 : slope(inner(x), rate * (x + 3 * 0.044715 * x * x * x))),
  },
}

const name = process.argv[2] as keyof typeof exact
const step = Number(process.argv[3] ?? 251)
if (!(name in exact) || !(Number.isInteger(step) && step > 0))
  throw new RangeError('expected one of tanh, sigmoid, silu, gelu and a whole step')
const { build, value, slope: trueSlope } = exact[name]

const count = 1 << 20
const graph = createGraph()
const x = graph.input('x', [count])
const y = build(graph, x)
const d = graph.input('d', [count])
const dx = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x] }).get(x)!
const executable = createExecutable(graph, { keep: [y, dx] })
const [xs, ys, ds, slopes] = [x, y, d, dx].map((v) => executable.f32(v)) as [Float32Array, Float32Array, Float32Array, Float32Array]
const words = new Uint32Array(xs.buffer, xs.byteOffset, count)
ds.fill(1)

const exponent = new Float64Array(1)
const high = new Uint32Array(exponent.buffer)
/** A unit in the last binary32 place of a binary64 number. */
function unit(size: number): number {
  exponent[0] = size
  return 2 ** (Math.max((high[1]! >>> 20) - 1023, -126) - 23)
}

const worst = { normal: [0, 0], subnormal: [0, 0], slope: [0, 0] }
let hidden = 0
let broken = 0
const note = (place: number[], error: number, at: number) => {
  if (error > place[0]!) place.splice(0, 2, error, at)
}
let tested = 0
for (let first = 0; first < 2 ** 32; first += count * step) {
  for (let i = 0; i < count; i++) words[i] = Math.min(first + i * step, 2 ** 32 - 1)
  executable.run()
  for (let i = 0; i < count; i++) {
    const at = xs[i]!
    if (Number.isNaN(at)) {
      if (!Number.isNaN(ys[i]!) || !Number.isNaN(slopes[i]!)) hidden++
      continue
    }
    if (Math.abs(at) === Number.POSITIVE_INFINITY) continue
    tested++
    const want = value(at)
    if (!Number.isFinite(ys[i]!) || !Number.isFinite(slopes[i]!)) broken++
    note(Math.abs(want) < 2 ** -126 ? worst.subnormal : worst.normal, Math.abs(ys[i]! - want) / unit(Math.abs(want)), at)
    note(worst.slope, Math.abs(slopes[i]! - trueSlope(at)) * 2 ** 24, at)
  }
}
const line = ([error, at]: number[]) => `${error!.toFixed(4)} at ${at}`
console.log(`${name}: ${tested} numbers; ${hidden} NaN hidden; ${broken} results not finite`)
console.log(
  `  units in the last place ${line(worst.normal)}; of subnormal results ${line(worst.subnormal)}; slope, in 2^-24, ${line(worst.slope)}`,
)
