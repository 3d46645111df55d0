/** What each operator of a graph becomes: a layer, a part of the layer before it, or another name for a value. */
import type { Activation, Pair } from '@pouw/primitives'
import { windowOf } from '@pouw/primitives'
import {
  activate,
  attributeOf,
  type Constant,
  constantOf,
  type Data,
  dataOf,
  decimalOf,
  define,
  dimsOf,
  floatOf,
  type GraphReader,
  has,
  intOf,
  joins,
  make,
  type NewLayer,
  operandOf,
  type Part,
  type Shape,
  same,
  takesActivation,
  textOf,
} from './graph-reader.ts'
import { type OnnxNode, type OnnxTensor, TYPE } from './onnx-messages.ts'
import { checkTensor, floatTensor, intTensor, readFloats, readInts } from './onnx-tensor.ts'

type Importer = (reader: GraphReader, node: OnnxNode) => void

const asIs = ({ tensor, transposed }: Constant): Part => ({ tensor, transposed })

/** Takes one node into the reader. @throws RangeError with the reason if no layer computes it */
export function importNode(reader: GraphReader, node: OnnxNode): void {
  const importer = importers.get(node.opType ?? '')
  if ((node.domain ?? '') !== '' && node.domain !== 'ai.onnx') throw new RangeError(`no layer computes operators of ${node.domain}`)
  if (!importer) throw new RangeError('no layer computes it')
  for (const name of node.output.slice(1))
    if (reader.uses.has(name)) throw new RangeError(`only its first output is supported, and ${name} is used`)
  importer(reader, node)
}

const importers: ReadonlyMap<string, Importer> = new Map<string, Importer>([
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['Conv', conv],
  ['BatchNormalization', batchNorm],
  ['LayerNormalization', layerNorm],
  ['InstanceNormalization', instanceNorm],
  ['Relu', activation('relu')],
  ['Sigmoid', activation('sigmoid')],
  ['Tanh', activation('tanh')],
  ['Softmax', softmax],
  ['LeakyRelu', leakyRelu],
  ['Gelu', gelu],
  ['Erf', erf],
  ['Div', erf],
  ['MaxPool', pool('max-pool')],
  ['AveragePool', pool('average-pool')],
  ['GlobalAveragePool', globalPool('global-average-pool')],
  ['GlobalMaxPool', globalPool('global-max-pool')],
  ['ReduceMean', reduceMean],
  ['Flatten', flatten],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['Transpose', transpose],
  ['Slice', slice],
  ['Concat', concat],
  ['Add', add],
  ['Sum', (reader, node) => void make(reader, node, { type: 'add' }, allData(reader, node))],
  ['Mul', multiply],
  ['Gather', gather],
  ['Dropout', dropout],
  ['Identity', (reader, node) => rename(reader, node, operandOf(reader, node, 0))],
  ['Cast', cast],
  ['Constant', noConstant],
])

const allData = (reader: GraphReader, node: OnnxNode): Data[] => node.input.map((_, index) => dataOf(reader, node, index))

function rename(reader: GraphReader, node: OnnxNode, value: Data | Constant): void {
  define(reader, node, value.kind === 'data' ? { ...value, alias: true } : value)
}

/** Axis of a value, without the batch. */
function axisOf(axis: number, { shape }: Data): number {
  const rank = shape.length + 1
  const counted = axis < 0 ? axis + rank : axis
  if (!Number.isSafeInteger(counted) || counted < 1 || counted >= rank)
    throw new RangeError(`expected an axis from 1 to ${rank - 1}, received ${axis}`)
  return counted - 1
}

function expectAttribute(node: OnnxNode, name: string, byDefault: number, wanted: number): void {
  const attribute = attributeOf(node, name)
  const received = attribute?.f ?? attribute?.i ?? byDefault
  if (received !== wanted) throw new RangeError(`expected ${name} ${wanted}, received ${received}`)
}

