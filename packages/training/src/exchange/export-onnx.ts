import { initialStates } from '../layers/initial-states.ts'
import type { Model } from '../layers/model.ts'
import { layerNodes, type Operand } from './layer-nodes.ts'
import { encodeOnnx, FILE_BYTES_MAX } from './onnx-file.ts'
import { type OnnxDimension, type OnnxNode, type OnnxTensor, TYPE } from './onnx-messages.ts'
import { floatTensor } from './onnx-tensor.ts'

/** Gelu in its tanh form is an operator from version 20 on; that version came with file format 9. */
const OPERATORS = 20
const FORMAT = 9
/** How files of this engine are known: their nodes are called as the layers that they came from. */
export const PRODUCER = 'pouw'

export interface ExportOptions {
  /** Float32 `[params]`, in the order of `model.tensors`. */
  readonly weights: Float32Array
  /** Running statistics; default those of a model that never trained. */
  readonly states?: Float32Array
  readonly name?: string
}

/**
 * A model as an ONNX file: what it computes when it predicts, with running statistics and without dropout; nothing is added behind its last layer.
 *
 * Input `input`, f32 `[N, ...shape]` or i64 `[N, length]` of tokens, output `output`; N varies. Values and nodes are called as their layers, several
 * nodes of one layer `<layer>/<operator>`, initializers `<layer>.weight`. Equal models give equal bytes.
 *
 * @throws RangeError if the numbers are not as many as the model's, do not fit one file, or a layer has no operation
 */
export function exportOnnx(model: Model, { weights, states = initialStates(model.declared), name = 'model' }: ExportOptions): Uint8Array {
  const { declared } = model
  if (weights.length !== declared.parameterCount)
    throw new RangeError(`exportOnnx: expected ${declared.parameterCount} weights, received ${weights.length}`)
  if (states.length !== declared.stateCount)
    throw new RangeError(`exportOnnx: expected ${declared.stateCount} states, received ${states.length}`)
  if (4 * (weights.length + states.length) >= FILE_BYTES_MAX)
    throw new RangeError(
      `exportOnnx: expected less than ${FILE_BYTES_MAX} bytes of numbers, received ${4 * (weights.length + states.length)}`,
    )
  const numbers = new Map([
    ...declared.parameters.map((tensor) => [tensor.name, { ...tensor, values: weights }] as const),
    ...declared.states.map((tensor) => [tensor.name, { ...tensor, values: states }] as const),
  ])
  // Tensors keep their names; whatever else would be called the same gets a mark.
  const fresh = freshNames(['input', 'output', ...numbers.keys()])
  const freshNode = freshNames(declared.layers.map(({ layer }) => layer.id))
  const last = declared.layers.at(-1)!.layer.id
  const values = new Map([['input', { name: 'input', shape: declared.inputShape }]])
  for (const { layer, shape } of declared.layers) values.set(layer.id, { name: layer.id === last ? 'output' : fresh(layer.id), shape })

  const node: OnnxNode[] = []
  const initializer: OnnxTensor[] = []
  const written = new Map<string, string>()
  const write = (key: string, make: () => OnnxTensor): string => {
    let as = written.get(key)
    if (as === undefined) {
      as = numbers.has(key) ? key : fresh(key)
      written.set(key, as)
      initializer.push({ ...make(), name: as })
    }
    return as
  }
  for (const { layer, inputs } of declared.layers) {
    const nodes = named(layer.id, () =>
      layerNodes(
        layer,
        inputs.map((id) => values.get(id)!.shape),
      ),
    )
    const outputs: string[][] = []
    const nameOf = (operand: Operand): string => {
      if (operand.kind === 'input') return values.get(inputs[operand.index]!)!.name
      if (operand.kind === 'node') return outputs[operand.node]![operand.output]!
      if (operand.kind === 'constant') return write(operand.name, operand.tensor)
      const table = operand.kind === 'parameter' ? operand.table : undefined
      const full = `${table ?? layer.id}.${operand.part}`
      const { offset, size, values: all } = numbers.get(full)!
      const own = all.subarray(offset, offset + size)
      return write(full, () =>
        floatTensor(operand.dims, operand.kind === 'parameter' && operand.transposed ? transposed(own, operand.dims) : own),
      )
    }
    const counts = new Map<string, number>()
    for (const [position, { opType, inputs: operands, attributes, outputs: count }] of nodes.entries()) {
      const occurrence = (counts.get(opType) ?? 0) + 1
      counts.set(opType, occurrence)
      const final = position === nodes.length - 1
      const called = final ? layer.id : freshNode(`${layer.id}/${opType}${occurrence === 1 ? '' : occurrence}`)
      outputs.push(
        final ? [values.get(layer.id)!.name] : Array.from({ length: count }, (_, i) => fresh(count === 1 ? called : `${called}.${i}`)),
      )
      node.push({ input: operands.map(nameOf), output: outputs[position]!, name: called, opType, attribute: attributes })
    }
  }
  const { spec } = model
  const info = (called: string, elemType: number, shape: readonly number[]) => {
    const dim: OnnxDimension[] = [{ dimParam: 'N' }, ...shape.map((dimValue) => ({ dimValue }))]
    return { name: called, type: { tensorType: { elemType, shape: { dim } } } }
  }
  return encodeOnnx({
    irVersion: FORMAT,
    producerName: PRODUCER,
    graph: {
      name,
      node,
      initializer,
      sparseInitializer: [],
      input: [info('input', spec.input.kind === 'tokens' ? TYPE.int64 : TYPE.float, declared.inputShape)],
      output: [info('output', TYPE.float, declared.outputShape)],
    },
    opsetImport: [{ domain: '', version: OPERATORS }],
    metadataProps: [],
  })
}

/** Names that differ from these and from each other: what would be called the same gets a mark. */
function freshNames(given: Iterable<string>): (wanted: string) => string {
  const taken = new Set(given)
  return (wanted) => {
    let name = wanted
    while (taken.has(name)) name += "'"
    taken.add(name)
    return name
  }
}

/** The transpose [rows, columns] of a matrix [columns, rows]. */
export function transposed(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const turned = new Float32Array(values.length)
  // Words, so that every NaN keeps its bits.
  const from = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const to = new Uint32Array(turned.buffer)
  for (let row = 0; row < rows!; row++)
    for (let column = 0; column < columns!; column++) to[row * columns! + column] = from[column * rows! + row]!
  return turned
}

function named<T>(id: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`layer ${id}: ${error.message}`)
    throw error
  }
}
