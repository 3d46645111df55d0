/**
 * Layers of several nodes, found in a graph: a layer is guessed from its first nodes, and holds if the nodes that it would be written as are
 * the nodes that stand there.
 */
import { declareModel, type LayerSpec } from '@pouw/primitives'
import {
  activate,
  type Constant,
  type Data,
  decimalOf,
  dimsOf,
  floatOf,
  type GraphReader,
  joins,
  make,
  type NewLayer,
  oneLayer,
  type Part,
  type Shape,
  same,
  takesActivation,
} from './graph-reader.ts'
import { floats, type LayerNode, layerNodes, type Operand } from './layer-nodes.ts'
import type { OnnxAttribute, OnnxNode } from './onnx-messages.ts'
import { readFloats, readInts, sameTensor } from './onnx-tensor.ts'

/** Makes the layer whose nodes begin at the next one, and answers how many they are; 0 if there is none. */
export function matchLayer(reader: GraphReader): number {
  const { at } = reader
  const first = reader.nodes[at]!
  const x = reader.values.get(first.input[0] ?? '')
  if (x?.kind !== 'data' || x.tokens) return 0
  const layer = guess(reader, at, x)
  if (!layer || ('epsilon' in layer && !(layer.epsilon! > 0 && layer.epsilon! < Number.POSITIVE_INFINITY))) return 0
  const nodes = layer.type === 'layer-norm' ? normNodes(reader, x.shape, decimalOf(layer.epsilon!)) : expectedNodes(layer, x.shape)
  const parts = nodes && compare(reader, at, nodes)
  if (!nodes || !parts) return 0
  const last = reader.nodes[at + nodes.length - 1]!
  if (reader.ours && !oneLayer(first.name ?? '', last.name ?? '')) return 0
  if (layer.type !== 'silu' || !joinSilu(reader, first.input[0]!, x, last)) make(reader, last, layer, [x], parts)
  return nodes.length
}

/** The one activation of several nodes, which use what the layer before it answers twice. */
function joinSilu(reader: GraphReader, name: string, x: Data, last: OnnxNode): boolean {
  if (!x.made || !takesActivation(x.made) || !joins(reader, x, name, last, 2)) return false
  activate(reader, last, x, 'silu')
  return true
}

