import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createGraph, type Graph, sizeOf, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { batchNorm } from './batch-norm.ts'
import { addOp } from './elementwise.ts'
import { groupNorm, instanceNorm, layerNorm, rmsNorm } from './normalization.ts'

type Norm = (graph: Graph, x: Value, scale?: Value, shift?: Value) => Value

/** Forms of affine: none, scale alone, both. */
async function check(shape: readonly number[], width: number, norm: Norm, forms = [0, 1, 2]): Promise<readonly Float32Array[]> {
  const found: Float32Array[] = []
  for (const form of forms) {
    const affine = Array.from({ length: form }, () => ({ shape: [width] }))
    const [y] = await checkOperation({
      operands: [{ shape }, ...affine],
      h: 1 / 512,
      tolerance: 8e-3,
      build: (graph, x, scale, shift) => norm(graph, x!, scale, shift),
    })
    found.push(y!)
  }
  return found
}

const moments = (values: ArrayLike<number>) => {
  const list = Array.from(values)
  const mean = list.reduce((a, b) => a + b, 0) / list.length
  return { mean, variance: list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length }
}

for (const shape of [
  [3, 2],
  [4, 16],
  [2, 5, 37],
  [300, 20],
  [520, 7],
])
  test(`layer and root-mean-square norms of [${shape}]`, async () => {
    const width = shape.at(-1)!
    const [plain] = await check(shape, width, (graph, x, scale, shift) => layerNorm(graph, x, scale, shift))
    if (width > 2) {
      const { mean, variance } = moments(plain!.subarray(0, width))
      expect(Math.abs(mean)).toBeLessThan(1e-5)
      expect(Math.abs(variance - 1)).toBeLessThan(2e-3)
    }
    await check(shape, width, (graph, x, scale) => rmsNorm(graph, x, scale), [0, 1])
  })

for (const [shape, groups] of [
  [[2, 4, 3, 3], 2],
  [[3, 6, 17], 3],
  [[2, 3, 5, 7], 1],
  [[4, 8], 2],
  [[4, 8], 1],
  [[258, 2, 3], 2],
] as const)
  test(`group norm of [${shape}] in ${groups}`, async () => {
    await check(shape, shape[1], (graph, x, scale, shift) => groupNorm(graph, x, scale, shift, { groups }))
  })

test('instance norm is group norm of one channel', async () => {
  await check([2, 3, 4, 5], 3, (graph, x, scale, shift) => instanceNorm(graph, x, scale, shift), [2])
})

for (const shape of [
  [4, 3, 5, 5],
  [3, 2, 16],
  [2, 7, 3, 1, 2],
  [9, 6],
  [5, 1],
  [260, 3],
  [258, 2, 2],
])
  for (const training of [true, false])
    test(`batch norm of [${shape}], ${training ? 'training' : 'with running statistics'}`, async () => {
      const channels = shape[1]!
      const state = (graph: Graph, x: Value): readonly [Value, Value] => {
        // States start at +0, so r is 1 / sqrt(epsilon) without training, hence a large epsilon.
        const make = (name: string) => graph.state(`${x.name} ${name}`, [channels])
        return [make('mean'), make('variance')]
      }
      await check(shape, channels, (graph, x, scale, shift) => {
        const [mean, variance] = state(graph, x)
        return batchNorm(graph, x, scale, shift, mean, variance, { training, epsilon: 0.5 })
      })
    })

/** Values of a norm against its formula in binary64. */
function values(shape: readonly number[], build: (graph: Graph, x: Value) => Value, data: Float32Array): Float32Array {
  const graph = createGraph()
  const x = graph.input('x', shape)
  const y = build(graph, x)
  const executable = createExecutable(graph, { keep: [y] })
  executable.f32(x).set(data)
  executable.run()
  return executable.f32(y).slice()
}

test('every norm is its formula', () => {
  const [samples, channels, inner] = [5, 6, 23]
  const shape = [samples, channels, inner]
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => 3 + ((i * 7919) % 113) / 16)
  const at = (i: number) => ({ n: Math.floor(i / (channels * inner)), c: Math.floor(i / inner) % channels, row: Math.floor(i / inner) })
  const cases: readonly (readonly [string, (graph: Graph, x: Value) => Value, (i: number, j: number) => boolean])[] = [
    ['layer', (graph, x) => layerNorm(graph, x), (i, j) => at(i).row === at(j).row],
    [
      'group',
      (graph, x) => groupNorm(graph, x, undefined, undefined, { groups: 3 }),
      (i, j) => at(i).n === at(j).n && Math.floor(at(i).c / 2) === Math.floor(at(j).c / 2),
    ],
    ['instance', (graph, x) => instanceNorm(graph, x), (i, j) => at(i).row === at(j).row],
    [
      'batch',
      (graph, x) =>
        batchNorm(graph, x, undefined, undefined, graph.state('m', [channels]), graph.state('v', [channels]), { training: true }),
      (i, j) => at(i).c === at(j).c,
    ],
  ]
  for (const [name, build, together] of cases) {
    const y = values(shape, build, data)
    for (let i = 0; i < data.length; i += 13) {
      const { mean, variance } = moments(data.filter((_, j) => together(i, j)))
      const exact = (data[i]! - mean) / Math.sqrt(variance + 1e-5)
      expect(Math.abs(y[i]! - exact), `${name} at ${i}`).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(exact)))
    }
  }
  const y = values(shape, (graph, x) => rmsNorm(graph, x), data)
  for (let i = 0; i < data.length; i += 13) {
    const row = data.filter((_, j) => at(i).row === at(j).row)
    const exact = data[i]! / Math.sqrt(row.reduce((a, b) => a + b * b, 0) / inner + 1e-5)
    expect(Math.abs(y[i]! - exact), `root mean square at ${i}`).toBeLessThanOrEqual(1e-5 * (1 + exact))
  }
})

