import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as ort from 'onnxruntime-web'
import { expect, test } from 'vitest'
import { answers, example } from '../../test/exchange-models.ts'
import { type Foreign, foreign, foreignModel, initializer } from '../../test/foreign-onnx.ts'
import { gpt } from '../architectures/gpt.ts'
import { defineModel } from '../layers/model.ts'
import { exportOnnx } from './export-onnx.ts'
import { importOnnx } from './import-onnx.ts'
import { encodeOnnx } from './onnx-file.ts'
import { TYPE } from './onnx-messages.ts'

ort.env.wasm.numThreads = 1
ort.env.logLevel = 'error'

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)))

/** Reads a file and holds its answers against the runtime's, in units of the largest or of 1; answers the layers by type. */
async function read(bytes: Uint8Array): Promise<string[]> {
  const { model: spec, weights, states } = importOnnx(bytes, { loss: { type: 'mean-squared-error' } })
  const one = example(spec, 2)
  const ours = answers(one, defineModel(spec), weights, states)
  const session = await ort.InferenceSession.create(bytes)
  const dims = [2, ...one.model.declared.inputShape]
  const input =
    spec.input.kind === 'tokens'
      ? new ort.Tensor('int64', BigInt64Array.from(one.tokens, BigInt), dims)
      : new ort.Tensor('float32', one.features, dims)
  const result = await session.run({ [session.inputNames[0]!]: input })
  const theirs = result[session.outputNames[0]!]!.data as Float32Array
  await session.release()
  expect(theirs.length).toBe(ours.length)
  const scale = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
  const found = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / scale
  expect(found).toBeLessThanOrEqual(1e-5)
  return spec.layers.map(({ type = 'dense' }) => type)
}

test('files of PyTorch 1.13: a residual net with its norms, and a sequence with a layer norm in nine nodes', async () => {
  const layers = await read(fixture('residual-torch.onnx'))
  expect(layers.filter((type) => type === 'batch-norm')).toHaveLength(5)
  expect(layers.at(-1)).toBe('dense')
  expect(await read(fixture('sequence-torch.onnx'))).toEqual(['embedding', 'position', 'dense', 'layer-norm', 'dense'])
})

const cases: readonly (readonly [name: string, layers: string, Foreign])[] = [
  [
    'Gemm either way round',
    'dense dense',
    {
      input: [4],
      nodes: [
        ['Gemm', 'x w b', 'a'],
        ['Relu', 'a', 'r'],
        ['Gemm', 'r v', 'y', { transB: 1, alpha: { f: 1 } }],
      ],
      constants: [initializer('w', [4, 5]), initializer('b', [5]), initializer('v', [3, 5])],
    },
  ],
  [
    'matrices as Keras writes them, the bias on either side',
    'dense dense',
    {
      input: [4],
      nodes: [
        ['MatMul', 'x w', 'a'],
        ['Add', 'b a', 'c'],
        ['Sigmoid', 'c', 's'],
        ['MatMul', 's v', 'd'],
        ['Add', 'd e', 'y'],
      ],
      constants: [initializer('w', [4, 5]), initializer('b', [5]), initializer('v', [5, 2]), initializer('e', [1, 2])],
    },
  ],
  [
    'an image in Keras order, automatic padding, the bias of a convolution by itself',
    'transpose conv2d max-pool average-pool global-average-pool dense',
    {
      input: [9, 8, 3],
      nodes: [
        ['Transpose', 'x', 't', { perm: [0, 3, 1, 2] }],
        ['Conv', 't w', 'c', { auto_pad: 'SAME_UPPER', strides: [2, 2], kernel_shape: [2, 3] }],
        ['Add', 'c b', 'd'],
        ['LeakyRelu', 'd', 'e'],
        ['MaxPool', 'e', 'f', { kernel_shape: [2, 2], strides: [1, 1] }],
        ['AveragePool', 'f', 'g', { kernel_shape: [2, 2], strides: [2, 2], pads: [1, 0, 1, 0], auto_pad: 'NOTSET' }],
        ['ReduceMean', 'g', 'h', { axes: [2, 3] }],
        ['Squeeze', 'h axes', 'i'],
        ['Gemm', 'i v', 'j'],
        ['Tanh', 'j', 'y'],
      ],
      constants: [
        initializer('w', [4, 3, 2, 3]),
        initializer('b', [1, 4, 1, 1]),
        initializer('v', [4, 3]),
        initializer('axes', [2], [2, 3], TYPE.int64),
      ],
    },
  ],
  [
    'shapes: reshapes with -1 and 0, a slice from the end, a concatenation, a product, norms and dropout',
    'reshape slice slice concat multiply transpose layer-norm flatten batch-norm dropout dense',
    {
      input: [6, 4],
      version: 17,
      nodes: [
        ['Identity', 'x', 'i'],
        ['Reshape', 'i shape', 'a'],
        ['Slice', 'a from to axis', 'b'],
        ['Slice', 'a zero one axis', 'c'],
        ['Concat', 'b c', 'd', { axis: -2 }],
        ['Mul', 'd d', 'e'],
        ['Transpose', 'e', 'f', { perm: [0, 2, 1] }],
        ['LayerNormalization', 'f scale', 'g'],
        ['Flatten', 'g', 'h'],
        ['BatchNormalization', 'h s o m v', 'j'],
        ['Dropout', 'j', 'k'],
        ['Gemm', 'k w', 'y', { transB: 1 }],
      ],
      constants: [
        initializer('shape', [3], [0, -1, 8], TYPE.int64),
        initializer('from', [1], [-2], TYPE.int64),
        initializer('to', [1], [2 ** 53 - 1], TYPE.int64),
        initializer('axis', [1], [1], TYPE.int64),
        initializer('zero', [1], [0], TYPE.int64),
        initializer('one', [1], [1], TYPE.int64),
        initializer('scale', [3]),
        ...['s', 'o', 'm'].map((name) => initializer(name, [24])),
        initializer('v', [24], Array<number>(24).fill(0.75)),
        initializer('w', [2, 24]),
      ],
    },
  ],
  [
    'pools over the whole image that go on as images, and a sum of three',
    'conv2d global-average-pool reshape conv2d global-max-pool add dense',
    {
      input: [2, 5, 5],
      nodes: [
        ['Conv', 'x w', 'a', { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }],
        ['GlobalAveragePool', 'a', 'b'],
        ['Conv', 'b v', 'c'],
        ['GlobalMaxPool', 'c', 'd'],
        ['Flatten', 'd', 'e'],
        ['Sum', 'e e e', 'f'],
        ['Gemm', 'f u', 'y'],
      ],
      constants: [initializer('w', [4, 2, 3, 3]), initializer('v', [3, 4, 1, 1]), initializer('u', [3, 2])],
    },
  ],
  [
    'tokens, and a head that is the table',
    'embedding dense softmax',
    {
      input: [5],
      tokens: true,
      nodes: [
        ['Cast', 'x', 'i', { to: TYPE.int32 }],
        ['Gather', 'table i', 'a'],
        ['Transpose', 'table', 't', { perm: [1, 0] }],
        ['MatMul', 'a t', 'b'],
        ['Identity', 'b', 'c'],
        ['Softmax', 'b', 'y', { axis: 2 }],
        ['Relu', 'c', 'unused'],
        ['Identity', 'y', 'z'],
      ],
      constants: [initializer('table', [7, 4])],
    },
  ],
]

