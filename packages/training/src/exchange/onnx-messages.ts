/**
 * The messages of the ONNX file format that a model needs, with the field numbers of the public `onnx.proto3` (IR version 10).
 *
 * What is not listed (documentation, training information, quantization, sparse tensors, types of sequences and maps) is skipped when read.
 * Subgraphs are kept as bytes, unread: no operator that has one is supported, and so no message contains itself.
 */

export interface OnnxModel {
  readonly irVersion?: number
  readonly producerName?: string
  readonly producerVersion?: string
  readonly graph?: OnnxGraph
  readonly opsetImport: readonly OnnxOpset[]
  readonly metadataProps: readonly OnnxEntry[]
}

export interface OnnxOpset {
  /** Empty: the operators of ONNX itself. */
  readonly domain?: string
  readonly version?: number
}

export interface OnnxEntry {
  readonly key?: string
  readonly value?: string
}

export interface OnnxGraph {
  readonly name?: string
  readonly node: readonly OnnxNode[]
  readonly initializer: readonly OnnxTensor[]
  readonly sparseInitializer: readonly Uint8Array[]
  readonly input: readonly OnnxValueInfo[]
  readonly output: readonly OnnxValueInfo[]
}

export interface OnnxNode {
  readonly name?: string
  readonly opType?: string
  readonly domain?: string
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly attribute: readonly OnnxAttribute[]
}

export interface OnnxAttribute {
  readonly name?: string
  /** One of `ATTRIBUTE`. */
  readonly type?: number
  readonly f?: number
  readonly i?: number
  /** UTF-8. */
  readonly s?: Uint8Array
  readonly t?: OnnxTensor
  readonly g?: Uint8Array
  readonly floats: readonly number[]
  readonly ints: readonly number[]
  readonly strings: readonly Uint8Array[]
}

export interface OnnxTensor {
  readonly name?: string
  readonly dims: readonly number[]
  /** One of `TYPE`. */
  readonly dataType?: number
  readonly floatData: readonly number[]
  readonly int32Data: readonly number[]
  readonly int64Data: readonly number[]
  readonly doubleData: readonly number[]
  /** Little-endian elements. */
  readonly rawData?: Uint8Array
  readonly externalData: readonly OnnxEntry[]
  /** 1: the data lie in another file. */
  readonly dataLocation?: number
}

export interface OnnxValueInfo {
  readonly name?: string
  readonly type?: { readonly tensorType?: { readonly elemType?: number; readonly shape?: { readonly dim: readonly OnnxDimension[] } } }
}

/** A size, or the name of one that varies. */
export interface OnnxDimension {
  readonly dimValue?: number
  readonly dimParam?: string
}

/** Kinds of `OnnxAttribute`. */
export const ATTRIBUTE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 } as const

/** Kinds of the elements of an `OnnxTensor`. */
export const TYPE = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11, bfloat16: 16 } as const

/** How a field is written: its number, its kind, and whether it may come many times. */
export interface Field {
  readonly number: number
  readonly kind: 'int' | 'float' | 'double' | 'string' | 'bytes' | Message
  readonly many: boolean
}

export interface Message {
  readonly fields: readonly (readonly [name: string, Field])[]
  readonly byNumber: ReadonlyMap<number, readonly [name: string, Field]>
}

const one = (number: number, kind: Field['kind']): Field => ({ number, kind, many: false })
const many = (number: number, kind: Field['kind']): Field => ({ number, kind, many: true })

function message(named: Readonly<Record<string, Field>>): Message {
  const fields = Object.entries(named)
  return { fields, byNumber: new Map(fields.map((entry) => [entry[1].number, entry])) }
}

const ENTRY = message({ key: one(1, 'string'), value: one(2, 'string') })

const TENSOR = message({
  dims: many(1, 'int'),
  dataType: one(2, 'int'),
  floatData: many(4, 'float'),
  int32Data: many(5, 'int'),
  int64Data: many(7, 'int'),
  name: one(8, 'string'),
  rawData: one(9, 'bytes'),
  doubleData: many(10, 'double'),
  externalData: many(13, ENTRY),
  dataLocation: one(14, 'int'),
})

const ATTRIBUTE_MESSAGE = message({
  name: one(1, 'string'),
  f: one(2, 'float'),
  i: one(3, 'int'),
  s: one(4, 'bytes'),
  t: one(5, TENSOR),
  g: one(6, 'bytes'),
  floats: many(7, 'float'),
  ints: many(8, 'int'),
  strings: many(9, 'bytes'),
  type: one(20, 'int'),
})

const NODE = message({
  input: many(1, 'string'),
  output: many(2, 'string'),
  name: one(3, 'string'),
  opType: one(4, 'string'),
  attribute: many(5, ATTRIBUTE_MESSAGE),
  domain: one(7, 'string'),
})

const DIMENSION = message({ dimValue: one(1, 'int'), dimParam: one(2, 'string') })
const SHAPE = message({ dim: many(1, DIMENSION) })
const TENSOR_TYPE = message({ elemType: one(1, 'int'), shape: one(2, SHAPE) })
const VALUE_TYPE = message({ tensorType: one(1, TENSOR_TYPE) })
const VALUE_INFO = message({ name: one(1, 'string'), type: one(2, VALUE_TYPE) })

const GRAPH = message({
  node: many(1, NODE),
  name: one(2, 'string'),
  initializer: many(5, TENSOR),
  input: many(11, VALUE_INFO),
  output: many(12, VALUE_INFO),
  sparseInitializer: many(15, 'bytes'),
})

const OPSET = message({ domain: one(1, 'string'), version: one(2, 'int') })

export const MODEL = message({
  irVersion: one(1, 'int'),
  producerName: one(2, 'string'),
  producerVersion: one(3, 'string'),
  graph: one(7, GRAPH),
  opsetImport: many(8, OPSET),
  metadataProps: many(14, ENTRY),
})
