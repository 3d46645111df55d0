import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { seeded } from '../../test/seeded.ts'
import { createGraph } from '../graph/graph.ts'
import { createExecutable, createThreadedExecutable } from '../machine/executable.ts'
import { columnSums, countCorrect, countTop, finite, rowSums, sumAll } from './reductions.ts'
import { softmax } from './softmax.ts'

for (const shape of [[1], [37], [3, 5], [300, 2], [257, 33], [2, 260, 36], [600, 70]]) {
  test(`sums of [${shape}] over all, rows and columns`, async () => {
    for (const sum of [sumAll, rowSums, columnSums]) await checkOperation({ operands: [{ shape }], build: (graph, x) => sum(graph, x!) })
  })
}

test('a sum beyond one part', async () => {
  const n = 2 ** 21 + 5
  const random = seeded(3)
  const data = Float32Array.from({ length: n }, random)
  const graph = createGraph()
  const x = graph.input('x', [n])
  const total = sumAll(graph, x)
  const found = []
  for (const executable of [
    createExecutable(graph, { keep: [total] }),
    createExecutable(graph, { keep: [total], backend: 'reference' }),
    await createThreadedExecutable(graph, { keep: [total], threads: 2 }),
  ]) {
    executable.f32(x).set(data)
    executable.run()
    found.push(executable.f32(total)[0]!)
    executable.close()
  }
  const exact = data.reduce((a, b) => a + b, 0)
  expect(found).toEqual([found[0], found[0], found[0]])
  expect(Math.abs(found[0]! - exact) / exact).toBeLessThan(1e-5)
})

for (const shape of [
  [1, 1],
  [3, 5],
  [4, 16],
  [2, 9, 37],
  [20, 100],
]) {
  test(`softmax of [${shape}]`, async () => {
    const random = seeded(2)
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random() * 8 - 4)
    const [y] = await checkOperation({ operands: [{ shape, data }], build: (graph, x) => softmax(graph, x!) })
    const columns = shape.at(-1)!
    for (let at = 0; at < data.length; at += columns) {
      const e = Array.from(data.subarray(at, at + columns), Math.exp)
      const sum = e.reduce((a, b) => a + b)
      for (let j = 0; j < columns; j++) expect(Math.abs(y![at + j]! * sum - e[j]!)).toBeLessThanOrEqual(1e-5 * e[j]!)
    }
  })
}

/** Runs on both backends and two threads, which must agree. */
async function count(logits: readonly number[], labels: readonly number[], k: number): Promise<{ correct: number; top: number }> {
  const graph = createGraph()
  const x = graph.input('logits', [labels.length, logits.length / labels.length])
  const y = graph.input('labels', [labels.length], 'i32')
  const keep = [countCorrect(graph, x, y), countTop(graph, x, y, k)]
  const found = []
  for (const executable of [
    createExecutable(graph, { keep }),
    createExecutable(graph, { keep, backend: 'reference' }),
    await createThreadedExecutable(graph, { keep, threads: 2 }),
  ]) {
    executable.f32(x).set(logits)
    executable.i32(y).set(labels)
    executable.run()
    found.push({ correct: executable.i32(keep[0]!)[0]!, top: executable.i32(keep[1]!)[0]! })
    executable.close()
  }
  expect(found).toEqual([found[0], found[0], found[0]])
  return found[0]!
}

test('hits: ties go to the lower index, NaN is never larger, labels outside never hit', async () => {
  const nan = Number.NaN
  expect(await count([1, 3, 3, 2], [1], 1)).toEqual({ correct: 1, top: 1 })
  expect(await count([1, 3, 3, 2], [2], 1)).toEqual({ correct: 0, top: 0 })
  expect(await count([1, 3, 3, 2], [2], 2)).toEqual({ correct: 0, top: 1 })
  expect(await count([1, nan, 3, 2], [2], 1)).toEqual({ correct: 1, top: 1 })
  expect(await count([nan, 5, 3, 2], [0], 1)).toEqual({ correct: 1, top: 0 })
  expect(await count([nan, 5, 3, 2], [1], 1)).toEqual({ correct: 0, top: 1 })
  expect(await count([1, nan, 3, 2], [1], 4)).toEqual({ correct: 0, top: 0 })
  expect(await count([1, 2, 3, 4], [4], 4)).toEqual({ correct: 0, top: 0 })
  expect(await count([1, 2, 3, 4], [-1], 4)).toEqual({ correct: 0, top: 0 })
  expect(await count([-0, 0, 0, 0, 0, 0, 0, 0, 0], [0], 1)).toEqual({ correct: 1, top: 1 })
})

test('hits among many rows and classes are those of a sort', async () => {
  const random = seeded(11)
  const [rows, classes, k] = [41, 23, 5]
  const logits = Array.from({ length: rows * classes }, () => Math.floor(random() * 12))
  const labels = Array.from({ length: rows }, () => Math.floor(random() * classes))
  let correct = 0
  let top = 0
  for (const [i, label] of labels.entries()) {
    const row = logits.slice(i * classes, (i + 1) * classes)
    const order = row.map((_value, j) => j).sort((a, b) => row[b]! - row[a]! || a - b)
    if (order[0] === label) correct++
    if (order.slice(0, k).includes(label)) top++
  }
  expect(await count(logits, labels, k)).toEqual({ correct, top })
})

test('finite sees one bad number anywhere', async () => {
  const n = 1003
  const graph = createGraph()
  const x = graph.input('x', [n])
  const fine = finite(graph, x)
  const threaded = await createThreadedExecutable(graph, { keep: [fine], threads: 3 })
  for (const executable of [
    createExecutable(graph, { keep: [fine] }),
    createExecutable(graph, { keep: [fine], backend: 'reference' }),
    threaded,
  ]) {
    const view = executable.f32(x)
    const answer = () => {
      executable.run()
      return executable.i32(fine)[0]
    }
    view.fill(-3.4e38)
    expect(answer()).toBe(1)
    for (const place of [0, 15, 16, 500, 700, n - 1])
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        view[place] = bad
        expect(answer(), `${bad} at ${place}`).toBe(0)
        view[place] = 1e-45
      }
    expect(answer()).toBe(1)
  }
  threaded.close()
})
