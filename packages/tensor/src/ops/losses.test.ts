import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { seeded } from '../../test/seeded.ts'
import { differentiate } from '../autograd/differentiate.ts'
import { createGraph, type Graph, type Value } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { addOp } from './elementwise.ts'
import { binaryCrossEntropy, huber, type LossOptions, meanSquaredError, softmaxCrossEntropy } from './losses.ts'

type Loss = (graph: Graph, x: Value, t: Value, options?: LossOptions) => Value

const outputLosses: readonly (readonly [string, Loss, (x: number, t: number) => number, boolean])[] = [
  ['binary cross entropy', binaryCrossEntropy, (x, t) => Math.log(1 + Math.exp(x)) - x * t, false],
  ['mean squared error', meanSquaredError, (p, t) => (p - t) ** 2, true],
  ['huber', huber, (p, t) => (Math.abs(p - t) <= 1 ? (p - t) ** 2 / 2 : Math.abs(p - t) - 0.5), true],
  [
    'huber with a small delta',
    (graph, x, t, options) => huber(graph, x, t, { ...options, delta: 0.25 }),
    (p, t) => (Math.abs(p - t) <= 0.25 ? (p - t) ** 2 / 2 : 0.25 * (Math.abs(p - t) - 0.125)),
    true,
  ],
]

for (const [name, loss, one, mean] of outputLosses) {
  for (const shape of [[1], [3, 1], [5, 7], [4, 16], [3, 2, 35], [70, 3]]) {
    test(`${name} of [${shape}]: bits, gradient, and its formula`, async () => {
      const random = seeded(shape.length + shape[0]!)
      const size = shape.reduce((a, b) => a * b)
      const x = Float32Array.from({ length: size }, () => random() * 6 - 3)
      const t = Float32Array.from({ length: size }, () => random())
      const [, rows] = await checkOperation({
        operands: [
          { shape, data: x },
          { shape, data: t, differentiate: false },
        ],
        loss: true,
        build: (graph, p, q) => {
          const made = loss(graph, p!, q!, { gradient: true })
          return [graph.nodes.at(-1)!.outputs[0]!, made]
        },
      })
      const outputs = size / shape[0]!
      for (const [i, row] of rows!.entries()) {
        let sum = 0
        for (let j = i * outputs; j < (i + 1) * outputs; j++) sum += one(x[j]!, t[j]!)
        expect(Math.abs(row - (mean ? sum / outputs : sum)), `row ${i}`).toBeLessThanOrEqual(1e-5 * (1 + sum))
      }
    })
  }
}

for (const shape of [
  [1, 2],
  [3, 1],
  [7, 10],
  [5, 16],
  [2, 3, 37],
  [33, 100],
]) {
  test(`softmax cross entropy of [${shape}]: bits, gradient, and its formula`, async () => {
    const random = seeded(shape[0]!)
    const classes = shape.at(-1)!
    const size = shape.reduce((a, b) => a * b)
    const x = Float32Array.from({ length: size }, () => random() * 10 - 5)
    const labels = Int32Array.from({ length: size / classes }, () => Math.floor(random() * classes))
    const [loss] = await checkOperation({
      operands: [
        { shape, data: x },
        { shape: [labels.length], dtype: 'i32', data: labels },
      ],
      loss: true,
      tolerance: 2e-2,
      build: (graph, logits, target) => softmaxCrossEntropy(graph, logits!, target!, { gradient: true }),
    })
    for (const [i, row] of loss!.entries()) {
      const e = Array.from(x.subarray(i * classes, (i + 1) * classes), Math.exp)
      const exact = Math.log(e.reduce((a, b) => a + b)) - x[i * classes + labels[i]!]!
      expect(Math.abs(row - exact), `row ${i}`).toBeLessThanOrEqual(1e-5 * (1 + exact))
    }
  })
}

test('softmax cross entropy has the bits of the kernel that stands alone', async () => {
  const [rows, classes] = [9, 37]
  const random = seeded(5)
  const x = Float32Array.from({ length: rows * classes }, () => random() * 40 - 20)
  const labels = Uint8Array.from({ length: rows }, () => Math.floor(random() * classes))
  const { createBackend } = await import('../backend.ts')
  const { kernels, memory } = createBackend('wasm', 65536)
  new Float32Array(memory, 1024, x.length).set(x)
  new Uint8Array(memory, 8192, rows).set(labels)
  kernels.softmaxCrossEntropy(1024, 8192, 16384, 32768, rows, classes, 40960)
  const { gradient, loss } = run(x, labels, rows, classes)
  expect(gradient).toEqual(new Float32Array(memory, 16384, x.length))
  expect(loss).toEqual(new Float32Array(memory, 32768, rows))
})

