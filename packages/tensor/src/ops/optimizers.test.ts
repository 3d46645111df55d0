import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { createArena } from '../arena.ts'
import { createBackend } from '../backend.ts'
import { createGraph, type Graph, type Value } from '../graph/graph.ts'
import { createExecutable, createThreadedExecutable, type Executable } from '../machine/executable.ts'
import { adam, adamw, momentum, nesterov, rmsprop, type Steps, sgd } from './optimizers.ts'
import { exchange } from './update-exchange.ts'
import { clipByNorm, clipByValue, meanGradient } from './update-gradient.ts'

const N = 5003
const STEPS = 50
const RATE = 0.01
const [B1, B2, RHO, MU, EPSILON, DECAY] = [0.9, 0.999, 0.95, 0.9, 1e-8, 0.01]

interface Rule {
  readonly build: (graph: Graph, steps: Steps, states: readonly Value[]) => Value
  /** Change of one weight in binary64; `s` are its state numbers, changed in place. */
  readonly exact: (g: number, w: number, s: number[], t: number) => number
  readonly states: number
}

const adamExact = (d: number, s: number[], t: number) => {
  s[0] = B1 * s[0]! + (1 - B1) * d
  s[1] = B2 * s[1]! + (1 - B2) * d * d
  return (RATE * (s[0] / (1 - B1 ** t))) / (Math.sqrt(s[1] / (1 - B2 ** t)) + EPSILON)
}
const scale = 0.5
const common = { scale, decay: DECAY }
const moments = (states: readonly Value[]) => ({ first: states[0]!, second: states[1]! })

const rules: Readonly<Record<string, Rule>> = {
  sgd: { build: (graph, steps) => sgd(graph, steps, common), exact: (g, w) => -RATE * (scale * g + DECAY * w), states: 0 },
  momentum: {
    build: (graph, steps, [v]) => momentum(graph, steps, v!, { ...common, momentum: MU }),
    exact(g, w, s) {
      s[0] = MU * s[0]! + (scale * g + DECAY * w)
      return -RATE * s[0]
    },
    states: 1,
  },
  nesterov: {
    build: (graph, steps, [v]) => nesterov(graph, steps, v!, { ...common, momentum: MU }),
    exact(g, w, s) {
      const d = scale * g + DECAY * w
      s[0] = MU * s[0]! + d
      return -RATE * (d + MU * s[0])
    },
    states: 1,
  },
  rmsprop: {
    build: (graph, steps, [v]) => rmsprop(graph, steps, v!, { ...common, rho: RHO, epsilon: EPSILON }),
    exact(g, w, s) {
      const d = scale * g + DECAY * w
      s[0] = RHO * s[0]! + (1 - RHO) * d * d
      return (-RATE * d) / (Math.sqrt(s[0]) + EPSILON)
    },
    states: 1,
  },
  adam: {
    build: (graph, steps, states) => adam(graph, steps, moments(states), { ...common, beta1: B1, beta2: B2, epsilon: EPSILON }),
    exact: (g, w, s, t) => -adamExact(scale * g + DECAY * w, s, t),
    states: 2,
  },
  adamw: {
    build: (graph, steps, states) => adamw(graph, steps, moments(states), { ...common, beta1: B1, beta2: B2, epsilon: EPSILON }),
    exact: (g, w, s, t) => -(adamExact(scale * g, s, t) + RATE * DECAY * w),
    states: 2,
  },
}

const hex = (x: Float32Array) => Buffer.from(x.slice().buffer).toString('hex')

for (const [name, { build, exact, states }] of Object.entries(rules)) {
  test(`${name}: ${STEPS} steps of the definition, equal bits everywhere`, async () => {
    const graph = createGraph()
    const [gradient, weights, registers] = [graph.input('g', [N]), graph.input('w', [N]), graph.input('registers', [4])]
    const arrays = Array.from({ length: states }, (_, i) => graph.state(`state ${i}`, [N]))
    const change = build(graph, { gradient, weights, registers }, arrays)
    const options = { keep: [change] }
    const all: readonly Executable[] = [
      createExecutable(graph, options),
      createExecutable(graph, { ...options, backend: 'reference' }),
      await createThreadedExecutable(graph, { ...options, threads: 2 }),
      await createThreadedExecutable(graph, { ...options, threads: 3 }),
    ]
    const random = seeded(4)
    const w = Float64Array.from({ length: N }, () => random() - 0.5)
    for (const executable of all) executable.f32(weights).set(w)
    const s = Array.from({ length: N }, () => new Array<number>(states).fill(0))
    for (let t = 1; t <= STEPS; t++) {
      const g = Float32Array.from({ length: N }, () => random() * 2 - 0.9)
      const found = all.map((executable) => {
        executable.f32(gradient).set(g)
        executable.f32(registers).set([RATE, 1 / (1 - B1 ** t), 1 / (1 - B2 ** t), RATE * DECAY])
        executable.run()
        const p = executable.f32(change)
        const moved = executable.f32(weights)
        for (let i = 0; i < N; i++) moved[i]! += p[i]!
        return hex(moved)
      })
      expect(new Set(found).size, `step ${t}`).toBe(1)
      for (let i = 0; i < N; i++) w[i]! += exact(g[i]!, w[i]!, s[i]!, t)
    }
    const moved = all[0]!.f32(weights)
    for (let i = 0; i < N; i++) expect(Math.abs(moved[i]! - w[i]!)).toBeLessThan(1e-4 * (1 + Math.abs(w[i]!)))
    for (const executable of all) executable.close()
  })
}

