import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createGraph, type Graph, sizeOf, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { addOp } from '../ops/elementwise.ts'
import { matmul } from '../ops/matmul.ts'
import { planMemory } from './plan.ts'

const WIDTH = 5

/** A chain of products and sums that may reach back to any earlier value, cut into segments. */
function randomGraph(choices: readonly (readonly [number, number, number])[]): { graph: Graph; made: Value[]; wanted: Value[] } {
  const graph = createGraph()
  const weights = [0, 1].map((i) => graph.parameter(`w${i}`, [WIDTH, WIDTH]))
  const made = [graph.input('x', [3, WIDTH])]
  const step = ([kind, a, b]: readonly [number, number, number]) => {
    const left = made[a % made.length]!
    made.push(kind === 0 ? matmul(graph, left, weights[b % 2]!) : graph.one(addOp, [left, made[b % made.length]!], {}))
  }
  for (let i = 0; i < choices.length; i += 3) graph.segment(() => choices.slice(i, i + 3).forEach(step))
  return { graph, made, wanted: weights }
}

const choices = fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 14 })

/** Bits of the last value and of the gradients, for memory that is reused as planned or not at all, and for either kind of backward pass. */
function results(given: readonly (readonly [number, number, number])[], reuse: boolean, checkpoint: boolean): string[] {
  const { graph, made, wanted } = randomGraph(given)
  const top = made.at(-1)!
  const upstream = graph.input('upstream', top.shape)
  const gradients = differentiate(graph, { seeds: new Map([[top, upstream]]), wanted, checkpoint })
  const read = [top, ...wanted.flatMap((value) => gradients.get(value) ?? [])]
  const computed = graph.values.filter((value) => value.role === 'computed')
  // Everything kept: nothing may share its place with anything.
  const executable = createExecutable(graph, { keep: reuse ? read.filter((value) => value.role === 'computed') : computed })
  const random = seeded(7)
  for (const value of graph.values.filter(({ role }) => role !== 'computed')) {
    executable.f32(value).set(Array.from({ length: sizeOf(value.shape) }, () => random() - 0.5))
  }
  executable.run()
  return read.map((value) => Buffer.from(executable.f32(value).slice().buffer).toString('hex'))
}

test('planned memory and recomputed segments give the bits of memory that is never used twice', () => {
  fc.assert(
    fc.property(choices, (given) => {
      const plain = results(given, false, false)
      expect(results(given, true, false)).toEqual(plain)
      expect(results(given, true, true)).toEqual(plain)
    }),
    { numRuns: 60 },
  )
})

test('buffers that live at the same time do not overlap', () => {
  fc.assert(
    fc.property(choices, (given) => {
      const { graph, made } = randomGraph(given)
      const plan = planMemory(graph, { threads: 2, keep: [made.at(-1)!], fixed: new Set() })
      const lives = new Map<number, { first: number; last: number; bytes: number }>()
      for (const [i, node] of plan.nodes.entries()) {
        for (const value of [...node.inputs, ...node.outputs, ...(i === plan.nodes.length - 1 ? made.slice(-1) : [])]) {
          const at = plan.place(value)
          if (typeof at !== 'number') continue
          const bytes = 4 * sizeOf(value.shape)
          const life = lives.get(value.id) ?? { first: i, last: i, bytes }
          lives.set(value.id, { ...life, last: i })
        }
      }
      const list = [...lives].map(([id, life]) => ({ at: plan.place(graph.values[id]!) as number, ...life }))
      for (const a of list) {
        expect(a.at + a.bytes).toBeLessThanOrEqual(plan.bytes)
        for (const b of list) {
          if (a === b || a.at === b.at) continue
          // An output may begin where an input ends its life only by taking its place, so equal steps count as meeting.
          const meet = a.first <= b.last && b.first <= a.last
          if (meet) expect(a.at + a.bytes <= b.at || b.at + b.bytes <= a.at).toBe(true)
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('a long chain lives in a few buffers, and checkpoints in fewer', () => {
  const graph = createGraph()
  const weight = graph.parameter('w', [64, 64])
  let x = graph.input('x', [256, 64])
  const upstream = graph.input('upstream', [256, 64])
  for (let block = 0; block < 8; block++) {
    x = graph.segment(() => {
      let y = x
      for (let i = 0; i < 8; i++) y = matmul(graph, y, weight)
      return y
    })
  }
  const forward = planMemory(graph, { threads: 1, keep: [x], fixed: new Set() })
  expect(forward.bytesWithoutReuse).toBe(64 * 65536)
  const bytes = (checkpoint: boolean) => {
    const copy = createGraph()
    const values = new Map<Value, Value>()
    for (const value of graph.values) {
      if (value.role === 'parameter') values.set(value, copy.parameter(value.name, value.shape))
      if (value.role === 'input') values.set(value, copy.input(value.name, value.shape))
    }
    for (const [i, node] of graph.nodes.entries()) {
      if (i % 8 === 0) {
        copy.segment(() => {
          for (const { op, inputs, outputs, attributes } of graph.nodes.slice(i, i + 8)) {
            values.set(
              outputs[0]!,
              copy.one(
                op,
                inputs.map((input) => values.get(input)!),
                attributes,
              ),
            )
          }
        })
      }
      void node
    }
    const gradients = differentiate(copy, {
      seeds: new Map([[values.get(x)!, values.get(upstream)!]]),
      wanted: [values.get(weight)!],
      checkpoint,
    })
    return planMemory(copy, { threads: 1, keep: [...gradients.values()], fixed: new Set() }).bytes
  }
  // 64 outputs of forward against 8 boundaries and one segment of 8.
  expect(bytes(true)).toBeLessThan(bytes(false) / 2)
})