function gemm(reader: GraphReader, node: OnnxNode): void {
  expectAttribute(node, 'alpha', 1, 1)
  expectAttribute(node, 'transA', 0, 0)
  const x = dataOf(reader, node, 0)
  if (x.shape.length !== 1) throw new RangeError(`expected rows [N, width], received [N, ${x.shape}]`)
  if (has(node, 2)) expectAttribute(node, 'beta', 1, 1)
  dense(
    reader,
    node,
    x,
    constantOf(reader, node, 1),
    intOf(node, 'transB', 0) === 0,
    has(node, 2) ? constantOf(reader, node, 2) : undefined,
  )
}

function matMul(reader: GraphReader, node: OnnxNode): void {
  dense(reader, node, dataOf(reader, node, 0), constantOf(reader, node, 1), true)
}

/** @param byColumns the constant is [inputs, nodes], ours [nodes, inputs] */
function dense(reader: GraphReader, node: OnnxNode, x: Data, weight: Constant, byColumns: boolean, bias?: Constant): void {
  const dims = dimsOf(weight)
  if (dims.length !== 2) throw new RangeError(`expected a matrix, received [${dims}]`)
  const transposed = weight.transposed !== byColumns
  const nodes = dims[byColumns ? 1 : 0]!
  const tied = transposed ? undefined : reader.tables.get(weight.tensor)
  const parts: [string, Part][] = [['weight', { tensor: weight.tensor, transposed }]]
  if (bias) parts.push(['bias', asIs(bias)])
  make(reader, node, { nodes, ...(bias ? {} : { bias: false }) }, [x], parts, tied)
}

function conv(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const weight = constantOf(reader, node, 1)
  const [filters, , ...kernel] = weight.tensor.dims
  if (kernel.length !== 2) throw new RangeError(`expected an image and a weight of four axes, received [${weight.tensor.dims}]`)
  const { ints } = attributeOf(node, 'kernel_shape') ?? { ints: kernel }
  if (!same(ints, kernel)) throw new RangeError(`expected a kernel_shape [${kernel}], received [${ints}]`)
  const parts: [string, Part][] = [['weight', asIs(weight)]]
  if (has(node, 2)) parts.push(['bias', asIs(constantOf(reader, node, 2))])
  const dilation = pairOf(node, 'dilations', 1)
  const groups = intOf(node, 'group', 1)
  const layer: NewLayer = {
    type: 'conv2d',
    filters: filters!,
    ...windowFields(node, x, kernel as readonly number[] as readonly [number, number], dilation),
    ...(same(dilation, [1, 1]) ? {} : { dilation }),
    ...(groups === 1 ? {} : { groups }),
    ...(has(node, 2) ? {} : { bias: false }),
  }
  make(reader, node, layer, [x], parts)
}

function pairOf(node: OnnxNode, name: string, byDefault: number): readonly [number, number] {
  const { ints } = attributeOf(node, name) ?? { ints: [byDefault, byDefault] }
  if (ints.length !== 2) throw new RangeError(`expected two ${name}, received ${ints.length}`)
  return [ints[0]!, ints[1]!]
}

const short = ([a, b]: readonly [number, number]): Pair => (a === b ? a : [a, b])

interface WindowFields {
  readonly kernel: Pair
  readonly stride?: Pair
  readonly padding?: Pair | 'same'
}

/** Kernel, stride and padding of a window. Padding that a pair cannot say is `same`, or is refused. */
function windowFields(node: OnnxNode, x: Data, kernel: readonly [number, number], dilation: readonly [number, number]): WindowFields {
  if (x.shape.length !== 3) throw new RangeError(`expected an image [N, channels, height, width], received [N, ${x.shape}]`)
  const [, height, width] = x.shape
  const stride = pairOf(node, 'strides', 1)
  const fields = { kernel: short(kernel), ...(same(stride, [1, 1]) ? {} : { stride: short(stride) }) }
  const automatic = textOf(node, 'auto_pad', 'NOTSET')
  if (automatic === 'VALID') return fields
  const equal = () => windowOf(height!, width!, { kernel, stride, dilation, padding: 'same' }).padding
  if (automatic !== 'NOTSET') {
    const [top, left, bottom, right] = equal()
    if (automatic === 'SAME_UPPER' || (automatic === 'SAME_LOWER' && top === bottom && left === right))
      return { ...fields, padding: 'same' as const }
    throw new RangeError(`expected auto_pad SAME_UPPER, received ${automatic}`)
  }
  const { ints: pads } = attributeOf(node, 'pads') ?? { ints: [0, 0, 0, 0] }
  const [top, left, bottom, right] = pads
  if (pads.length !== 4) throw new RangeError(`expected four pads, received ${pads.length}`)
  if (top === bottom && left === right) return top === 0 && left === 0 ? fields : { ...fields, padding: short([top!, left!]) }
  if (same(pads, equal())) return { ...fields, padding: 'same' as const }
  throw new RangeError(`expected pads alike on both sides, or those of SAME_UPPER, received [${pads}]`)
}

