import type { Activation, LayerSpec } from './spec.ts'
import { windowOf } from './window.ts'

type Shape = readonly number[]
type NamedShape = readonly [name: string, shape: Shape]

export interface LayerShapes {
  readonly shape: Shape
  readonly parameters?: readonly NamedShape[]
  readonly states?: readonly NamedShape[]
  /** Multiply-adds of one sample in matrix products. */
  readonly products?: number
}

const ACTIVATIONS: readonly Activation[] = ['identity', 'relu', 'leaky-relu', 'gelu', 'silu', 'tanh', 'sigmoid', 'softmax']

type Of<T> = Extract<LayerSpec, { readonly type?: T }>

/** Shapes of one layer; `tokens` says which inputs are whole numbers. @throws RangeError "expected ..., received ..." */
export function declareLayer(
  layer: LayerSpec,
  inputs: readonly Shape[],
  tokens: readonly boolean[],
  earlier: ReadonlyMap<string, LayerSpec>,
): LayerShapes {
  const type = layer.type ?? 'dense'
  const several = type === 'add' || type === 'multiply' || type === 'concat'
  if (several ? inputs.length < 2 : inputs.length !== 1)
    throw new RangeError(`${type}: expected ${several ? 'two inputs or more' : 'one input'}, received ${inputs.length}`)
  if (type !== 'embedding' && tokens.includes(true)) throw new RangeError(`${type}: expected numbers, received tokens`)
  if ('activation' in layer && layer.activation !== undefined && !ACTIVATIONS.includes(layer.activation))
    throw new RangeError(`${type}: activation: expected one of ${ACTIVATIONS.join(', ')}, received ${String(layer.activation)}`)
  const x = inputs[0]!
  switch (layer.type) {
    case undefined:
    case 'dense':
      return dense(layer, x, earlier)
    case 'conv2d':
      return conv2d(layer, x)
    case 'max-pool':
    case 'average-pool': {
      const [channels, height, width] = image(type, x)
      const { kernel, stride = kernel, padding } = layer
      return { shape: [channels, ...windowOf(height, width, { kernel, stride, padding }).places] }
    }
    case 'global-average-pool':
    case 'global-max-pool':
      return { shape: [image(type, x)[0]] }
    case 'batch-norm': {
      const channels = x[0]!
      return {
        shape: x,
        parameters: affine(channels),
        states: [
          ['running-mean', [channels]],
          ['running-variance', [channels]],
        ],
      }
    }
    case 'layer-norm':
      return { shape: x, parameters: affine(x.at(-1)!) }
    case 'rms-norm':
      return { shape: x, parameters: [['weight', [x.at(-1)!]]] }
    case 'instance-norm':
      return { shape: x, parameters: affine(x[0]!) }
    case 'group-norm':
      whole('group-norm: groups', layer.groups, 1)
      if (x[0]! % layer.groups !== 0)
        throw new RangeError(`group-norm: expected channels in ${layer.groups} equal groups, received ${x[0]}`)
      return { shape: x, parameters: affine(x[0]!) }
    case 'dropout':
      if (!(layer.rate >= 0 && layer.rate < 1)) throw new RangeError(`dropout: expected a rate from 0 to below 1, received ${layer.rate}`)
      return { shape: x }
    case 'embedding':
      if (!tokens[0]) throw new RangeError(`embedding: expected the tokens of the input, received numbers [${x}]`)
      return { shape: [...x, layer.width], parameters: [['weight', [layer.vocabulary, layer.width]]] }
    case 'position': {
      sequence('position', x)
      return layer.kind === 'sinusoidal' ? { shape: x, states: [['sinusoids', x]] } : { shape: x, parameters: [['weight', x]] }
    }
    case 'class-token': {
      const [time, width] = sequence('class-token', x)
      return { shape: [time + 1, width], parameters: [['weight', [1, width]]] }
    }
    case 'attention': {
      const [time, width] = sequence('attention', x)
      whole('attention: heads', layer.heads, 1)
      if (width % layer.heads !== 0) throw new RangeError(`attention: expected a width in ${layer.heads} equal heads, received ${width}`)
      return {
        shape: x,
        parameters: [...weights('in.', [3 * width, width], layer.bias), ...weights('out.', [width, width], layer.bias)],
        products: 4 * time * width * width + 2 * time * time * width,
      }
    }
    case 'add':
    case 'multiply':
      for (const other of inputs) if (!same(other, x)) throw new RangeError(`${type}: expected shape [${x}], received [${other}]`)
      return { shape: x }
    case 'concat':
      return { shape: joined(inputs, layer.axis) }
    case 'slice': {
      const { axis, start, end } = layer
      const extent = axisOf(x, axis)
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start || end > extent)
        throw new RangeError(`slice: expected 0 <= start < end <= ${extent}, received ${start} and ${end}`)
      return { shape: x.with(axis, end - start) }
    }
    case 'reshape':
      if (size(layer.shape) !== size(x))
        throw new RangeError(`reshape: expected ${size(x)} elements as in [${x}], received [${layer.shape}]`)
      return { shape: layer.shape }
    case 'flatten':
      return { shape: [size(x)] }
    case 'transpose':
      if (
        !same(
          layer.order.toSorted((a, b) => a - b),
          x.map((_, i) => i),
        )
      )
        throw new RangeError(`transpose: expected an order of all ${x.length} axes, received [${layer.order}]`)
      return { shape: layer.order.map((axis) => x[axis]!) }
    case 'relu':
    case 'gelu':
    case 'silu':
    case 'tanh':
    case 'sigmoid':
    case 'softmax':
    case 'leaky-relu':
      return { shape: x }
    default:
      throw new RangeError(`expected a known type of layer, received ${String((layer as { type: unknown }).type)}`)
  }
}

