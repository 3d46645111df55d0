import { type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'

/** The same numbers under another shape; one extent may be -1 and is then what is left. @throws RangeError if the sizes differ */
export function reshape(graph: Graph, x: Value, shape: Shape): Value {
  const known = shape.reduce((size, extent) => (extent === -1 ? size : size * extent), 1)
  return graph.one(reshapeOp, [x], { shape: shape.map((extent) => (extent === -1 ? sizeOf(x.shape) / known : extent)) })
}

/** [rows, everything else]. */
export function flatten(graph: Graph, x: Value): Value {
  return reshape(graph, x, [x.shape[0]!, -1])
}

export const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: 'reshape',
  code: 0,
  infer([x], { shape }) {
    if (sizeOf(shape) !== sizeOf(x!.shape))
      throw new RangeError(`reshape: expected [${shape}] to hold ${sizeOf(x!.shape)} elements of [${x!.shape}]`)
    return [{ shape, dtype: x!.dtype }]
  },
  gradient: (graph, { inputs: [x] }, [d]) => [reshape(graph, d!, x!.shape)],
  words: () => [],
}

/** y[..., of new order] = x, as numpy: y's axis i is x's axis order[i]. @throws RangeError unless order names every axis once */
export function transpose(graph: Graph, x: Value, order: readonly number[]): Value {
  return graph.one(transposeOp, [x], { order })
}

export const transposeOp: Op<{ readonly order: readonly number[] }> = {
  name: 'transpose',
  code: 0x901,
  infer([x], { order }) {
    const rank = x!.shape.length
    if (rank > 8 || order.length !== rank || x!.shape.some((_, axis) => !order.includes(axis)))
      throw new RangeError(`transpose: expected an order of the ${rank} axes (at most 8) of [${x!.shape}], received [${order}]`)
    return [{ shape: order.map((axis) => x!.shape[axis]!) }]
  },
  gradient: (graph, { attributes: { order } }, [d]) => [
    transpose(
      graph,
      d!,
      order.map((_, axis) => order.indexOf(axis)),
    ),
  ],
  words({ inputs: [x], outputs: [y], attributes: { order } }, { at }) {
    const strides = x!.shape.map((_, axis) => sizeOf(x!.shape.slice(axis + 1)))
    return [at(x!), at(y!), order.length, ...y!.shape, ...order.map((axis) => strides[axis]!)]
  },
}

/** Values one after the other along an axis. @throws RangeError unless all other extents are equal */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  return graph.one(concatOp, values, { axis })
}

export const concatOp: Op<{ readonly axis: number }> = {
  name: 'concat',
  code: 0x902,
  infer(values, { axis }) {
    const first = values[0]
    if (!first || !(Number.isInteger(axis) && axis >= 0 && axis < first.shape.length))
      throw new RangeError(`concat: expected an axis of [${first?.shape ?? ''}], received ${axis}`)
    for (const { shape } of values)
      if (shape.length !== first.shape.length || shape.some((extent, i) => i !== axis && extent !== first.shape[i]))
        throw new RangeError(`concat: expected [${first.shape}] but for axis ${axis}, received [${shape}]`)
    const extent = values.reduce((sum, { shape }) => sum + shape[axis]!, 0)
    return [{ shape: first.shape.map((other, i) => (i === axis ? extent : other)) }]
  },
  gradient(graph, { inputs, attributes: { axis } }, [d]) {
    let from = 0
    return inputs.map(({ shape }) => {
      const part = slice(graph, d!, { axis, from, to: from + shape[axis]! })
      from += shape[axis]!
      return part
    })
  },
  words({ inputs, outputs: [y], attributes: { axis } }, { at }) {
    const run = (value: Value) => sizeOf(value.shape.slice(axis))
    return [sizeOf(y!.shape.slice(0, axis)), run(y!), at(y!), inputs.length, ...inputs.flatMap((value) => [at(value), run(value)])]
  },
}

export type SliceAttributes = { readonly axis: number; readonly from: number; readonly to: number }

/** The part [from, to) of an axis. @throws RangeError if it is empty or outside */
export function slice(graph: Graph, x: Value, attributes: SliceAttributes): Value {
  return graph.one(sliceOp, [x], attributes)
}

export const sliceOp: Op<SliceAttributes> = {
  name: 'slice',
  code: 0x903,
  infer([x], { axis, from, to }) {
    const extent = x!.shape[axis]
    if (extent === undefined || !(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= extent))
      throw new RangeError(`slice: expected a part of axis ${axis} of [${x!.shape}], received [${from}, ${to})`)
    return [{ shape: x!.shape.map((other, i) => (i === axis ? to - from : other)) }]
  },
  gradient: (graph, { inputs: [x], attributes: { axis, from } }, [d]) => [
    graph.one(padOp, [d!], { axis, before: from, extent: x!.shape[axis]! }),
  ],
  words({ inputs: [x], outputs: [y], attributes: { axis, from } }, { at }) {
    const inner = sizeOf(x!.shape.slice(axis + 1))
    return [sizeOf(x!.shape.slice(0, axis)), at(x!), x!.shape[axis]! * inner, from * inner, at(y!), y!.shape[axis]! * inner]
  },
}

/** x between zeros along an axis: `before` of them, then x, then as many as give `extent`. */
export const padOp: Op<{ readonly axis: number; readonly before: number; readonly extent: number }> = {
  name: 'pad',
  code: 0x904,
  infer: ([x], { axis, extent }) => [{ shape: x!.shape.map((other, i) => (i === axis ? extent : other)) }],
  gradient: (graph, { inputs: [x], attributes: { axis, before } }, [d]) => [
    slice(graph, d!, { axis, from: before, to: before + x!.shape[axis]! }),
  ],
  words({ inputs: [x], outputs: [y], attributes: { axis, before } }, { at }) {
    const inner = sizeOf(x!.shape.slice(axis + 1))
    return [sizeOf(x!.shape.slice(0, axis)), at(x!), x!.shape[axis]! * inner, at(y!), y!.shape[axis]! * inner, before * inner]
  },
}