function pool(type: 'max-pool' | 'average-pool'): Importer {
  return (reader, node) => {
    const x = dataOf(reader, node, 0)
    if (!attributeOf(node, 'kernel_shape')) throw new RangeError('expected a kernel_shape, received none')
    if (!same(pairOf(node, 'dilations', 1), [1, 1])) throw new RangeError('expected dilations [1,1]')
    expectAttribute(node, 'storage_order', 0, 0)
    const kernel = pairOf(node, 'kernel_shape', 1)
    const { padding, stride = 1, ...fields } = windowFields(node, x, kernel, [1, 1])
    if (padding === 'same') throw new RangeError(`expected pads alike on both sides, received those of SAME_UPPER`)
    const padded = padding !== undefined && padding !== 0
    if (type === 'average-pool' && padded && intOf(node, 'count_include_pad', 0) !== 0)
      throw new RangeError('expected zeros around the image not to be counted, received count_include_pad 1')
    const layer = { type, ...fields, ...(stride === fields.kernel ? {} : { stride }), ...(padding === undefined ? {} : { padding }) }
    const { shape } = make(reader, node, layer, [x])
    if (intOf(node, 'ceil_mode', 0) === 0) return
    const [vertical, horizontal] = typeof padding === 'object' ? padding : [padding ?? 0, padding ?? 0]
    const [down, across] = typeof stride === 'object' ? stride : [stride, stride]
    const places = (extent: number, zeros: number, size: number, step: number) => Math.ceil((extent + 2 * zeros - size) / step) + 1
    if (places(x.shape[1]!, vertical, kernel[0], down) !== shape[1] || places(x.shape[2]!, horizontal, kernel[1], across) !== shape[2])
      throw new RangeError('expected windows that lie within the padded image, received ceil_mode 1')
  }
}

function globalPool(type: 'global-average-pool' | 'global-max-pool'): Importer {
  return (reader, node) => {
    const data = make(reader, node, { type }, [dataOf(reader, node, 0)])
    define(reader, node, { ...data, shape: [data.shape[0]!, 1, 1] })
  }
}

function reduceMean(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const axes = has(node, 1) ? readInts(constantOf(reader, node, 1).tensor) : (attributeOf(node, 'axes')?.ints ?? [])
  const counted = axes.map((axis) => axisOf(axis, x)).toSorted((a, b) => a - b)
  if (x.shape.length !== 3 || !same(counted, [1, 2])) throw new RangeError('expected the mean over height and width of an image')
  const data = make(reader, node, { type: 'global-average-pool' }, [x])
  if (intOf(node, 'keepdims', 1) !== 0) define(reader, node, { ...data, shape: [data.shape[0]!, 1, 1] })
}

/** Another shape of a value: a layer, or the end of a pool over the whole image. */
function reshaped(reader: GraphReader, node: OnnxNode, x: Data, layer: NewLayer, shape: Shape): void {
  const { made } = x
  if (made && same(made.shape, shape) && !same(made.shape, x.shape) && joins(reader, x, node.input[0]!, node)) {
    if (reader.ours) made.name = node.name ?? ''
    define(reader, node, { ...x, shape })
  } else make(reader, node, layer, [x])
}

const sizeOf = (shape: Shape) => shape.reduce((all, extent) => all * extent, 1)