test.each(cases)('%s', async (_, layers, graph) => {
  expect((await read(foreign(graph))).join(' ')).toBe(layers)
})

test('a table that is also the head stays one', () => {
  const { model, weights } = importOnnx(foreign(cases.at(-1)![2]))
  expect(model.layers[1]).toMatchObject({ nodes: 7, tied: model.layers[0]!.id })
  expect(weights).toHaveLength(28)
})

test.each<[string, Foreign, string]>([
  [
    'an operator that no layer has, before another',
    {
      input: [4],
      nodes: [
        ['Relu', 'x', 'a'],
        ['Softplus', 'a', 'b'],
        ['LSTM', 'b', 'y'],
      ],
    },
    'node /1/Softplus (Softplus): not supported: no layer computes it',
  ],
  [
    'gelu of the error function as one node',
    { input: [4], version: 20, nodes: [['Gelu', 'x', 'y']] },
    'node /0/Gelu (Gelu): not supported: the gelu of the error function has no layer; the one with tanh has (approximate = "tanh")',
  ],
  [
    'gelu of the error function as several',
    {
      input: [4],
      nodes: [
        ['Div', 'x r', 'a'],
        ['Erf', 'a', 'b'],
      ],
      constants: [initializer('r', [], [1.5])],
    },
    'node /0/Div (Div): not supported: the gelu of the error function has no layer; the one with tanh has (approximate = "tanh")',
  ],
  [
    'pads that no pair says',
    { input: [1, 5, 5], nodes: [['Conv', 'x w', 'y', { pads: [1, 0, 0, 0] }]], constants: [initializer('w', [1, 1, 3, 3])] },
    'node /0/Conv (Conv): not supported: expected pads alike on both sides, or those of SAME_UPPER, received [1,0,0,0]',
  ],
  [
    'zeros that are counted',
    { input: [1, 4, 4], nodes: [['AveragePool', 'x', 'y', { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }]] },
    'node /0/AveragePool (AveragePool): not supported: expected zeros around the image not to be counted, received count_include_pad 1',
  ],
  [
    'a window that passes the image',
    { input: [1, 4, 4], nodes: [['MaxPool', 'x', 'y', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }]] },
    'node /0/MaxPool (MaxPool): not supported: expected windows that lie within the padded image, received ceil_mode 1',
  ],
  [
    'a constant that is no bias',
    { input: [4], nodes: [['Add', 'x b', 'y']], constants: [initializer('b', [4])] },
    'node /0/Add (Add): not supported: expected another value, the bias of the layer before, or a row for each position, received a constant [4]',
  ],
  [
    'a scaled product',
    { input: [4], nodes: [['Gemm', 'x w', 'y', { alpha: { f: 2 } }]], constants: [initializer('w', [4, 4])] },
    'node /0/Gemm (Gemm): not supported: expected alpha 1, received 2',
  ],
  [
    'a weight of another width',
    { input: [4], nodes: [['Gemm', 'x w', 'y']], constants: [initializer('w', [5, 4])] },
    'node /0/Gemm (Gemm): not supported: expected weight [4,4], received [4,5]',
  ],
  [
    'a slope that the engine has not',
    { input: [4], nodes: [['LeakyRelu', 'x', 'y', { alpha: { f: 0 } }]] },
    'node /0/LeakyRelu (LeakyRelu): not supported: expected a finite alpha above 0, received 0',
  ],
  [
    'a value that nobody makes',
    { input: [4], nodes: [['Relu', 'z', 'y']] },
    'node /0/Relu (Relu): not supported: expected an output of an earlier node as input 0, received z',
  ],
  [
    'an unlike sum',
    {
      input: [4, 3],
      nodes: [
        ['Flatten', 'x', 'a'],
        ['Add', 'a x', 'y'],
      ],
    },
    'node /1/Add (Add): not supported: expected inputs of one shape [12], received [4,3]',
  ],
  [
    'tokens without a table',
    { input: [4], tokens: true, nodes: [['Relu', 'x', 'y']] },
    'node /0/Relu (Relu): not supported: expected numbers, received tokens',
  ],
  [
    'old operators',
    { input: [4], version: 9, nodes: [['Relu', 'x', 'y']] },
    'importOnnx: expected operators of version 10 to 24, received 9',
  ],
  [
    'a size that varies',
    { input: [0, 4], nodes: [['Relu', 'x', 'y']] },
    'importOnnx: input x: expected a batch and then fixed sizes, received [batch,0,4] of data type 1',
  ],
])('refuses %s', (_, graph, message) => {
  expect(() => importOnnx(foreign(graph))).toThrow(new RangeError(message))
})

