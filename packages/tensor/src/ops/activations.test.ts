import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { createGraph, type Graph, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { gelu, sigmoid, silu, tanh } from './activations.ts'

const GELU = Math.sqrt(2 / Math.PI)
const exact = {
  tanh: [tanh, Math.tanh],
  sigmoid: [sigmoid, (x: number) => 1 / (1 + Math.exp(-x))],
  silu: [silu, (x: number) => x / (1 + Math.exp(-x))],
  gelu: [gelu, (x: number) => x / (1 + Math.exp(-2 * GELU * (x + 0.044715 * x ** 3)))],
} as const satisfies Record<string, readonly [(graph: Graph, x: Value) => Value, (x: number) => number]>

/** Largest errors in units of the last place that the sweep below may find. */
const BOUNDS = { tanh: 1.4, sigmoid: 2.3, silu: 3.2, gelu: 3.1 }
/** Where a function's result is not yet so small that an argument's rounding shows in it. */
const FROM = { tanh: -40, sigmoid: -80, silu: -80, gelu: -1 }

for (const [name, [build, value]] of Object.entries(exact)) {
  const bound = BOUNDS[name as keyof typeof BOUNDS]
  test(`${name}: bits, gradient, and at most ${bound} units in the last place from the true value`, async () => {
    for (const shape of [[1], [7], [5, 9]]) await checkOperation({ operands: [{ shape }], build: (graph, x) => build(graph, x!) })
    await checkOperation({
      operands: [{ shape: [12], data: [-90, -30, -8, -3, -0.7, -1e-3, 0, 1e-20, 0.6, 4, 20, 100], differentiate: false }],
      build: (graph, x) => build(graph, x!),
    })

    const n = 1 << 18
    const graph = createGraph()
    const x = graph.input('x', [n])
    const y = build(graph, x)
    const executable = createExecutable(graph, { keep: [y] })
    const from = FROM[name as keyof typeof FROM]
    executable
      .f32(x)
      .set(
        Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? from + ((40 - from) * i) / n : ((i / n) * 2 - 1) * Math.min(1, -from))),
      )
    executable.run()
    let worst = 0
    for (let i = 0; i < n; i++) {
      const want = value(executable.f32(x)[i]!)
      const size = Math.abs(want)
      const unit = size < 2 ** -126 ? 2 ** -149 : 2 ** (Math.floor(Math.log2(size)) - 23)
      worst = Math.max(worst, Math.abs(executable.f32(y)[i]! - want) / unit)
    }
    expect(worst).toBeLessThanOrEqual(bound)
    expect(worst, 'a bound says something only if it is near').toBeGreaterThan(bound / 2)
  })
}