test('running statistics move once a run, with the unbiased variance, checkpointed or not, and serve inference', () => {
  const data = Float32Array.from({ length: 4 * 2 * 3 }, (_, i) => (i * i) % 11)
  const found = []
  for (const [checkpoint, backend] of [
    [false, 'wasm'],
    [true, 'wasm'],
    [true, 'reference'],
  ] as const) {
    const graph = createGraph()
    const x = graph.input('x', [4, 2, 3])
    const [mean, variance] = [graph.state('mean', [2]), graph.state('variance', [2])]
    const y = graph.segment(() => {
      const norm = batchNorm(graph, graph.one(addOp, [x, x], {}), undefined, undefined, mean, variance, { training: true, momentum: 0.25 })
      return graph.one(addOp, [norm, norm], {})
    })
    const d = graph.input('d', [4, 2, 3])
    const gradient = differentiate(graph, { seeds: new Map([[y, d]]), wanted: [x], checkpoint }).get(x)!
    const still = batchNorm(graph, x, undefined, undefined, mean, variance, { training: false })
    const executable = createExecutable(graph, { keep: [y, gradient, still], backend })
    executable.f32(x).set(data)
    executable.f32(d).set(data)
    executable.f32(variance).fill(1)
    executable.run()
    found.push([mean, variance, y, gradient, still].map((value) => Array.from(executable.f32(value))))
  }
  expect(found[1]).toEqual(found[0])
  expect(found[2]).toEqual(found[0])
  const [mean, variance, , , still] = found[0]!
  for (const c of [0, 1]) {
    const channel = Array.from(data.filter((_, i) => Math.floor(i / 3) % 2 === c))
    const exact = moments(channel.map((value) => 2 * value))
    expect(mean![c]).toBeCloseTo(0.25 * exact.mean, 5)
    expect(variance![c]! / (0.75 + (0.25 * exact.variance * 12) / 11)).toBeCloseTo(1, 5)
    expect(still![3 * c]).toBeCloseTo((data[3 * c]! - mean![c]!) / Math.sqrt(variance![c]! + 1e-5), 4)
  }
})

test('norms over their own input’s memory', async () => {
  const twice = (graph: Graph, x: Value) => graph.one(addOp, [x, x], {})
  const norms: Norm[] = [
    (graph, x) => layerNorm(graph, twice(graph, x)),
    (graph, x) => rmsNorm(graph, twice(graph, x)),
    (graph, x) => groupNorm(graph, twice(graph, x), undefined, undefined, { groups: 2 }),
    (graph, x) =>
      batchNorm(graph, twice(graph, x), undefined, undefined, graph.state('m', [4]), graph.state('v', [4]), {
        training: false,
        epsilon: 1,
      }),
  ]
  for (const norm of norms) {
    const bits = (['wasm', 'reference'] as const).map((backend) => {
      const graph = createGraph()
      const x = graph.input('x', [3, 4, 9])
      const y = norm(graph, x)
      const executable = createExecutable(graph, { keep: [y], backend })
      executable.f32(x).set(Float32Array.from({ length: 108 }, (_, i) => (i * i) % 17))
      executable.run()
      return Array.from(executable.f32(y))
    })
    expect(bits[1]).toEqual(bits[0])
  }
})

test('NaN reaches its row, its group or its channel', () => {
  const data = new Float32Array(24).map((_, i) => i)
  data[7] = Number.NaN
  const nan = (build: (graph: Graph, x: Value) => Value) => Array.from(values([2, 3, 4], build, data), Number.isNaN)
  const where = (test: (i: number) => boolean) => Array.from(data, (_, i) => test(i))
  expect(nan((graph, x) => layerNorm(graph, x))).toEqual(where((i) => i >= 4 && i < 8))
  expect(nan((graph, x) => rmsNorm(graph, x))).toEqual(where((i) => i >= 4 && i < 8))
  expect(nan((graph, x) => groupNorm(graph, x, undefined, undefined, { groups: 1 }))).toEqual(where((i) => i < 12))
  expect(
    nan((graph, x) => batchNorm(graph, x, undefined, undefined, graph.state('m', [3]), graph.state('v', [3]), { training: true })),
  ).toEqual(where((i) => Math.floor(i / 4) % 3 === 1))
})

test('what does not fit is refused with what was expected', () => {
  const graph = createGraph()
  const x = graph.input('x', [1, 6])
  const six = graph.input('six', [6])
  const five = graph.input('five', [5])
  expect(() => layerNorm(graph, x, five)).toThrow('layer norm: scale: expected shape [6], received [5]')
  expect(() => layerNorm(graph, x, undefined, six)).toThrow('expected a scale with the shift')
  for (const epsilon of [0, -1, Number.NaN, 1e-60]) expect(() => rmsNorm(graph, x, six, { epsilon })).toThrow('finite epsilon above 0')
  for (const groups of [0, 4, 1.5]) expect(() => groupNorm(graph, x, six, six, { groups })).toThrow('groups that divide 6 channels')
  expect(() => instanceNorm(graph, five)).toThrow('expected an input [N, C, ...], received [5]')
  expect(() => batchNorm(graph, x, six, six, six, six, { training: true })).toThrow('two numbers a channel or more')
  const y = graph.input('y', [2, 6])
  expect(() => batchNorm(graph, y, six, six, five, six, { training: false })).toThrow('running mean: expected shape [6], received [5]')
  expect(() => batchNorm(graph, y, six, six, six, six, { training: true, momentum: 2 })).toThrow('momentum of 0 to 1')
})
