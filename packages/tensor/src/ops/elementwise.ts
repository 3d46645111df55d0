import { expectShape, floatBits, type Graph, type Op, type Shape, sizeOf, type Value } from '../graph/graph.ts'
import { reshape } from './movement.ts'
import { columnSums } from './reductions.ts'
import { expectDType } from './rows.ts'

/** c = fl(a + b), equal shapes. */
export function add(graph: Graph, a: Value, b: Value): Value {
  return graph.one(addOp, [a, b], {})
}

/** c = fl(a - b), equal shapes. */
export function subtract(graph: Graph, a: Value, b: Value): Value {
  return graph.one(subtractOp, [a, b], {})
}

/** c = fl(a b), equal shapes. */
export function multiply(graph: Graph, a: Value, b: Value): Value {
  return graph.one(multiplyOp, [a, b], {})
}

/** fl(x factor), factor rounded to binary32. @throws RangeError unless it is finite */
export function scaleBy(graph: Graph, x: Value, factor: number): Value {
  return graph.one(scaleOp, [x], { factor })
}

/** Bytes to numbers: fl(u8 factor), once for each. @throws RangeError unless x is u8 and the factor finite */
export function scaleBytes(graph: Graph, x: Value, factor: number): Value {
  return graph.one(scaleBytesOp, [x], { factor })
}

export interface BiasOptions {
  /** relu in the same pass, with the bits of a separate one. Default identity. */
  readonly activation?: 'identity' | 'relu'
}

/**
 * fl(x + b) where b's shape is the end of x's: a bias of nodes, a row for every position of a sequence. The gradient of b sums the leading axes:
 * rows in chunks of 256, each ascending from +0, chunk sums added ascending.
 *
 * @throws RangeError if b's shape is not the end of x's
 */
export function addBias(graph: Graph, x: Value, b: Value, { activation = 'identity' }: BiasOptions = {}): Value {
  return graph.one(addBiasOp, [x, b], { relu: activation === 'relu' })
}

/**
 * fl(x + b) for x [images, channels, ...] and b [channels]. The gradient of b sums positions by 16 lanes, then images in chunks of 256.
 *
 * @throws RangeError unless b has one number for each channel
 */
export function addChannelBias(graph: Graph, x: Value, b: Value, { activation = 'identity' }: BiasOptions = {}): Value {
  return graph.one(addChannelBiasOp, [x, b], { relu: activation === 'relu' })
}

const bothInPlace = [
  [0, 0],
  [0, 1],
] as const

function pair(name: string, code: number, gradient: Op['gradient']): Op {
  return {
    name,
    code,
    infer([a, b]) {
      expectDType(name, a!, 'f32')
      expectShape(`${name}: second operand`, b!, a!.shape)
      return [{ shape: a!.shape }]
    },
    gradient,
    words: ({ inputs: [a, b], outputs: [c] }, { at }) => [sizeOf(c!.shape), at(a!), at(b!), at(c!)],
    inPlace: bothInPlace,
  }
}

export const addOp: Op = pair('add', 0x301, (_graph, _node, [d]) => [d, d])
export const subtractOp: Op = pair('subtract', 0x302, (graph, _node, [d]) => [d, scaleBy(graph, d!, -1)])
export const multiplyOp: Op = pair('multiply', 0x303, (graph, { inputs: [a, b] }, [d]) => [
  multiply(graph, d!, b!),
  multiply(graph, d!, a!),
])

type Factor = { readonly factor: number }

export const scaleOp: Op<Factor> = {
  name: 'scale',
  code: 0x308,
  infer([x], { factor }) {
    expectDType('scale', x!, 'f32')
    expectFinite('scale: factor', factor)
    return [{ shape: x!.shape }]
  },
  gradient: (graph, { attributes: { factor } }, [d]) => [scaleBy(graph, d!, factor)],
  words: ({ inputs: [x], outputs: [y], attributes: { factor } }, { at }) => [sizeOf(y!.shape), at(x!), at(y!), floatBits(factor)],
  inPlace: [[0, 0]],
}

