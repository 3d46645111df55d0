import { type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { scaleBy } from './elementwise.ts'
import { reshape } from './movement.ts'
import { rowSums } from './reductions.ts'
import { expectDType } from './rows.ts'

export interface PoolingOptions {
  /** [vertical, horizontal] */
  readonly kernel: readonly [number, number]
  /** Default the kernel. */
  readonly stride?: readonly [number, number]
  /** [top, left, bottom, right], default 0; smaller than the kernel, so that every window sees the image. */
  readonly padding?: readonly [number, number, number, number]
}

/** Largest number of each window of x[images, channels, h, w]; the first of equals, NaN where there is one. @throws RangeError if nothing fits */
export function maxPool(graph: Graph, x: Value, options: PoolingOptions): Value {
  return graph.apply(maxPoolOp, [x], attributesOf(options))[0]!
}

/** Mean of each window's numbers inside the image: ascending from +0, then one division by their count. @throws RangeError if nothing fits */
export function averagePool(graph: Graph, x: Value, options: PoolingOptions): Value {
  return graph.one(averagePoolOp, [x], attributesOf(options))
}

/** Mean over all places, [images, channels]: sum by 16 lanes, times fl(1 / places). */
export function globalAveragePool(graph: Graph, x: Value): Value {
  const [images, channels, places] = planesOf('global average pool', x.shape)
  return scaleBy(graph, reshape(graph, rowSums(graph, reshape(graph, x, [images * channels, places])), [images, channels]), 1 / places)
}

/** Largest number of all places, [images, channels]. */
export function globalMaxPool(graph: Graph, x: Value): Value {
  const [images, channels] = planesOf('global max pool', x.shape)
  return reshape(graph, maxPool(graph, x, { kernel: [x.shape[2]!, x.shape[3]!] }), [images, channels])
}

type Attributes = { readonly kernel: readonly number[]; readonly stride: readonly number[]; readonly padding: readonly number[] }

function attributesOf({ kernel, stride = kernel, padding = [0, 0, 0, 0] }: PoolingOptions): Attributes {
  return { kernel, stride, padding }
}

export const maxPoolOp: Op<Attributes> = {
  name: 'max pool',
  code: 0x210,
  infer([x], attributes) {
    expectDType('max pool', x!, 'f32')
    const shape = outputOf('max pool', x!.shape, attributes)
    return [{ shape }, { shape, dtype: 'i32' }]
  },
  gradient: (graph, { inputs: [x], outputs: [, places] }, [d]) => [graph.one(maxPoolBackwardOp, [d!, places!], { shape: x!.shape })],
  words: ({ inputs: [x], outputs: [y, places], attributes }, { at }) => [
    ...sizes(x!.shape, y!.shape, attributes),
    at(x!),
    at(y!),
    at(places!),
  ],
}

const maxPoolBackwardOp: Op<{ readonly shape: Shape }> = {
  name: 'max pool backward',
  code: 0x211,
  infer: (_inputs, { shape }) => [{ shape }],
  words: ({ inputs: [d, places], outputs: [dx] }, { at }) => [
    dx!.shape[0]! * dx!.shape[1]!,
    dx!.shape[2]! * dx!.shape[3]!,
    d!.shape[2]! * d!.shape[3]!,
    at(d!),
    at(places!),
    at(dx!),
  ],
}

export const averagePoolOp: Op<Attributes> = {
  name: 'average pool',
  code: 0x212,
  infer([x], attributes) {
    expectDType('average pool', x!, 'f32')
    return [{ shape: outputOf('average pool', x!.shape, attributes) }]
  },
  gradient: (graph, { inputs: [x], attributes }, [d]) => [graph.one(averagePoolBackwardOp, [d!], { ...attributes, shape: x!.shape })],
  words: ({ inputs: [x], outputs: [y], attributes }, { at }) => [...sizes(x!.shape, y!.shape, attributes), at(x!), at(y!)],
}

const averagePoolBackwardOp: Op<Attributes & { readonly shape: Shape }> = {
  name: 'average pool backward',
  code: 0x213,
  infer: (_inputs, { shape }) => [{ shape }],
  words: ({ inputs: [d], outputs: [dx], attributes }, { at }) => [...sizes(dx!.shape, d!.shape, attributes), at(dx!), at(d!)],
}

function sizes(x: Shape, y: Shape, { kernel, stride, padding }: Attributes): readonly number[] {
  return [x[0]! * x[1]!, x[2]!, x[3]!, ...kernel, y[2]!, y[3]!, ...stride, padding[0]!, padding[1]!]
}

function outputOf(name: string, x: Shape, { kernel, stride, padding }: Attributes): Shape {
  planesOf(name, x)
  const places = [0, 1].map((axis) => {
    const [size, step, before, after] = [kernel[axis]!, stride[axis]!, padding[axis]!, padding[axis + 2]!]
    if (![size, step].every((n) => Number.isSafeInteger(n) && n > 0))
      throw new RangeError(`${name}: expected a positive kernel and stride, received ${size} and ${step}`)
    if (![before, after].every((n) => Number.isSafeInteger(n) && n >= 0 && n < size))
      throw new RangeError(`${name}: expected padding below the kernel's ${size}, received ${before} and ${after}`)
    const whole = x[2 + axis]! + before + after
    if (size > whole) throw new RangeError(`${name}: expected a kernel of at most ${whole}, received ${size}`)
    return Math.floor((whole - size) / step) + 1
  })
  return [x[0]!, x[1]!, ...places]
}

function planesOf(name: string, x: Shape): readonly [number, number, number] {
  if (x.length !== 4) throw new RangeError(`${name}: expected images [n, channels, h, w], received [${x}]`)
  return [x[0]!, x[1]!, sizeOf(x.slice(2))]
}