test('clipping to a norm, to a value, and the mean', async () => {
  const graph = createGraph()
  const g = graph.input('g', [N])
  const kept = [clipByNorm(graph, g, { max: 2 }), clipByValue(graph, g, { max: 0.25 }), meanGradient(graph, g, 3)]
  const loose = clipByNorm(graph, g, { max: 1e6 })
  const keep = [...kept, loose]
  const random = seeded(9)
  const data = Float32Array.from({ length: N }, () => random() - 0.5)
  const all = [
    createExecutable(graph, { keep }),
    createExecutable(graph, { keep, backend: 'reference' }),
    await createThreadedExecutable(graph, { keep, threads: 3 }),
  ]
  const found = all.map((executable) => {
    executable.f32(g).set(data)
    executable.run()
    return keep.map((value) => hex(executable.f32(value)))
  })
  expect(found[1]).toEqual(found[0])
  expect(found[2]).toEqual(found[0])
  const [normed, clipped, mean] = kept.map((value) => all[0]!.f32(value)) as [Float32Array, Float32Array, Float32Array]
  const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))
  expect(norm(data)).toBeGreaterThan(2)
  expect(Math.abs(norm(normed) - 2)).toBeLessThan(1e-4)
  expect(Math.max(...clipped)).toBe(0.25)
  expect(Math.min(...clipped)).toBe(-0.25)
  expect(mean[7]).toBe(Math.fround(data[7]! * Math.fround(1 / 3)))
  expect(all[0]!.f32(loose)).toEqual(data)
  for (const executable of all) executable.close()
})

test('the exchange on threads has the words, weights and residual of the kernel that it stands for, and moves weights by proposals', async () => {
  const random = seeded(2)
  const [r, p, w] = [0, 1, 2].map(() => Float32Array.from({ length: N }, () => random() * 2 - 1)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const [tau, q] = [0.75, -0.75]

  const arena = createArena()
  const [rAt, pAt, wAt, wordsAt, overAt] = [N, N, N, N, 1].map((n) => arena.take(4 * n)) as [number, number, number, number, number]
  const { memory, kernels } = createBackend('wasm', arena.bytes)
  for (const [at, x] of [
    [rAt, r],
    [pAt, p],
    [wAt, w],
  ] as const)
    new Float32Array(memory, at, N).set(x)
  const count = kernels.exchange(rAt, pAt, wAt, wordsAt, overAt, tau, q, N)
  const want = {
    words: Array.from(new Int32Array(memory, wordsAt, count)),
    counts: [count, new Int32Array(memory, overAt, 1)[0]],
    residual: hex(new Float32Array(memory, rAt, N)),
    weights: hex(new Float32Array(memory, wAt, N)),
  }
  expect(count).toBeGreaterThan(N / 10)
  // W moves by tau in the direction of the proposal.
  const [word] = want.words as [number]
  const index = word & 0x7fffffff
  expect(new Float32Array(memory, wAt, N)[index]).toBe(Math.fround(w[index]! + (word < 0 ? tau : -tau)))

  const graph = createGraph()
  const [residual, step, weights, quanta] = [
    graph.input('r', [N]),
    graph.input('p', [N]),
    graph.input('w', [N]),
    graph.input('quanta', [2]),
  ]
  const { words, counts } = exchange(graph, { residual, step, weights, quanta })
  const keep = [words, counts]
  for (const executable of [
    createExecutable(graph, { keep }),
    createExecutable(graph, { keep, backend: 'reference' }),
    await createThreadedExecutable(graph, { keep, threads: 2 }),
    await createThreadedExecutable(graph, { keep, threads: 5 }),
  ]) {
    for (const [value, x] of [
      [residual, r],
      [step, p],
      [weights, w],
    ] as const)
      executable.f32(value).set(x)
    executable.f32(quanta).set([tau, q])
    executable.run()
    expect({
      words: Array.from(executable.i32(words).subarray(0, count)),
      counts: Array.from(executable.i32(counts)),
      residual: hex(executable.f32(residual)),
      weights: hex(executable.f32(weights)),
    }).toEqual(want)
    executable.close()
  }
})