function run(x: ArrayLike<number>, labels: ArrayLike<number>, rows: number, classes: number) {
  const graph = createGraph()
  const logits = graph.input('logits', [rows, classes])
  const target = graph.input('labels', [rows], 'i32')
  const loss = softmaxCrossEntropy(graph, logits, target, { gradient: true })
  const gradient = differentiate(graph, { loss, wanted: [logits] }).get(logits)!
  const executable = createExecutable(graph, { keep: [loss, gradient] })
  executable.f32(logits).set(x)
  executable.i32(target).set(labels)
  executable.run()
  return { loss: executable.f32(loss).slice(), gradient: executable.f32(gradient).slice() }
}

test('binary cross entropy has the reference’s bits from saturation to saturation', () => {
  const n = 20000
  const [wasm, plain] = (['wasm', 'reference'] as const).map((backend) => {
    const graph = createGraph()
    const x = graph.input('x', [n, 1])
    const loss = binaryCrossEntropy(graph, x, graph.input('t', [n, 1]))
    const executable = createExecutable(graph, { keep: [loss], backend })
    executable.f32(x).set(Float32Array.from({ length: n }, (_, i) => ((i - n / 2) / n) * 240))
    executable.run()
    return executable.f32(loss).slice()
  })
  expect(wasm).toEqual(plain)
})

test('a label outside of the classes makes its row NaN and no other', () => {
  const { loss, gradient } = run([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3], [0, 3, -1, 2], 4, 3)
  expect(Array.from(loss, Number.isNaN)).toEqual([false, true, true, false])
  expect(Array.from(gradient, Number.isNaN)).toEqual([0, 1, 1, 0].flatMap((nan) => [nan, nan, nan].map((v) => v === 1)))
})

test('NaN and infinity reach the loss', () => {
  const { loss } = run([Number.NaN, 2, 3, 1, Number.NaN, 3, 1, Number.POSITIVE_INFINITY, 0], [1, 2, 0], 3, 3)
  expect(Array.from(loss, Number.isFinite)).toEqual([false, false, false])
  const graph = createGraph()
  const x = graph.input('x', [2, 2])
  const t = graph.input('t', [2, 2])
  const rows = [binaryCrossEntropy, meanSquaredError, huber].map((made) => made(graph, x, t))
  const executable = createExecutable(graph, { keep: rows })
  executable.f32(x).set([Number.NaN, 1, 1, Number.NEGATIVE_INFINITY])
  executable.f32(t).set([0, 0, 1, 1])
  executable.run()
  for (const row of rows) expect(Array.from(executable.f32(row), Number.isFinite)).toEqual([false, false])
})

for (const [name, loss] of [...outputLosses.map(([name, loss]) => [name, loss] as const)])
  test(`${name} over its own input’s memory`, async () => {
    await checkOperation({
      operands: [{ shape: [6, 37] }, { shape: [6, 37], differentiate: false }],
      loss: true,
      build: (graph, x, t) => loss(graph, graph.one(addOp, [x!, x!], {}), t!, { gradient: true }),
    })
  })

test('softmax cross entropy over its own input’s memory', async () => {
  await checkOperation({
    operands: [{ shape: [6, 37] }, { shape: [6], dtype: 'i32', data: [0, 5, 36, 12, 1, 20] }],
    loss: true,
    build: (graph, x, labels) => softmaxCrossEntropy(graph, graph.one(addOp, [x!, x!], {}), labels!, { gradient: true }),
  })
})

test('what does not fit is refused with what was expected', () => {
  const graph = createGraph()
  const logits = graph.input('logits', [4, 3])
  const labels = graph.input('labels', [4], 'i32')
  expect(() => softmaxCrossEntropy(graph, logits, graph.input('labels', [3], 'i32'))).toThrow('one label for each of 4 rows')
  expect(() => softmaxCrossEntropy(graph, logits, graph.input('labels', [4]))).toThrow('expected dtype i32, received f32')
  expect(() => meanSquaredError(graph, logits, graph.input('targets', [3, 4]))).toThrow('expected shape [4,3], received [3,4]')
  for (const delta of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-60])
    expect(() => huber(graph, logits, logits, { delta })).toThrow('finite delta above 0')
  const plain = softmaxCrossEntropy(graph, logits, labels)
  expect(() => differentiate(graph, { loss: plain, wanted: [logits] })).toThrow('expected { gradient: true }')
  const seeds = new Map([[plain, graph.input('seed', [4])]])
  expect(() => differentiate(graph, { seeds, wanted: [logits] })).toThrow('expected to be the loss')
})
