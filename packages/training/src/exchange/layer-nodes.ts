/**
 * The ONNX nodes of each layer, with operands instead of names.
 *
 * The writer gives them names; the reader compares them with the nodes of a file. So a layer of several nodes has one description.
 */
import { type Activation, type LayerSpec, windowOf } from '@pouw/primitives'
import { ATTRIBUTE, type OnnxAttribute, type OnnxTensor, TYPE } from './onnx-messages.ts'
import { floatTensor, intTensor, rawTensor } from './onnx-tensor.ts'

export type Operand =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'node'; readonly node: number; readonly output: number }
  /** A parameter of the layer, or of an embedding that it is tied to; stored with these dimensions, or as the transpose of its own. */
  | {
      readonly kind: 'parameter'
      readonly part: string
      readonly table?: string
      readonly dims: readonly number[]
      readonly transposed?: boolean
    }
  | { readonly kind: 'state'; readonly part: string; readonly dims: readonly number[] }
  /** Named by its numbers, which are made when they are wanted: some are large. */
  | { readonly kind: 'constant'; readonly name: string; readonly tensor: () => OnnxTensor }

export interface LayerNode {
  readonly opType: string
  readonly inputs: readonly Operand[]
  readonly attributes: readonly OnnxAttribute[]
  readonly outputs: number
}

type Shape = readonly number[]
type Layer<T> = Extract<LayerSpec, { readonly type?: T }>

const blank = { floats: [], ints: [], strings: [] }
const int = (name: string, i: number): OnnxAttribute => ({ ...blank, name, i, type: ATTRIBUTE.int })
const ints = (name: string, values: Shape): OnnxAttribute => ({ ...blank, name, ints: values, type: ATTRIBUTE.ints })
const float = (name: string, f: number): OnnxAttribute => ({ ...blank, name, f: Math.fround(f), type: ATTRIBUTE.float })
const text = (name: string, s: string): OnnxAttribute => ({ ...blank, name, s: new TextEncoder().encode(s), type: ATTRIBUTE.string })

const whole = (values: Shape | number): Operand => ({ kind: 'constant', name: `ints ${values}`, tensor: () => intTensor(values) })
export const floats = (dims: Shape, value: number): Operand => {
  const size = dims.reduce((all, extent) => all * extent, 1)
  return { kind: 'constant', name: `floats [${dims}] ${value}`, tensor: () => floatTensor(dims, new Float32Array(size).fill(value)) }
}
const parameter = (part: string, dims: Shape, transposed = false): Operand => ({ kind: 'parameter', part, dims, transposed })
const state = (part: string, dims: Shape): Operand => ({ kind: 'state', part, dims })
const input: Operand = { kind: 'input', index: 0 }

/** Nodes in the order in which they are computed; the first output of the last one is the layer's. @throws RangeError for a layer that has no operation */
export function layerNodes(layer: LayerSpec, shapes: readonly Shape[]): readonly LayerNode[] {
  const nodes: LayerNode[] = []
  const node = (opType: string, inputs: readonly Operand[], attributes: readonly OnnxAttribute[] = [], outputs = 1): Operand => {
    nodes.push({ opType, inputs, attributes, outputs })
    return { kind: 'node', node: nodes.length - 1, output: 0 }
  }
  append(node, layer, shapes)
  return nodes
}

type Append = (opType: string, inputs: readonly Operand[], attributes?: readonly OnnxAttribute[], outputs?: number) => Operand