test('refuses data that lie elsewhere, that are fewer than said, or that would be copied without end', () => {
  const graph: Foreign = { input: [4], nodes: [['Gemm', 'x w', 'y']], constants: [initializer('w', [4, 4])] }
  const model = foreignModel(graph)
  const changed = (w: object) => () =>
    importOnnx(encodeOnnx({ ...model, graph: { ...model.graph!, initializer: [{ ...model.graph!.initializer[0]!, ...w }] } }))
  expect(changed({})().weights).toHaveLength(16)
  expect(changed({ dataLocation: 1 })).toThrow('importOnnx: initializer w: expected data in this file, received external data')
  expect(changed({ externalData: [{ key: 'location', value: '/etc/passwd' }] })).toThrow('received external data')
  expect(changed({ dims: [2 ** 20, 2 ** 20] })).toThrow('expected at most 1073741824 numbers')
  expect(changed({ dims: Array<number>(9).fill(1) })).toThrow('expected at most 8 axes, received 9')
  expect(changed({ dims: [4, 5] })).toThrow('expected 20 numbers for [4,5], received 16')
  expect(changed({ dataType: TYPE.double, floatData: [], doubleData: Array<number>(16).fill(1) })).toThrow('received data type 11')
  // One matrix of a million numbers, in forty layers.
  const many: Foreign = {
    input: [1000],
    nodes: Array.from({ length: 40 }, (_, i) => ['Gemm', `${i === 0 ? 'x' : `v${i - 1}`} w`, `v${i}`] as const),
    constants: [{ ...initializer('w', [1000, 1000], []), floatData: [], rawData: new Uint8Array(4_000_000) }],
  }
  expect(() => importOnnx(foreign(many))).toThrow('importOnnx: expected at most 17777216 numbers in all layers, received 40000000')
})

test('a file that is cut or changed loads or is refused with a RangeError, whatever it is', () => {
  const small = example(gpt({ layers: 1, heads: 2, width: 4, time: 3, vocabulary: 5 }))
  const goods = [exportOnnx(small.model, small), fixture('residual-torch.onnx'), ...cases.map(([, , graph]) => foreign(graph))]
  let loaded = 0
  const attempt = (bytes: Uint8Array) => {
    try {
      importOnnx(bytes)
      loaded++
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
    return true
  }
  for (const good of goods) {
    for (let length = 0; length < good.length; length += 13) attempt(good.subarray(0, length))
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length - 1), (at, change, also) => {
        const bad = good.slice()
        bad[at]! ^= change
        attempt(bad)
        bad[also]! ^= change
        return attempt(bad)
      }),
      { numRuns: 400 },
    )
  }
  // Changed weights are another model's, so some of them load.
  expect(loaded).toBeGreaterThan(100)
})
