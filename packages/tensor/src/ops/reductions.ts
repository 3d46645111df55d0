import { type Graph, type Node, type Op, type Places, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { expectDType, expectLabels, lastAxis } from './rows.ts'

/** The sum of everything, f32 [1]: parts of 2^20 elements by 16 lanes, their sums added ascending (docs/arithmetic, "Reductions"). */
export function sumAll(graph: Graph, x: Value): Value {
  return graph.one(sumAllOp, [x], {})
}

/** Sums over the last axis by 16 lanes; answers the shape without it, [1] for a vector. */
export function rowSums(graph: Graph, x: Value): Value {
  return graph.one(rowSumsOp, [x], {})
}

/** Sums over all axes but the last, f32 [columns]: rows in chunks of 256, each ascending from +0, chunk sums added ascending. */
export function columnSums(graph: Graph, x: Value): Value {
  return graph.one(columnSumsOp, [x], {})
}

/**
 * Rows whose first largest logit stands at their label, i32 [1]; NaN is never larger, and a label outside of the classes never right.
 *
 * @throws RangeError unless labels are i32, one for each row of logits [..., classes]
 */
export function countCorrect(graph: Graph, logits: Value, labels: Value): Value {
  return graph.one(countOp, [logits, labels], { k: 1, search: true })
}

/**
 * Rows whose label is among their k largest logits, i32 [1]: fewer than k are larger, or equal and before it. A NaN at the label is a miss.
 *
 * @throws RangeError unless k is 1 or more, and labels are i32, one for each row of logits [..., classes]
 */
export function countTop(graph: Graph, logits: Value, labels: Value, k: number): Value {
  return graph.one(countOp, [logits, labels], { k, search: false })
}

/** 1 if no number is NaN or infinite, else 0: i32 [1]. */
export function finite(graph: Graph, x: Value): Value {
  return graph.one(finiteOp, [x], {})
}

/** Elements of one part of `sumAll`, and rows of one part of `columnSums`; shapes decide the parts, threads only share them. */
const partElements = 2 ** 20
export const partRows = 256

export const sumAllOp: Op = {
  name: 'sum',
  code: 0x507,
  infer: ([x]) => reduced('sum', x!, [1]),
  gradient: (graph, { inputs: [x] }, [d]) => [spread(graph, d!, x!.shape, 'all')],
  scratchBytes: ({ inputs: [x] }) => 4 * Math.ceil(sizeOf(x!.shape) / partElements),
  words: ({ inputs: [x], outputs: [y] }, { at, scratch }) => [1, sizeOf(x!.shape), at(x!), at(y!), scratch],
}

export const rowSumsOp: Op = {
  name: 'row sums',
  code: 0x508,
  infer: ([x]) => reduced('row sums', x!, x!.shape.length > 1 ? x!.shape.slice(0, -1) : [1]),
  gradient: (graph, { inputs: [x] }, [d]) => [spread(graph, d!, x!.shape, 'rows')],
  words: (node, { at }) => [...matrix(node, at), at(node.outputs[0]!)],
}

export const columnSumsOp: Op = {
  name: 'column sums',
  code: 0x509,
  infer: ([x]) => reduced('column sums', x!, [lastAxis(x!.shape).columns]),
  gradient: (graph, { inputs: [x] }, [d]) => [spread(graph, d!, x!.shape, 'columns')],
  scratchBytes({ inputs: [x] }) {
    const { rows, columns } = lastAxis(x!.shape)
    return 4 * columns * (Math.ceil(rows / partRows) - 1)
  },
  words: (node, { at, scratch }) => [...matrix(node, at), at(node.outputs[0]!), scratch],
}

type SpreadAttributes = { readonly shape: Shape; readonly over: 'all' | 'rows' | 'columns' }

/** A number to all places, a column to all columns, a row to all rows: what sums do to gradients. */
export const spreadOp: Op<SpreadAttributes> = {
  name: 'spread',
  code: 0x50a,
  infer: (_inputs, { shape }) => [{ shape }],
  gradient(graph, { attributes: { over } }, [d]) {
    return [over === 'all' ? sumAll(graph, d!) : over === 'rows' ? rowSums(graph, d!) : columnSums(graph, d!)]
  },
  words({ inputs: [d], outputs: [y], attributes: { over } }, { at }) {
    const { rows, columns } = lastAxis(y!.shape)
    return [rows, columns, at(d!), at(y!), over === 'rows' ? 1 : 0, over === 'columns' ? 1 : 0]
  },
}

function spread(graph: Graph, d: Value, shape: Shape, over: SpreadAttributes['over']): Value {
  return graph.one(spreadOp, [d], { shape, over })
}

export const countOp: Op<{ readonly k: number; readonly search: boolean }> = {
  name: 'count',
  code: 0x50b,
  infer([logits, labels], { k }) {
    expectLabels('count', logits!, labels!)
    if (!Number.isSafeInteger(k) || k < 1 || k > 2 ** 30) throw new RangeError(`count: expected k of 1 or more, received ${k}`)
    return [{ shape: [1], dtype: 'i32' }]
  },
  scratchBytes: (_node, threads) => 4 * threads,
  words(node, { at, scratch }) {
    const { inputs, outputs, attributes } = node
    return [...matrix(node, at), at(inputs[1]!), at(outputs[0]!), attributes.k, attributes.search ? 1 : 0, scratch]
  },
}

export const finiteOp: Op = {
  name: 'finite',
  code: 0x50c,
  infer([x]) {
    expectDType('finite', x!, 'f32')
    return [{ shape: [1], dtype: 'i32' }]
  },
  scratchBytes: (_node, threads) => 4 * threads,
  words: ({ inputs: [x], outputs: [y] }, { at, scratch }) => [1, sizeOf(x!.shape), at(x!), at(y!), scratch],
}

function reduced(name: string, x: Value, shape: Shape) {
  expectDType(name, x, 'f32')
  return [{ shape }]
}

function matrix({ inputs: [x] }: Pick<Node, 'inputs'>, at: Places['at']): readonly number[] {
  const { rows, columns } = lastAxis(x!.shape)
  return [rows, columns, at(x!)]
}