function flatten(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const axis = intOf(node, 'axis', 1)
  if (axis !== 1 && axis !== -x.shape.length) throw new RangeError(`expected axis 1, received ${axis}`)
  reshaped(reader, node, x, { type: 'flatten' }, [sizeOf(x.shape)])
}

function reshape(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const [rows, ...sizes] = readInts(constantOf(reader, node, 1).tensor)
  if (rows === undefined || sizes.length === 0) throw new RangeError('expected a shape of two axes or more')
  const shape = sizes.map((extent, i) => (extent === 0 && intOf(node, 'allowzero', 0) === 0 ? (x.shape[i] ?? 0) : extent))
  const open = shape.indexOf(-1)
  if (open >= 0) shape[open] = sizeOf(x.shape) / -sizeOf(shape)
  // The first axis stays the batch if the others hold one sample.
  if (
    shape.some((extent) => !Number.isSafeInteger(extent) || extent < 1) ||
    sizeOf(shape) !== sizeOf(x.shape) ||
    (rows === -1 && open >= 0)
  )
    throw new RangeError(`expected a shape [N, ...] of ${sizeOf(x.shape)} numbers in a sample, received [${[rows, ...sizes]}]`)
  reshaped(reader, node, x, { type: 'reshape', shape }, shape)
}

function squeeze(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const axes = has(node, 1) ? readInts(constantOf(reader, node, 1).tensor) : (attributeOf(node, 'axes')?.ints ?? [])
  const gone = new Set(axes.map((axis) => axisOf(axis, x)))
  if (gone.size === 0 || [...gone].some((axis) => x.shape[axis] !== 1))
    throw new RangeError(`expected axes of extent 1 of [N, ${x.shape}], received [${axes}]`)
  const shape = x.shape.filter((_, axis) => !gone.has(axis))
  reshaped(reader, node, x, { type: 'reshape', shape }, shape)
}

function transpose(reader: GraphReader, node: OnnxNode): void {
  const x = operandOf(reader, node, 0)
  const rank = x.kind === 'data' ? x.shape.length + 1 : x.tensor.dims.length
  const perm = attributeOf(node, 'perm')?.ints ?? Array.from({ length: Math.min(rank, 8) }, (_, i) => rank - 1 - i)
  if (x.kind === 'constant') {
    if (!same(perm, [1, 0]) || rank !== 2) throw new RangeError('expected the transpose of a matrix')
    define(reader, node, { ...x, transposed: !x.transposed })
    return
  }
  if (perm[0] !== 0) throw new RangeError(`expected an order that keeps the batch first, received [${perm}]`)
  make(reader, node, { type: 'transpose', order: perm.slice(1).map((axis) => axis - 1) }, [x])
}

function slice(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const starts = readInts(constantOf(reader, node, 1).tensor)
  const ends = readInts(constantOf(reader, node, 2).tensor)
  const axes = has(node, 3) ? readInts(constantOf(reader, node, 3).tensor) : starts.map((_, i) => i)
  const steps = has(node, 4) ? readInts(constantOf(reader, node, 4).tensor) : [1]
  if (starts.length !== 1 || ends.length !== 1 || axes.length !== 1 || !same(steps, [1]))
    throw new RangeError('expected one axis and step 1')
  const axis = axisOf(axes[0]!, x)
  const extent = x.shape[axis]!
  const within = (place: number) => Math.min(extent, Math.max(0, place < 0 ? place + extent : place))
  make(reader, node, { type: 'slice', axis, start: within(starts[0]!), end: within(ends[0]!) }, [x])
}

function concat(reader: GraphReader, node: OnnxNode): void {
  const all = allData(reader, node)
  if (!attributeOf(node, 'axis') || !all[0]) throw new RangeError('expected inputs and an axis')
  if (all.length === 1) rename(reader, node, all[0])
  else make(reader, node, { type: 'concat', axis: axisOf(intOf(node, 'axis', 1), all[0]) }, all)
}

