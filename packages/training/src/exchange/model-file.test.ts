import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../test/seeded.ts'
import { defineModel } from '../layers/model.ts'
import type { TrainedModel } from '../train/predict.ts'
import { loadModel, saveModel } from './model-file.ts'

const model = defineModel({
  input: { kind: 'features', shape: [2, 3] },
  layers: [
    { id: 'norm', type: 'batch-norm' },
    { id: 'flat', type: 'flatten' },
    { id: 'out', nodes: 4, activation: 'gelu' },
  ],
  loss: { type: 'softmax-cross-entropy' },
})
const random = seeded(4)
const trained: TrainedModel = {
  model,
  weights: Float32Array.from({ length: model.params }, () => random() - 0.5),
  statistics: Float32Array.from({ length: 4 }, random),
  profile: 'bf16x',
}
const bytes = saveModel(trained)

type Entry = { dtype: string; shape: number[]; data_offsets: number[] }
type Header = { [tensor: string]: Entry } & { __metadata__?: { [key: string]: string } }

/** A file with this header before the same data, or other data. */
function file(change: (header: Header) => unknown, data?: Uint8Array): Uint8Array {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  change(header)
  const text = new TextEncoder().encode(JSON.stringify(header))
  const rest = data ?? bytes.subarray(8 + length)
  const made = new Uint8Array(8 + text.length + rest.length)
  new DataView(made.buffer).setUint32(0, text.length, true)
  made.set(text, 8)
  made.set(rest, 8 + text.length)
  return made
}

test('what was saved is loaded, model and all, and saved again to the same bytes', () => {
  const loaded = loadModel(bytes)
  expect(loaded).toEqual(trained)
  expect(saveModel(loaded)).toEqual(bytes)
})

test('half precision of either kind is read exactly', () => {
  const small = defineModel({
    input: { kind: 'features', shape: [3] },
    layers: [{ id: 'out', nodes: 2, bias: false }],
    loss: { type: 'huber' },
  })
  const entry = (dtype: string) => (header: Header) => {
    for (const key of Object.keys(header)) delete header[key]
    header['out.weight'] = { dtype, shape: [2, 3], data_offsets: [0, 12] }
  }
  // 1, -2, the smallest and the largest subnormal, the largest, infinity.
  const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0xfc00)
  expect(Array.from(loadModel(file(entry('F16'), new Uint8Array(half.buffer)), small.spec).weights)).toEqual([
    1,
    -2,
    2 ** -24,
    1023 * 2 ** -24,
    65504,
    -Infinity,
  ])
  const brain = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f7f, 0x0000, 0x4049)
  expect(Array.from(loadModel(file(entry('BF16'), new Uint8Array(brain.buffer)), small.spec).weights)).toEqual([
    1,
    -2,
    2 ** -133,
    (2 - 2 ** -7) * 2 ** 127,
    0,
    3.140625,
  ])
})

test.each<[string, (header: Header) => unknown, string]>([
  ['a tensor less', (h) => delete h['out.bias'], 'layer out: out.bias: expected shape [4], received no such tensor'],
  [
    'a tensor more',
    (h) => Object.assign(h, { more: { dtype: 'F32', shape: [0], data_offsets: [0, 0] } }),
    'tensor more: expected tensors of the model only',
  ],
  [
    'another shape',
    (h) => Object.assign(h['out.weight']!, { shape: [6, 4] }),
    'layer out: out.weight: expected shape [4,6], received [6,4]',
  ],
  [
    'another type',
    (h) => Object.assign(h['out.weight']!, { dtype: 'I64' }),
    'tensor out.weight: expected dtype F32, F16 or BF16, received I64',
  ],
  [
    'bytes outside',
    (h) => Object.assign(h['out.bias']!, { data_offsets: [1e6, 1e6 + 16] }),
    'tensor out.bias: expected 16 bytes within 144, received 1000000 to 1000016',
  ],
  ['no model', (h) => delete h.__metadata__, 'expected the model in its metadata'],
  [
    'a model that does not fit',
    (h) => Object.assign(h.__metadata__!, { 'pouw.model': '{"input":{},"loss":{},"layers":[{}]}' }),
    'input: expected kind features or tokens, received undefined',
  ],
])('%s is refused by name', (_name, change, message) => {
  expect(() => loadModel(file(change))).toThrow(message)
})

test('other bytes are refused, and never crash', () => {
  const tries = (given: Uint8Array) => {
    try {
      loadModel(given)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tries))
  fc.assert(fc.property(fc.nat(bytes.length), (length) => tries(bytes.subarray(0, length))))
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = bytes.slice()
      bad[at]! ^= change
      tries(bad)
    }),
    { numRuns: 1000 },
  )
})