export const scaleBytesOp: Op<Factor> = {
  name: 'scale bytes',
  code: 0x307,
  infer([x], { factor }) {
    expectDType('scale bytes', x!, 'u8')
    expectFinite('scale bytes: factor', factor)
    return [{ shape: x!.shape }]
  },
  words: ({ inputs: [x], outputs: [y], attributes: { factor } }, { at }) => [sizeOf(y!.shape), at(x!), at(y!), floatBits(factor)],
}

type BiasAttributes = { readonly relu: boolean }

export const addBiasOp: Op<BiasAttributes> = {
  name: 'bias',
  code: 0x304,
  infer([x, b]) {
    expectDType('bias', x!, 'f32')
    expectShape('bias', b!, b!.shape.length > x!.shape.length ? x!.shape : x!.shape.slice(x!.shape.length - b!.shape.length))
    return [{ shape: x!.shape }]
  },
  gradient(graph, { inputs: [, b], outputs: [y], attributes: { relu } }, [d]) {
    const inner = relu ? graph.one(reluBackwardOp, [d!, y!], { slope: 0 }) : d!
    const columns = sizeOf(b!.shape)
    const sums = columnSums(graph, reshape(graph, inner, [sizeOf(inner.shape) / columns, columns]))
    return [inner, reshape(graph, sums, b!.shape)]
  },
  words({ inputs: [x, b], outputs: [y], attributes: { relu } }, { at }) {
    const columns = sizeOf(b!.shape)
    return [sizeOf(x!.shape) / columns, columns, at(x!), at(b!), at(y!), relu ? 1 : 0]
  },
  inPlace: [[0, 0]],
}

export const addChannelBiasOp: Op<BiasAttributes> = {
  name: 'channel bias',
  code: 0x305,
  infer([x, b]) {
    expectDType('channel bias', x!, 'f32')
    if (x!.shape.length < 2) throw new RangeError(`channel bias: expected shape [images, channels, ...], received [${x!.shape}]`)
    expectShape('channel bias', b!, [x!.shape[1]!])
    return [{ shape: x!.shape }]
  },
  gradient(graph, { outputs: [y], attributes: { relu } }, [d]) {
    const inner = relu ? graph.one(reluBackwardOp, [d!, y!], { slope: 0 }) : d!
    return [inner, graph.one(channelSumsOp, [inner], {})]
  },
  words: ({ inputs: [x, b], outputs: [y], attributes: { relu } }, { at }) => [...images(x!.shape), at(x!), at(b!), at(y!), relu ? 1 : 0],
  inPlace: [[0, 0]],
}

/** f32 [images, channels, ...] to [channels]. */
export const channelSumsOp: Op = {
  name: 'channel sums',
  code: 0x306,
  infer: ([x]) => [{ shape: [x!.shape[1]!] }],
  words: ({ inputs: [x], outputs: [y] }, { at }) => [...images(x!.shape), at(x!), at(y!)],
}

/** The backward pass of relu (slope 0) and leaky relu, from the output: y > 0 ? d : fl(slope d), +0 for relu. */
export const reluBackwardOp: Op<{ readonly slope: number }> = {
  name: 'relu backward',
  code: 0x311,
  infer([d, y]) {
    expectShape('relu backward', y!, d!.shape)
    return [{ shape: d!.shape }]
  },
  words: ({ inputs: [d, y], outputs: [dx], attributes: { slope } }, { at }) => [
    sizeOf(dx!.shape),
    at(d!),
    at(y!),
    at(dx!),
    floatBits(slope),
  ],
  inPlace: bothInPlace,
}

function images([images, channels, ...positions]: Shape): readonly number[] {
  return [images!, channels!, sizeOf(positions)]
}

function expectFinite(what: string, value: number): void {
  if (!Number.isFinite(Math.fround(value))) throw new RangeError(`${what}: expected a finite binary32 number, received ${value}`)
}