function add(reader: GraphReader, node: OnnxNode): void {
  const [a, b] = [operandOf(reader, node, 0), operandOf(reader, node, 1)]
  if (a.kind === b.kind) {
    make(reader, node, { type: 'add' }, allData(reader, node))
    return
  }
  const x = dataOf(reader, node, a.kind === 'data' ? 0 : 1)
  const rows = constantOf(reader, node, a.kind === 'data' ? 1 : 0)
  const { made, shape } = x
  const dims = dimsOf(rows)
  const filled = [...Array<number>(Math.max(0, shape.length + 1 - dims.length)).fill(1), ...dims]
  const free = made !== undefined && same(made.shape, shape) && joins(reader, x, node.input[a.kind === 'data' ? 0 : 1]!, node)
  if (free && takesActivation(made) && 'bias' in made.layer && made.layer.bias === false) {
    const own = made.layer.type === undefined ? [...shape.map(() => 1), shape.at(-1)!] : [1, shape[0]!, 1, 1]
    if (same(filled, own)) {
      const { bias: _, ...layer } = made.layer
      made.layer = layer
      made.parts.set('bias', asIs(rows))
      if (reader.ours) made.name = node.name ?? ''
      define(reader, node, x)
      return
    }
  }
  if (shape.length !== 2 || !same(filled, [1, ...shape]))
    throw new RangeError(`expected another value, the bias of the layer before, or a row for each position, received a constant [${dims}]`)
  make(reader, node, { type: 'position' }, [x], [['weight', asIs(rows)]])
}

function multiply(reader: GraphReader, node: OnnxNode): void {
  erfForm(reader, node)
  make(reader, node, { type: 'multiply' }, allData(reader, node))
}

/** A factor or addend that the engine wants above 0. */
function positiveOf(node: OnnxNode, name: string, byDefault: number): number {
  const value = floatOf(node, name, byDefault)
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`expected a finite ${name} above 0, received ${value}`)
  return value
}

const epsilonOf = (node: OnnxNode) => positiveOf(node, 'epsilon', 1e-5)

function batchNorm(reader: GraphReader, node: OnnxNode): void {
  expectAttribute(node, 'training_mode', 0, 0)
  const names = ['weight', 'bias', 'running-mean', 'running-variance']
  const parts = names.map((name, i) => [name, asIs(constantOf(reader, node, i + 1))] as const)
  // Ours is the share of the new statistics, theirs of the old.
  const momentum = decimalOf(Math.fround(1 - floatOf(node, 'momentum', 0.9)))
  if (!(momentum >= 0 && momentum <= 1)) throw new RangeError(`expected a momentum from 0 to 1, received ${1 - momentum}`)
  make(reader, node, { type: 'batch-norm', epsilon: epsilonOf(node), momentum }, [dataOf(reader, node, 0)], parts)
}

function layerNorm(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  if (axisOf(intOf(node, 'axis', -1), x) !== x.shape.length - 1) throw new RangeError('expected the last axis alone')
  const bias: Part = has(node, 2) ? asIs(constantOf(reader, node, 2)) : { all: 0 }
  const parts = [['weight', asIs(constantOf(reader, node, 1))] as const, ['bias', bias] as const]
  make(reader, node, { type: 'layer-norm', epsilon: epsilonOf(node) }, [x], parts)
}

function instanceNorm(reader: GraphReader, node: OnnxNode): void {
  const parts = ['weight', 'bias'].map((name, i) => [name, asIs(constantOf(reader, node, i + 1))] as const)
  make(reader, node, { type: 'instance-norm', epsilon: epsilonOf(node) }, [dataOf(reader, node, 0)], parts)
}

/** A function of each number or row: part of a dense layer or convolution before it, else a layer. */
function activateOrMake(reader: GraphReader, node: OnnxNode, layer: NewLayer & { readonly type: Activation }, plain = true): void {
  const x = dataOf(reader, node, 0)
  if (plain && x.made && takesActivation(x.made) && joins(reader, x, node.input[0]!, node)) activate(reader, node, x, layer.type)
  else make(reader, node, layer, [x])
}

function activation(type: 'relu' | 'sigmoid' | 'tanh'): Importer {
  return (reader, node) => activateOrMake(reader, node, { type })
}