function append(node: Append, layer: LayerSpec, shapes: readonly Shape[]): void {
  const x = shapes[0]!
  const channels = x[0]!
  const width = x.at(-1)!
  switch (layer.type) {
    case undefined:
    case 'dense':
      activate(node, dense(node, layer, x), layer.activation ?? 'identity')
      return
    case 'conv2d': {
      const { kernel, stride, dilation, padding } = windowOf(x[1]!, x[2]!, layer)
      const { filters, groups = 1, bias = true } = layer
      const weight = parameter('weight', [filters, channels / groups, ...kernel])
      const attributes = [
        ints('dilations', dilation),
        int('group', groups),
        ints('kernel_shape', kernel),
        ints('pads', padding),
        ints('strides', stride),
      ]
      const y = node('Conv', [input, weight, ...(bias ? [parameter('bias', [filters])] : [])], attributes)
      activate(node, y, layer.activation ?? 'identity')
      return
    }
    case 'max-pool':
    case 'average-pool': {
      const { kernel, stride, padding } = windowOf(x[1]!, x[2]!, { ...layer, stride: layer.stride ?? layer.kernel })
      const attributes = [ints('kernel_shape', kernel), ints('pads', padding), ints('strides', stride)]
      if (layer.type === 'max-pool') node('MaxPool', [input], attributes)
      else node('AveragePool', [input], [int('count_include_pad', 0), ...attributes])
      return
    }
    case 'global-average-pool':
    case 'global-max-pool':
      node('Flatten', [node(layer.type === 'global-max-pool' ? 'GlobalMaxPool' : 'GlobalAveragePool', [input])], [int('axis', 1)])
      return
    case 'batch-norm': {
      const { epsilon = 1e-5, momentum = 0.1 } = layer
      const affine = [parameter('weight', [channels]), parameter('bias', [channels])]
      const statistics = [state('running-mean', [channels]), state('running-variance', [channels])]
      node('BatchNormalization', [input, ...affine, ...statistics], [float('epsilon', epsilon), float('momentum', 1 - momentum)])
      return
    }
    case 'layer-norm':
      node(
        'LayerNormalization',
        [input, parameter('weight', [width]), parameter('bias', [width])],
        [int('axis', -1), float('epsilon', layer.epsilon ?? 1e-5)],
      )
      return
    case 'instance-norm':
      node(
        'InstanceNormalization',
        [input, parameter('weight', [channels]), parameter('bias', [channels])],
        [float('epsilon', layer.epsilon ?? 1e-5)],
      )
      return
    case 'group-norm': {
      const { groups, epsilon = 1e-5 } = layer
      const grouped = node('Reshape', [input, whole([0, groups, -1])])
      const normed = node('InstanceNormalization', [grouped, floats([groups], 1), floats([groups], 0)], [float('epsilon', epsilon)])
      const dims = [channels, ...x.slice(1).map(() => 1)]
      const scaled = node('Mul', [node('Reshape', [normed, whole([0, ...x])]), parameter('weight', dims)])
      node('Add', [scaled, parameter('bias', dims)])
      return
    }
    case 'rms-norm': {
      const mean = node('ReduceMean', [node('Mul', [input, input]), whole([-1])])
      const root = node('Sqrt', [node('Add', [mean, floats([], Math.fround(layer.epsilon ?? 1e-5))])])
      node('Mul', [node('Div', [input, root]), parameter('weight', [width])])
      return
    }
    case 'dropout':
      node('Dropout', [input, floats([], Math.fround(layer.rate))])
      return
    case 'embedding':
      node('Gather', [parameter('weight', [layer.vocabulary, layer.width]), input])
      return
    case 'position':
      node('Add', [input, parameter(layer.kind === 'sinusoidal' ? 'sinusoids' : 'weight', x)])
      return
    case 'class-token': {
      // One row for each sample: its count is known when the model runs.
      const rows = node('Concat', [node('Shape', [input], [int('end', 1), int('start', 0)]), whole([1, width])], [int('axis', 0)])
      node('Concat', [node('Expand', [parameter('weight', [1, width]), rows]), input], [int('axis', 1)])
      return
    }
    case 'attention':
      attention(node, layer, x)
      return
    case 'add':
      node(shapes.length === 2 ? 'Add' : 'Sum', allInputs(shapes))
      return
    case 'multiply':
      allInputs(shapes).reduce((product, other) => node('Mul', [product, other]))
      return
    case 'concat':
      node('Concat', allInputs(shapes), [int('axis', layer.axis + 1)])
      return
    case 'slice':
      node('Slice', [input, whole([layer.start]), whole([layer.end]), whole([layer.axis + 1])])
      return
    case 'reshape':
      node('Reshape', [input, whole([0, ...layer.shape])])
      return
    case 'flatten':
      node('Flatten', [input], [int('axis', 1)])
      return
    case 'transpose':
      node('Transpose', [input], [ints('perm', [0, ...layer.order.map((axis) => axis + 1)])])
      return
    case 'leaky-relu':
      node('LeakyRelu', [input], [float('alpha', layer.slope ?? 0.01)])
      return
    default:
      activate(node, input, layer.type)
  }
}

