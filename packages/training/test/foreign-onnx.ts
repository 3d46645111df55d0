import { encodeOnnx } from '../src/exchange/onnx-file.ts'
import { ATTRIBUTE, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxTensor, TYPE } from '../src/exchange/onnx-messages.ts'
import { seeded } from './seeded.ts'

/** A node as other programs write it; attributes are whole numbers, lists of them, or text; a decimal in a box is a float. */
export type ForeignNode = readonly [
  opType: string,
  inputs: string,
  output: string,
  attributes?: Readonly<Record<string, number | readonly number[] | string | { readonly f: number }>>,
]

const blank = { floats: [], ints: [], strings: [] }
const none = { floatData: [], int32Data: [], int64Data: [], doubleData: [], externalData: [] }

/** Numbers from a seed, by the shape; `[lists]` of whole numbers as i64. */
export function initializer(name: string, shape: readonly number[], values?: readonly number[], dataType: number = TYPE.float): OnnxTensor {
  const size = shape.reduce((a, b) => a * b, 1)
  if (dataType === TYPE.int64) return { ...none, name, dims: shape, dataType, int64Data: values ?? [] }
  const random = seeded(size + name.length)
  return { ...none, name, dims: shape, dataType, floatData: values ?? Array.from({ length: size }, () => Math.fround(random() - 0.5)) }
}

export interface Foreign {
  readonly input: readonly number[]
  readonly nodes: readonly ForeignNode[]
  readonly constants?: readonly OnnxTensor[]
  readonly version?: number
  readonly tokens?: boolean
}

/** Values are called by one name each; the graph's input is `x` and its output that of the last node. */
export function foreignModel({ input, nodes, constants = [], version = 13, tokens = false }: Foreign): OnnxModel {
  const dim = [{ dimParam: 'batch' }, ...input.map((dimValue) => ({ dimValue }))]
  return {
    irVersion: 7,
    producerName: 'pytorch',
    opsetImport: [{ domain: '', version }],
    metadataProps: [],
    graph: {
      name: 'g',
      node: nodes.map(
        ([opType, inputs, output, attributes = {}], i): OnnxNode => ({
          name: `/${i}/${opType}`,
          opType,
          input: inputs.split(' '),
          output: [output],
          attribute: Object.entries(attributes).map(([name, value]): OnnxAttribute => {
            if (typeof value === 'number') return { ...blank, name, i: value, type: ATTRIBUTE.int }
            if (typeof value === 'string') return { ...blank, name, s: new TextEncoder().encode(value), type: ATTRIBUTE.string }
            if ('f' in value) return { ...blank, name, f: value.f, type: ATTRIBUTE.float }
            return { ...blank, name, ints: value, type: ATTRIBUTE.ints }
          }),
        }),
      ),
      initializer: constants,
      sparseInitializer: [],
      input: [{ name: 'x', type: { tensorType: { elemType: tokens ? TYPE.int64 : TYPE.float, shape: { dim } } } }],
      output: [{ name: nodes.at(-1)![2], type: { tensorType: { elemType: TYPE.float } } }],
    },
  }
}

export const foreign = (graph: Foreign): Uint8Array => encodeOnnx(foreignModel(graph))