function softmax(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const axis = intOf(node, 'axis', reader.version < 13 ? 1 : -1)
  if (axisOf(axis, x) !== x.shape.length - 1) throw new RangeError(`expected the last axis, received ${axis}`)
  activateOrMake(reader, node, { type: 'softmax' })
}

function leakyRelu(reader: GraphReader, node: OnnxNode): void {
  const slope = positiveOf(node, 'alpha', 0.01)
  activateOrMake(reader, node, { type: 'leaky-relu', slope }, slope === 0.01)
}

const NO_ERF = 'the gelu of the error function has no layer; the one with tanh has (approximate = "tanh")'

function gelu(reader: GraphReader, node: OnnxNode): void {
  const form = textOf(node, 'approximate', 'none')
  if (form !== 'tanh') throw new RangeError(NO_ERF)
  activateOrMake(reader, node, { type: 'gelu' })
}

function erf(reader: GraphReader, node: OnnxNode): void {
  erfForm(reader, node)
  throw new RangeError(node.opType === 'Erf' ? NO_ERF : 'no layer computes it')
}

/** Other programs write that gelu as several nodes, of which the first scales. */
function erfForm(reader: GraphReader, node: OnnxNode): void {
  const next = reader.nodes[reader.at + 1]
  if (next?.opType === 'Erf' && next.input[0] === node.output[0]) throw new RangeError(NO_ERF)
}

function gather(reader: GraphReader, node: OnnxNode): void {
  const table = constantOf(reader, node, 0)
  const x = dataOf(reader, node, 1)
  const [vocabulary, width, more] = dimsOf(table)
  if (!x.tokens) throw new RangeError('expected the tokens of the input')
  if (intOf(node, 'axis', 0) !== 0 || more !== undefined || width === undefined)
    throw new RangeError(`expected rows of a table, received [${dimsOf(table)}]`)
  const { made } = make(reader, node, { type: 'embedding', vocabulary: vocabulary!, width }, [x], [['weight', asIs(table)]])
  if (!table.transposed) reader.tables.set(table.tensor, made!)
}

function dropout(reader: GraphReader, node: OnnxNode): void {
  if (has(node, 2) && !isFalse(constantOf(reader, node, 2))) throw new RangeError('expected training_mode false')
  const ratio = has(node, 1) ? constantOf(reader, node, 1).tensor : undefined
  if (ratio && checkTensor(ratio) !== 1) throw new RangeError(`expected one ratio, received [${ratio.dims}]`)
  const rate = ratio ? readFloats(ratio)[0]! : (attributeOf(node, 'ratio')?.f ?? 0.5)
  make(reader, node, { type: 'dropout', rate: decimalOf(rate) }, [dataOf(reader, node, 0)])
}

function isFalse({ tensor }: Constant): boolean {
  return checkTensor(tensor) === 1 && (tensor.rawData?.[0] ?? tensor.int32Data[0]) === 0
}

function cast(reader: GraphReader, node: OnnxNode): void {
  const x = dataOf(reader, node, 0)
  const to = intOf(node, 'to', 0)
  if (x.tokens ? to !== TYPE.int64 && to !== TYPE.int32 : to !== TYPE.float)
    throw new RangeError(`expected no change of type, received data type ${to}`)
  rename(reader, node, x)
}

/** Constants that hold a tensor never come here. */
function noConstant(): void {
  throw new RangeError('expected a tensor, or numbers, within this file')
}

/** What a node of type Constant holds; `undefined` if it holds no whole tensor of numbers. */
export function constantTensor({ attribute: [given, another] }: OnnxNode): OnnxTensor | undefined {
  if (!given || another) return undefined
  const { name, t, f, i, floats, ints } = given
  const tensor =
    name === 'value'
      ? t
      : name === 'value_float' && f !== undefined
        ? floatTensor([], Float32Array.of(f))
        : name === 'value_floats'
          ? floatTensor([floats.length], Float32Array.from(floats))
          : name === 'value_int' && i !== undefined
            ? intTensor(i)
            : name === 'value_ints'
              ? intTensor(ints)
              : undefined
  try {
    if (tensor) checkTensor(tensor)
    return tensor
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
