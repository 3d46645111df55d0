/** What the reader of an ONNX graph knows between two nodes. */
import { type Activation, declareModel, type LayerSpec } from '@pouw/primitives'
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './onnx-messages.ts'

export type Shape = readonly number[]

/** Numbers of a layer: a constant of the file, or its transpose, or one number for all. */
export type Part = StoredPart | { readonly all: number }

interface StoredPart {
  readonly tensor: OnnxTensor
  readonly transposed: boolean
}

/** A layer on its way into a spec: the ids come last. */
export interface Made {
  layer: LayerSpec
  /** `undefined`: the input of the model. */
  readonly inputs: readonly (Made | undefined)[]
  /** The embedding whose table is the weight. */
  readonly tied: Made | undefined
  readonly shape: Shape
  readonly parts: Map<string, Part>
  /** Name of the node that it came from; of several, the one that names it. */
  name: string
}

export interface Data {
  readonly kind: 'data'
  readonly made: Made | undefined
  /** Without the batch. A pool over the whole image gives [channels, 1, 1] in the file and [channels] here. */
  readonly shape: Shape
  readonly tokens: boolean
  /** Another name of a value, which has users of its own. */
  readonly alias?: boolean
}

export interface Constant {
  readonly kind: 'constant'
  readonly tensor: OnnxTensor
  /** The value is the matrix's transpose. */
  readonly transposed: boolean
}

