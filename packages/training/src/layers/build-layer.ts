import { type Activation, type LayerSpec, windowOf } from '@pouw/primitives'
import {
  add,
  addBias,
  addChannelBias,
  attention,
  averagePool,
  batchNorm,
  concat,
  conv2d,
  dropout,
  embedding,
  flatten,
  type Graph,
  gelu,
  globalAveragePool,
  globalMaxPool,
  groupNorm,
  instanceNorm,
  layerNorm,
  leakyRelu,
  matmul,
  maxPool,
  multiply,
  relu,
  reshape,
  rmsNorm,
  sigmoid,
  silu,
  slice,
  softmax,
  tanh,
  transpose,
  type Value,
} from '@pouw/tensor'

/** What a layer works with; shapes have the batch in front. */
export interface LayerParts {
  readonly inputs: readonly Value[]
  readonly parameters: readonly Value[]
  readonly states: readonly Value[]
  /** Statistics of the batch and dropout, or running statistics and none. */
  readonly training: boolean
  /** Position of the layer, which numbers its stream of dropout. */
  readonly position: number
  /** i32 [rows, 1] of zeros, as a row number of a table of one row. */
  zeros(): Value
  /** Table of an earlier embedding. */
  table(id: string): Value
}

/** Appends one layer's nodes. @throws RangeError for a type that has no operation */
export function buildLayer(graph: Graph, layer: LayerSpec, parts: LayerParts): Value {
  const { inputs, parameters, states, training, position } = parts
  const x = inputs[0]!
  switch (layer.type) {
    case undefined:
    case 'dense': {
      const weight = layer.tied === undefined ? parameters[0]! : parts.table(layer.tied)
      const width = x.shape.at(-1)!
      const rows = x.shape.length === 2 ? x : reshape(graph, x, [-1, width])
      const y = biased(
        graph,
        matmul(graph, rows, weight),
        layer.tied === undefined ? parameters[1] : parameters[0],
        training,
        layer.activation,
      )
      return x.shape.length === 2 ? y : reshape(graph, y, [...x.shape.slice(0, -1), layer.nodes])
    }
    case 'conv2d': {
      const [, , height, width] = x.shape
      const { stride, padding, dilation } = windowOf(height!, width!, layer)
      const { groups = 1, activation = 'identity' } = layer
      const y = conv2d(graph, x, parameters[0]!, { stride, padding, dilation, groups })
      const bias = parameters[1]
      if (bias && activation === 'relu') return addChannelBias(graph, y, bias, { activation })
      return activate(graph, bias ? addChannelBias(graph, y, bias) : y, training, activation)
    }
    case 'max-pool':
    case 'average-pool': {
      const [, , height, width] = x.shape
      const { kernel, stride, padding } = windowOf(height!, width!, { ...layer, stride: layer.stride ?? layer.kernel })
      return (layer.type === 'max-pool' ? maxPool : averagePool)(graph, x, { kernel, stride, padding })
    }
    case 'global-average-pool':
      return globalAveragePool(graph, x)
    case 'global-max-pool':
      return globalMaxPool(graph, x)
    case 'attention': {
      const { heads, causal = false, bias = true } = layer
      const [, time, width] = x.shape
      const [inWeight, inBias, outWeight, outBias] = bias ? parameters : [parameters[0], undefined, parameters[1], undefined]
      const rows = reshape(graph, x, [-1, width!])
      const qkv = biased(graph, matmul(graph, rows, inWeight!), inBias, training)
      const mixed = attention(graph, reshape(graph, qkv, [-1, time!, 3 * width!]), { heads, causal })
      return reshape(graph, biased(graph, matmul(graph, reshape(graph, mixed, [-1, width!]), outWeight!), outBias, training), x.shape)
    }
    case 'batch-norm': {
      const { epsilon = 1e-5, momentum = 0.1 } = layer
      return batchNorm(graph, x, parameters[0], parameters[1], states[0]!, states[1]!, { epsilon, momentum, training })
    }
    case 'layer-norm':
      return layerNorm(graph, x, parameters[0], parameters[1], { epsilon: layer.epsilon ?? 1e-5 })
    case 'rms-norm':
      return rmsNorm(graph, x, parameters[0], { epsilon: layer.epsilon ?? 1e-5 })
    case 'instance-norm':
      return instanceNorm(graph, x, parameters[0], parameters[1], { epsilon: layer.epsilon ?? 1e-5 })
    case 'group-norm':
      return groupNorm(graph, x, parameters[0], parameters[1], { groups: layer.groups, epsilon: layer.epsilon ?? 1e-5 })
    case 'dropout':
      return training && layer.rate > 0 ? dropout(graph, x, graph.key(), { rate: layer.rate, tensor: position }) : x
    case 'embedding':
      return embedding(graph, parameters[0]!, x)
    case 'position': {
      const table = layer.kind === 'sinusoidal' ? states[0]! : parameters[0]!
      // One row of all positions, so that a bias of that width adds them.
      const sum = addBias(graph, flatten(graph, x), reshape(graph, table, [-1]))
      return reshape(graph, sum, x.shape)
    }
    case 'class-token':
      return concat(graph, [embedding(graph, parameters[0]!, parts.zeros()), x], 1)
    case 'add':
      return inputs.slice(1).reduce((sum, other) => add(graph, sum, other), x)
    case 'multiply':
      return inputs.slice(1).reduce((product, other) => multiply(graph, product, other), x)
    case 'concat':
      return concat(graph, inputs, layer.axis + 1)
    case 'slice':
      return slice(graph, x, { axis: layer.axis + 1, from: layer.start, to: layer.end })
    case 'reshape':
      return reshape(graph, x, [x.shape[0]!, ...layer.shape])
    case 'flatten':
      return flatten(graph, x)
    case 'transpose':
      return transpose(graph, x, [0, ...layer.order.map((axis) => axis + 1)])
    case 'leaky-relu':
      return leakyRelu(graph, x, layer.slope ?? 0.01)
    case 'relu':
    case 'gelu':
    case 'silu':
    case 'tanh':
    case 'sigmoid':
    case 'softmax':
      return activate(graph, x, training, layer.type)
    default:
      throw new RangeError(`expected a known type of layer, received ${String((layer as { readonly type: unknown }).type)}`)
  }
}

function biased(graph: Graph, x: Value, bias: Value | undefined, training: boolean, activation: Activation = 'identity'): Value {
  // The bias of relu takes both in one pass.
  if (bias && activation === 'relu') return addBias(graph, x, bias, { activation })
  return activate(graph, bias ? addBias(graph, x, bias) : x, training, activation)
}

function activate(graph: Graph, x: Value, training: boolean, activation: Activation): Value {
  switch (activation) {
    case 'identity':
      return x
    case 'relu':
      return relu(graph, x)
    case 'leaky-relu':
      return leakyRelu(graph, x, 0.01)
    case 'softmax':
      return softmax(graph, x)
    case 'gelu':
      return gelu(graph, x, { training })
    case 'silu':
      return silu(graph, x, { training })
    case 'tanh':
      return tanh(graph, x)
    case 'sigmoid':
      return sigmoid(graph, x)
    default:
      throw new RangeError(`expected a known activation, received ${String(activation satisfies never)}`)
  }
}
