import { declareModel, type LayerSpec, type LossSpec, type ModelSpec } from '@pouw/primitives'
import { PRODUCER, transposed } from './export-onnx.ts'
import type { Constant, Data, GraphReader, Made, Part } from './graph-reader.ts'
import { constantTensor, importNode } from './import-node.ts'
import { matchLayer } from './match-layer.ts'
import { decodeOnnx } from './onnx-file.ts'
import { type OnnxGraph, type OnnxNode, TYPE } from './onnx-messages.ts'
import { checkTensor, readFloats } from './onnx-tensor.ts'

/** A model as a file has it: a spec, and numbers in the order of its tensors. */
export interface ImportedModel {
  readonly model: ModelSpec
  /** Float32 `[params]`. */
  readonly weights: Float32Array
  /** Running statistics. */
  readonly states: Float32Array
}

export interface ImportOptions {
  /** Files hold no loss; default softmax cross-entropy. */
  readonly loss?: LossSpec
}

/** Versions of the operators whose meaning this reader knows. */
const OPERATORS = { from: 10, to: 24 }
/** Numbers that layers may hold beyond those of the file: several layers may share a constant, and here each has its own. */
const COPIES_MAX = 2 ** 24

/**
 * A model from an ONNX file of this engine or of another program. Bytes are untrusted.
 *
 * The file must be one chain or graph of layers from one input, f32 `[N, ...]` or whole numbers `[N, length]`, to one output; docs/exchange.md lists the
 * operators. Training needs nothing else, but where a file ends in a softmax, the loss adds another: ask for what the file has before it.
 *
 * @throws RangeError "node NAME (OPERATOR): not supported: ..." for the first node that no layer computes; with other words for what is no such file
 */
export function importOnnx(bytes: Uint8Array, { loss = { type: 'softmax-cross-entropy' } }: ImportOptions = {}): ImportedModel {
  const decoded = decodeOnnx(bytes)
  if (!decoded.ok) throw new RangeError(`importOnnx: ${decoded.error}`)
  const { graph, opsetImport, producerName } = decoded.model
  if (!graph || graph.node.length === 0) throw new RangeError('importOnnx: expected a graph of nodes, received none')
  const version = opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx')?.version ?? 0
  if (!(version >= OPERATORS.from && version <= OPERATORS.to))
    throw new RangeError(`importOnnx: expected operators of version ${OPERATORS.from} to ${OPERATORS.to}, received ${version}`)

  const values = constantsOf(graph)
  const numbers = graph.initializer.reduce((sum, tensor) => sum + checkTensor(tensor), 0)
  const { name: inputName, input } = inputOf(graph, values)
  values.set(inputName, input)
  const reader: GraphReader = {
    nodes: graph.node.filter((node) => !isConstant(node, values)),
    at: 0,
    values,
    uses: usesOf(graph),
    made: [],
    tables: new Map(),
    compared: new Map(),
    version,
    ours: producerName === PRODUCER,
  }
  readNodes(reader)

  const [output, another] = graph.output
  if (!output || another) throw new RangeError(`importOnnx: expected one output, received ${graph.output.length}`)
  const last = values.get(output.name ?? '')
  if (last?.kind !== 'data' || !last.made) throw new RangeError(`importOnnx: output ${output.name}: expected the answer of a node`)
  const layers = needed(reader.made, last.made)
  const named = nameLayers(layers, reader.ours)
  const model: ModelSpec = { input: inputSpec(input, layers), layers: named, loss }
  return { model, ...fill(model, layers, numbers + COPIES_MAX) }
}

function constantsOf(graph: OnnxGraph): Map<string, Data | Constant> {
  const values = new Map<string, Data | Constant>()
  if (graph.sparseInitializer.length > 0) throw new RangeError('importOnnx: sparse initializers are not supported')
  for (const tensor of graph.initializer) {
    try {
      checkTensor(tensor)
    } catch (error) {
      throw new RangeError(`importOnnx: initializer ${tensor.name}: ${(error as Error).message}`)
    }
    values.set(tensor.name ?? '', { kind: 'constant', tensor, transposed: false })
  }
  return values
}

/** Takes a constant in before the nodes that use it, so that the nodes of one layer lie side by side. One that makes no sense waits for its turn. */
function isConstant(node: OnnxNode, values: Map<string, Data | Constant>): boolean {
  const tensor = node.opType === 'Constant' && (node.domain ?? '') === '' ? constantTensor(node) : undefined
  const name = node.output[0]
  if (!tensor || !name || values.has(name)) return false
  values.set(name, { kind: 'constant', tensor, transposed: false })
  return true
}