function expectedNodes(layer: NewLayer, shape: Shape): readonly LayerNode[] | undefined {
  const full = { ...layer, id: 'layer' } as LayerSpec
  try {
    declareModel({ input: { kind: 'features', shape }, layers: [full], loss: { type: 'mean-squared-error' } })
    return layerNodes(full, [shape])
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Every guess that makes a constant of the layer first looks whether the file has one of that size. */
function guess(reader: GraphReader, at: number, { shape }: Data): NewLayer | undefined {
  const { nodes } = reader
  const [first, second, third] = [nodes[at]!, nodes[at + 1], nodes[at + 2]]
  if (first.opType === 'Sigmoid' && second?.opType === 'Mul') return { type: 'silu' }
  if (first.opType === 'ReduceMean' && second?.opType === 'Sub') {
    const sum = nodes[at + 4]
    const epsilon = sum && constant(reader, sum, 1)
    return epsilon?.tensor.dims.length === 0
      ? tried(() => ({ type: 'layer-norm', epsilon: decimalOf(readFloats(epsilon.tensor)[0]!) }))
      : undefined
  }
  if (first.opType === 'Shape' && second?.opType === 'Concat') return { type: 'class-token' }
  if (first.opType === 'Mul' && second?.opType === 'ReduceMean' && third?.opType === 'Add') {
    const epsilon = constant(reader, third, 1)
    return epsilon?.tensor.dims.length === 0
      ? tried(() => ({ type: 'rms-norm', epsilon: decimalOf(readFloats(epsilon.tensor)[0]!) }))
      : undefined
  }
  if (first.opType === 'Reshape' && second?.opType === 'InstanceNormalization') {
    const groups = constant(reader, second, 1)?.tensor.dims[0]
    return groups === undefined ? undefined : { type: 'group-norm', groups, epsilon: floatOf(second, 'epsilon', 1e-5) }
  }
  const bias = second?.opType === 'Add'
  if (first.opType === 'MatMul' && nodes[at + (bias ? 2 : 1)]?.opType === 'Split') {
    const reshape = nodes[at + (bias ? 3 : 2)]
    const sizes = reshape && constant(reader, reshape, 1)
    const heads = sizes && tried(() => readInts(sizes.tensor)[2])
    const where = nodes.slice(at, at + 16).find(({ opType }) => opType === 'Where')
    if (heads === undefined) return undefined
    const time = shape[0]!
    if (where) {
      const seen = constant(reader, where, 0)
      if (!seen || !same(dimsOf(seen), [time, time])) return undefined
    }
    return { type: 'attention', heads, ...(where ? { causal: true } : {}), ...(bias ? {} : { bias: false }) }
  }
  return undefined
}

/** A layer norm as older files have it, which know no operator for it: (x - mean) / sqrt(mean((x - mean)^2) + epsilon). */
function normNodes({ nodes, at }: GraphReader, shape: Shape, epsilon: number): readonly LayerNode[] | undefined {
  const means = [nodes[at], nodes[at + 3]]
  for (const mean of means) {
    const { ints = [] } = mean?.attribute.find(({ name }) => name === 'axes') ?? {}
    const others = mean?.attribute.filter(({ name, i }) => name !== 'axes' && !(name === 'keepdims' && i === 1))
    if (!mean || ints.length !== 1 || (ints[0] !== -1 && ints[0] !== shape.length) || others?.length !== 0) return undefined
  }
  const node = (index: number): Operand => ({ kind: 'node', node: index, output: 0 })
  const one = (opType: string, inputs: readonly Operand[]): LayerNode => ({ opType, inputs, attributes: [], outputs: 1 })
  const mean = (of: Operand, like: OnnxNode): LayerNode => ({ opType: 'ReduceMean', inputs: [of], attributes: like.attribute, outputs: 1 })
  const x: Operand = { kind: 'input', index: 0 }
  const width = shape.slice(-1)
  return [
    mean(x, means[0]!),
    one('Sub', [x, node(0)]),
    one('Pow', [node(1), floats([], 2)]),
    mean(node(2), means[1]!),
    one('Add', [node(3), floats([], Math.fround(epsilon))]),
    one('Sqrt', [node(4)]),
    one('Div', [node(1), node(5)]),
    one('Mul', [node(6), { kind: 'parameter', part: 'weight', dims: width }]),
    one('Add', [node(7), { kind: 'parameter', part: 'bias', dims: width }]),
  ]
}

function constant(reader: GraphReader, node: OnnxNode, index: number): Constant | undefined {
  const value = reader.values.get(node.input[index] ?? '')
  return value?.kind === 'constant' ? value : undefined
}

function tried<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** The parameters of a layer, if the nodes from `at` on are these and nothing else uses what lies between them. */
function compare(reader: GraphReader, at: number, expected: readonly LayerNode[]): (readonly [string, Part])[] | undefined {
  const parts: [string, Part][] = []
  const x = reader.nodes[at]!.input[0]!
  const uses = new Map<string, number>()
  for (const [position, node] of expected.entries()) {
    const found = reader.nodes[at + position]
    if (!found || found.opType !== node.opType || (found.domain ?? '') !== '' || found.input.length !== node.inputs.length) return undefined
    if (found.output.length !== node.outputs || !sameAttributes(found.attribute, node.attributes)) return undefined
    for (const [index, operand] of node.inputs.entries()) {
      const name = found.input[index]!
      if (operand.kind === 'input' || operand.kind === 'node') {
        if (name !== (operand.kind === 'input' ? x : reader.nodes[at + operand.node]!.output[operand.output])) return undefined
        uses.set(name, (uses.get(name) ?? 0) + 1)
      } else {
        const part = partOf(reader, name, operand)
        if (!part) return undefined
        if (operand.kind === 'parameter') parts.push([operand.part, part])
      }
    }
  }
  for (let position = 0; position < expected.length - 1; position++)
    for (const name of reader.nodes[at + position]!.output) if (reader.uses.get(name) !== uses.get(name)) return undefined
  return parts
}

function partOf(reader: GraphReader, name: string, operand: Exclude<Operand, { readonly kind: 'input' | 'node' }>): Part | undefined {
  const value = reader.values.get(name)
  if (value?.kind !== 'constant') return undefined
  if (operand.kind === 'constant') return !value.transposed && isKnown(reader, value, operand) ? value : undefined
  if (!same(dimsOf(value), operand.dims)) return undefined
  return { tensor: value.tensor, transposed: value.transposed !== (operand.kind === 'parameter' && operand.transposed === true) }
}

/** Each constant is compared once with each that it might be: many nodes may share a large one. */
function isKnown(reader: GraphReader, { tensor }: Constant, operand: Operand & { readonly kind: 'constant' }): boolean {
  const known = reader.compared.get(tensor) ?? new Map<string, boolean>()
  reader.compared.set(tensor, known)
  const before = known.get(operand.name)
  if (before !== undefined) return before
  const found = sameTensor(tensor, operand.tensor())
  known.set(operand.name, found)
  return found
}

function sameAttributes(found: readonly OnnxAttribute[], expected: readonly OnnxAttribute[]): boolean {
  if (found.length !== expected.length) return false
  return expected.every(({ name, i, f, ints, s }) => {
    const other = found.find((one) => one.name === name)
    return other !== undefined && s === undefined && other.i === i && other.f === f && same(other.ints, ints)
  })
}