const allInputs = (shapes: readonly Shape[]): Operand[] => shapes.map((_, index) => ({ kind: 'input', index }))

function dense(node: Append, { nodes, bias = true, tied }: Layer<'dense'>, x: Shape): Operand {
  const width = x.at(-1)!
  const table: Operand | undefined =
    tied === undefined ? undefined : { kind: 'parameter', part: 'weight', table: tied, dims: [nodes, width] }
  // The operator for matrices alone takes the weight as it is.
  if (x.length === 1)
    return node(
      'Gemm',
      [input, table ?? parameter('weight', [nodes, width]), ...(bias ? [parameter('bias', [nodes])] : [])],
      [int('transB', 1)],
    )
  const turned = table ? node('Transpose', [table], [ints('perm', [1, 0])]) : parameter('weight', [width, nodes], true)
  return affine(node, input, turned, bias ? parameter('bias', [nodes]) : undefined)
}

function affine(node: Append, x: Operand, weight: Operand, bias: Operand | undefined): Operand {
  const product = node('MatMul', [x, weight])
  return bias ? node('Add', [product, bias]) : product
}

function attention(node: Append, { heads, causal = false, bias = true }: Layer<'attention'>, [time, width]: Shape): void {
  const depth = width! / heads
  const qkv = affine(node, input, parameter('in.weight', [width!, 3 * width!], true), bias ? parameter('in.bias', [3 * width!]) : undefined)
  const split = node('Split', [qkv], [int('axis', 2), int('num_outputs', 3)], 3) as Operand & { readonly kind: 'node' }
  const head = (output: number, perm: Shape) =>
    node('Transpose', [node('Reshape', [{ ...split, output }, whole([0, time!, heads, depth])])], [ints('perm', perm)])
  const q = head(0, [0, 2, 1, 3])
  const k = head(1, [0, 2, 3, 1])
  const v = head(2, [0, 2, 1, 3])
  const scale = floats([], Math.fround(1 / Math.fround(Math.sqrt(depth))))
  const scores = node('Mul', [node('MatMul', [q, k]), scale])
  const seen = causal ? node('Where', [causalMask(time!), scores, floats([], Number.NEGATIVE_INFINITY)]) : scores
  const mixed = node('MatMul', [node('Softmax', [seen], [int('axis', -1)]), v])
  const rows = node('Reshape', [node('Transpose', [mixed], [ints('perm', [0, 2, 1, 3])]), whole([0, time!, width!])])
  affine(node, rows, parameter('out.weight', [width!, width!], true), bias ? parameter('out.bias', [width!]) : undefined)
}

/** bool [time, time]: a row sees itself and those before it. */
function causalMask(time: number): Operand {
  const tensor = () => {
    const seen = new Uint8Array(time * time)
    for (let row = 0; row < time; row++) seen.fill(1, row * time, row * time + row + 1)
    return rawTensor([time, time], TYPE.bool, seen)
  }
  return { kind: 'constant', name: `causal ${time}`, tensor }
}

function activate(node: Append, x: Operand, activation: Activation): void {
  switch (activation) {
    case 'identity':
      return
    case 'relu':
      node('Relu', [x])
      return
    case 'leaky-relu':
      node('LeakyRelu', [x], [float('alpha', 0.01)])
      return
    case 'gelu':
      node('Gelu', [x], [text('approximate', 'tanh')])
      return
    case 'silu':
      node('Mul', [x, node('Sigmoid', [x])])
      return
    case 'tanh':
      node('Tanh', [x])
      return
    case 'sigmoid':
      node('Sigmoid', [x])
      return
    case 'softmax':
      node('Softmax', [x], [int('axis', -1)])
      return
    default:
      throw new RangeError(`expected a known activation, received ${String(activation satisfies never)}`)
  }
}