function inputOf(graph: OnnxGraph, constants: ReadonlyMap<string, unknown>): { readonly name: string; readonly input: Data } {
  // Old files list initializers among the inputs.
  const inputs = graph.input.filter(({ name = '' }) => !constants.has(name))
  const [only] = inputs
  if (!only || inputs.length !== 1) throw new RangeError(`importOnnx: expected one input, received ${inputs.length}`)
  const { elemType, shape } = only.type?.tensorType ?? {}
  const [, ...sizes] = shape?.dim ?? []
  const received = `[${(shape?.dim ?? []).map(({ dimValue, dimParam }) => dimValue ?? (dimParam || '?'))}] of data type ${elemType}`
  const tokens = elemType === TYPE.int64 || elemType === TYPE.int32
  const fixed = sizes.map(({ dimValue }) => dimValue ?? 0)
  if (fixed.length === 0 || fixed.length > 8 || fixed.some((extent) => !Number.isSafeInteger(extent) || extent < 1))
    throw new RangeError(`importOnnx: input ${only.name}: expected a batch and then fixed sizes, received ${received}`)
  if (!tokens && elemType !== TYPE.float)
    throw new RangeError(`importOnnx: input ${only.name}: expected f32, i32 or i64, received ${received}`)
  if (tokens && fixed.length !== 1)
    throw new RangeError(`importOnnx: input ${only.name}: expected tokens [N, length], received ${received}`)
  return { name: only.name ?? '', input: { kind: 'data', made: undefined, shape: fixed, tokens } }
}

function usesOf({ node, output }: OnnxGraph): Map<string, number> {
  const uses = new Map<string, number>()
  for (const name of [...node.flatMap(({ input }) => input), ...output.map(({ name = '' }) => name)])
    uses.set(name, (uses.get(name) ?? 0) + 1)
  return uses
}

function readNodes(reader: GraphReader): void {
  while (reader.at < reader.nodes.length) {
    const node = reader.nodes[reader.at]!
    try {
      for (const name of node.output)
        if (reader.values.has(name)) throw new RangeError(`expected a name of its own for its output, received ${name}`)
      const count = matchLayer(reader)
      if (count === 0) importNode(reader, node)
      reader.at += Math.max(1, count)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(`node ${titleOf(node, reader.at)}: not supported: ${error.message}`)
    }
  }
}

const titleOf = ({ name, opType, output }: OnnxNode, at: number) => `${name || output[0] || at} (${opType})`

/** The layers that the last one needs, in order. */
function needed(made: readonly Made[], last: Made): readonly Made[] {
  const wanted = new Set<Made>([last])
  for (const one of made.toReversed()) if (wanted.has(one)) for (const other of [...one.inputs, one.tied]) if (other) wanted.add(other)
  return made.filter((one) => wanted.has(one))
}

/** Ids: the names of the nodes, those of other programs with dots for slashes. */
function nameLayers(layers: readonly Made[], ours: boolean): readonly LayerSpec[] {
  const ids = new Map<Made, string>()
  const taken = new Set(['input'])
  const counts = new Map<string, number>()
  for (const one of layers) {
    const plain = (ours ? one.name : one.name.replace(/^\/+/, '').replaceAll('/', '.')) || (one.layer.type ?? 'dense')
    let id = plain
    while (taken.has(id)) {
      const count = (counts.get(plain) ?? 1) + 1
      counts.set(plain, count)
      id = `${plain}.${count}`
    }
    taken.add(id)
    ids.set(one, id)
  }
  const idOf = (one: Made | undefined) => (one ? ids.get(one)! : 'input')
  return layers.map((one, position) => {
    const { layer, inputs, tied } = one
    const chained = inputs.length === 1 && inputs[0] === (position === 0 ? undefined : layers[position - 1])
    return { ...layer, id: idOf(one), ...(chained ? {} : { inputs: inputs.map(idOf) }), ...(tied ? { tied: idOf(tied) } : {}) } as LayerSpec
  })
}

function inputSpec({ tokens, shape }: Data, layers: readonly Made[]): ModelSpec['input'] {
  if (!tokens) return { kind: 'features', shape }
  const vocabularies = layers.flatMap(({ layer }) => (layer.type === 'embedding' ? [layer.vocabulary] : []))
  return { kind: 'tokens', length: shape[0]!, vocabulary: Math.min(...vocabularies) }
}

function fill(model: ModelSpec, made: readonly Made[], most: number): { readonly weights: Float32Array; readonly states: Float32Array } {
  const declared = declareModel(model)
  const count = declared.parameterCount + declared.stateCount
  if (count > most) throw new RangeError(`importOnnx: expected at most ${most} numbers in all layers, received ${count}`)
  const weights = new Float32Array(declared.parameterCount)
  const states = new Float32Array(declared.stateCount)
  for (const [position, { layer, parameters, states: kept }] of declared.layers.entries()) {
    const { parts } = made[position]!
    const put = (into: Float32Array, { name, offset, size }: (typeof parameters)[number]) => {
      const part: Part = parts.get(name.slice(layer.id.length + 1))!
      if ('all' in part) into.fill(part.all, offset, offset + size)
      else
        copyWords(
          part.transposed ? transposed(readFloats(part.tensor), part.tensor.dims.toReversed()) : readFloats(part.tensor),
          into,
          offset,
        )
    }
    for (const tensor of parameters) put(weights, tensor)
    for (const tensor of kept) put(states, tensor)
  }
  return { weights, states }
}

/** Words, so that every NaN keeps its bits. */
function copyWords(from: Float32Array, to: Float32Array, at: number): void {
  new Uint32Array(to.buffer, to.byteOffset, to.length).set(new Uint32Array(from.buffer, from.byteOffset, from.length), at)
}