export interface GraphReader {
  readonly nodes: readonly OnnxNode[]
  /** Place of the node that is read. */
  at: number
  readonly values: Map<string, Data | Constant>
  /** How often a value is used, as an input of a node or the output of the graph. */
  readonly uses: ReadonlyMap<string, number>
  readonly made: Made[]
  /** Embeddings by their tables. */
  readonly tables: Map<OnnxTensor, Made>
  /** Whether a constant of the file is the one of a name in `layerNodes`. */
  readonly compared: Map<OnnxTensor, Map<string, boolean>>
  /** Version of the operators. */
  readonly version: number
  /** Written by this engine, so that names tell which nodes are one layer. */
  readonly ours: boolean
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id' | 'inputs'> : never
/** A layer that has no name yet. */
export type NewLayer = WithoutId<LayerSpec>

export function dataOf(reader: GraphReader, node: OnnxNode, index: number): Data {
  const value = operandOf(reader, node, index)
  if (value.kind !== 'data') throw new RangeError(`expected numbers that the model computes as input ${index}, received a constant`)
  return value
}

export function constantOf(reader: GraphReader, node: OnnxNode, index: number): Constant {
  const value = operandOf(reader, node, index)
  if (value.kind !== 'constant') throw new RangeError(`expected a constant as input ${index}, received numbers that the model computes`)
  return value
}

export function operandOf(reader: GraphReader, node: OnnxNode, index: number): Data | Constant {
  const name = node.input[index]
  if (!name) throw new RangeError(`expected ${index + 1} inputs or more, received ${node.input.length}`)
  const value = reader.values.get(name)
  if (!value) throw new RangeError(`expected an output of an earlier node as input ${index}, received ${name}`)
  return value
}

/** Whether a node has this optional input. */
export function has(node: OnnxNode, index: number): boolean {
  return Boolean(node.input[index])
}

export function attributeOf(node: OnnxNode, name: string): OnnxAttribute | undefined {
  return node.attribute.find((attribute) => attribute.name === name)
}

export function intOf(node: OnnxNode, name: string, byDefault: number): number {
  return attributeOf(node, name)?.i ?? byDefault
}

export function textOf(node: OnnxNode, name: string, byDefault: string): string {
  const bytes = attributeOf(node, name)?.s
  return bytes ? new TextDecoder().decode(bytes) : byDefault
}

/** The shortest decimal that is this binary32: 1e-5 was written, and 1e-5 is meant. */
export function decimalOf(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}

export function floatOf(node: OnnxNode, name: string, byDefault: number): number {
  const value = attributeOf(node, name)?.f
  return value === undefined ? byDefault : decimalOf(value)
}

/** The whole shape of a constant as the graph sees it. */
export function dimsOf({ tensor, transposed }: Constant): Shape {
  return transposed ? tensor.dims.toReversed() : tensor.dims
}

/** Whether `node` may become part of the layer that made its input: nobody else uses it, and of our own files the names say so. */
export function joins(reader: GraphReader, { made, alias }: Data, name: string, node: OnnxNode, uses = 1): boolean {
  if (!made || alias || reader.uses.get(name) !== uses) return false
  return !reader.ours || oneLayer(made.name, node.name ?? '')
}

/** Whether two names are `a/First` and `a`, or `a/First` and `a/Second`. */
export function oneLayer(first: string, second: string): boolean {
  const layer = (name: string) => name.slice(0, Math.max(0, name.lastIndexOf('/')))
  return layer(first) !== '' && (layer(first) === second || layer(first) === layer(second))
}

/** Adds a layer, and the answer of `node` that is its. @throws RangeError if the layer does not fit its inputs or parts are of other shapes */
export function make(
  reader: GraphReader,
  node: OnnxNode,
  layer: NewLayer,
  inputs: readonly Data[],
  parts: readonly (readonly [name: string, Part])[] = [],
  tied?: Made,
): Data {
  const settled = inputs.map((data) => settle(reader, data, node.name ?? ''))
  const full = { ...layer, id: 'layer' } as LayerSpec
  const { shape, parameters, states } = declareOne(full, settled)
  const own = new Map(parts)
  for (const tensor of [...parameters, ...states]) {
    const name = tensor.name.slice('layer.'.length)
    const part = own.get(name)
    if (tied && name === 'weight') continue
    if (!part) throw new RangeError(`expected numbers for ${name}, received none`)
    if ('tensor' in part) checkPart(name, part, tensor.shape)
  }
  return append(reader, node, { layer: full, inputs: settled.map(({ made }) => made), tied, shape, parts: own, name: node.name ?? '' })
}

function append(reader: GraphReader, node: OnnxNode, made: Made): Data {
  reader.made.push(made)
  const data: Data = { kind: 'data', made, shape: made.shape, tokens: false }
  define(reader, node, data)
  return data
}

/** Names what a node answers. */
export function define(reader: GraphReader, node: OnnxNode, value: Data | Constant): void {
  const name = node.output[0]
  if (!name) throw new RangeError('expected an output, received none')
  reader.values.set(name, value)
}

/** Numbers in the shape that the graph sees. */
function settle(reader: GraphReader, data: Data, name: string): Data {
  const { made, shape } = data
  if (!made || same(made.shape, shape)) return data
  const reshaped: Made = {
    layer: { id: 'layer', type: 'reshape', shape },
    inputs: [made],
    tied: undefined,
    shape,
    parts: new Map(),
    name: `${name}.shape`,
  }
  reader.made.push(reshaped)
  return { ...data, made: reshaped }
}

function declareOne(layer: LayerSpec, inputs: readonly Data[]) {
  const [first] = inputs
  const several = layer.type === 'add' || layer.type === 'multiply' || layer.type === 'concat'
  if (!first || several !== inputs.length > 1)
    throw new RangeError(`expected ${several ? 'two inputs or more' : 'one input'}, received ${inputs.length}`)
  if (layer.type !== 'embedding' && inputs.some(({ tokens }) => tokens)) throw new RangeError('expected numbers, received tokens')
  let shape = first.shape
  if (several) {
    const axis = layer.type === 'concat' ? layer.axis : -1
    for (const other of inputs)
      if (other.shape.length !== shape.length || other.shape.some((extent, i) => i !== axis && extent !== first.shape[i]))
        throw new RangeError(`expected inputs of one shape [${shape}], received [${other.shape}]`)
    if (axis >= 0)
      shape = shape.with(
        axis,
        inputs.reduce((sum, other) => sum + other.shape[axis]!, 0),
      )
  }
  const input =
    layer.type === 'embedding'
      ? ({ kind: 'tokens', length: shape[0]!, vocabulary: layer.vocabulary } as const)
      : ({ kind: 'features', shape } as const)
  // Of several inputs only the extents are left to check.
  const checked: LayerSpec = several ? { id: 'layer', type: 'relu' } : layer
  const declared = declareModel({ input, layers: [checked], loss: { type: 'mean-squared-error' } })
  return { shape: declared.outputShape, parameters: declared.parameters, states: declared.states }
}

function checkPart(name: string, { tensor, transposed }: StoredPart, shape: Shape): void {
  const dims = transposed ? tensor.dims.toReversed() : tensor.dims
  const squeeze = (all: Shape) => all.filter((extent) => extent !== 1)
  if (!same(squeeze(dims), squeeze(shape))) throw new RangeError(`expected ${name} [${shape}], received [${dims}]`)
}

export function same(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i])
}

/** Whether a layer has an activation of its own, and none yet. */
export function takesActivation({ layer }: Made): boolean {
  return (layer.type === undefined || layer.type === 'conv2d') && layer.activation === undefined
}

/** Gives the layer of `x` its activation, which `node` computes. */
export function activate(reader: GraphReader, node: OnnxNode, x: Data, activation: Activation): void {
  const made = x.made!
  made.layer = { ...made.layer, activation } as LayerSpec
  if (reader.ours) made.name = node.name ?? ''
  define(reader, node, x)
}