function dense({ nodes, bias, tied }: Of<'dense'>, x: Shape, earlier: ReadonlyMap<string, LayerSpec>): LayerShapes {
  whole('dense: nodes', nodes, 1)
  const inputs = x.at(-1)!
  const shape = [...x.slice(0, -1), nodes]
  const all = weights('', [nodes, inputs], bias)
  const products = size(shape) * inputs
  if (tied === undefined) return { shape, parameters: all, products }
  const table = earlier.get(tied)
  if (table?.type !== 'embedding') throw new RangeError(`dense: expected the id of an earlier embedding in tied, received ${tied}`)
  if (table.vocabulary !== nodes || table.width !== inputs)
    throw new RangeError(`dense: expected a tied table [${nodes}, ${inputs}], received [${table.vocabulary}, ${table.width}]`)
  return { shape, parameters: all.slice(1), products }
}

function conv2d(layer: Of<'conv2d'>, x: Shape): LayerShapes {
  const [channels, height, width] = image('conv2d', x)
  const { filters, groups = 1 } = layer
  whole('conv2d: filters', filters, 1)
  whole('conv2d: groups', groups, 1)
  if (channels % groups !== 0 || filters % groups !== 0)
    throw new RangeError(`conv2d: expected channels and filters in ${groups} equal groups, received ${channels} and ${filters}`)
  const { kernel, places } = windowOf(height, width, layer)
  const weight = [filters, channels / groups, ...kernel]
  return {
    shape: [filters, ...places],
    parameters: weights('', weight, layer.bias),
    products: places[0] * places[1] * size(weight),
  }
}

function weights(prefix: string, shape: Shape, bias = true): NamedShape[] {
  const weight: NamedShape = [`${prefix}weight`, shape]
  return bias ? [weight, [`${prefix}bias`, [shape[0]!]]] : [weight]
}

function affine(width: number): NamedShape[] {
  return [
    ['weight', [width]],
    ['bias', [width]],
  ]
}

function joined(inputs: readonly Shape[], axis: number): Shape {
  const x = inputs[0]!
  axisOf(x, axis)
  for (const other of inputs)
    if (other.length !== x.length || !same(other.with(axis, x[axis]!), x))
      throw new RangeError(`concat: expected shapes that agree but for axis ${axis}, received [${x}] and [${other}]`)
  return x.with(
    axis,
    inputs.reduce((sum, shape) => sum + shape[axis]!, 0),
  )
}

function axisOf(x: Shape, axis: number): number {
  const extent = x[axis]
  if (extent === undefined) throw new RangeError(`expected an axis below ${x.length}, received ${axis}`)
  return extent
}

function image(type: string, x: Shape): readonly [number, number, number] {
  if (x.length !== 3) throw new RangeError(`${type}: expected an image [channels, height, width], received [${x}]`)
  return [x[0]!, x[1]!, x[2]!]
}

function sequence(type: string, x: Shape): readonly [number, number] {
  if (x.length !== 2) throw new RangeError(`${type}: expected a sequence [time, width], received [${x}]`)
  return [x[0]!, x[1]!]
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new RangeError(`${name}: expected a whole number from ${least}, received ${value}`)
}

const size = (shape: Shape) => shape.reduce((all, extent) => all * extent, 1)
const same = (a: Shape, b: Shape) => a.length === b.length && a.every((extent, i) => extent === b[i])
