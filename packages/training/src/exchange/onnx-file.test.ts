import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeOnnx, encodeOnnx } from './onnx-file.ts'
import { ATTRIBUTE, type OnnxModel, type OnnxTensor, TYPE } from './onnx-messages.ts'

const tensor = (fields: Partial<OnnxTensor>): OnnxTensor => ({
  dims: [],
  floatData: [],
  int32Data: [],
  int64Data: [],
  doubleData: [],
  externalData: [],
  ...fields,
})

const attribute = { floats: [], ints: [], strings: [] }

const model: OnnxModel = {
  irVersion: 9,
  producerName: 'pouw',
  graph: {
    name: 'net',
    node: [
      {
        input: ['x', 'w', ''],
        output: ['y'],
        name: 'first',
        opType: 'Gemm',
        attribute: [
          { ...attribute, name: 'transB', i: -1, type: ATTRIBUTE.int },
          { ...attribute, name: 'alpha', f: 0.5, type: ATTRIBUTE.float },
          { ...attribute, name: 'pads', ints: [0, -3, 2 ** 40], type: ATTRIBUTE.ints },
          { ...attribute, name: 'value', t: tensor({ dims: [2], dataType: TYPE.double, doubleData: [1e300, -0] }), type: ATTRIBUTE.tensor },
          { ...attribute, name: 'approximate', s: new Uint8Array([116, 97]), type: ATTRIBUTE.string },
        ],
      },
    ],
    initializer: [tensor({ name: 'w', dims: [1, 2], dataType: TYPE.float, rawData: new Uint8Array(8).fill(7) })],
    sparseInitializer: [],
    input: [{ name: 'x', type: { tensorType: { elemType: TYPE.float, shape: { dim: [{ dimParam: 'batch' }, { dimValue: 2 }] } } } }],
    output: [],
  },
  opsetImport: [{ domain: '', version: 20 }],
  metadataProps: [{ key: 'loss', value: 'ü' }],
}

test('a model is read back as it was written', () => {
  expect(decodeOnnx(encodeOnnx(model))).toEqual({ ok: true, model })
})

test('the bytes are those of the format', () => {
  const small = { irVersion: 9, opsetImport: [{ version: 300 }], metadataProps: [] }
  expect([...encodeOnnx(small)]).toEqual([0x08, 9, 0x42, 3, 0x10, 0xac, 0x02])
  // Lists of numbers may come packed or one by one: `dims` of an initializer, both ways.
  const graph = (...bytes: number[]) => new Uint8Array([0x3a, bytes.length + 2, 0x2a, bytes.length, ...bytes])
  for (const bytes of [graph(0x0a, 2, 5, 6), graph(0x08, 5, 0x08, 6)]) {
    const read = decodeOnnx(bytes)
    expect(read.ok && read.model.graph!.initializer[0]!.dims).toEqual([5, 6])
  }
})

test('fields that nobody asked for are passed over', () => {
  // 99: varint, fixed64, bytes, group, fixed32; then the version.
  const unknown = [0x98, 6, 1, 0x99, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 6, 1, 5, 0x9b, 6, 0x08, 1, 0x9c, 6, 0x9d, 6, 0, 0, 0, 0]
  const read = decodeOnnx(new Uint8Array([...unknown, 0x08, 9]))
  expect(read.ok && read.model.irVersion).toBe(9)
})

test('bytes that are no model are refused with a reason, whatever they are', () => {
  const good = encodeOnnx(model)
  for (let length = 1; length < good.length; length++) {
    const read = decodeOnnx(good.subarray(0, length))
    if (read.ok) expect(encodeOnnx(read.model)).toEqual(good.slice(0, length))
  }
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = good.slice()
      bad[at]! ^= change
      const read = decodeOnnx(bad)
      return read.ok || read.error.startsWith('not an ONNX file: ')
    }),
    { numRuns: 2000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof decodeOnnx(bytes).ok === 'boolean'))
})

test('a small file cannot ask for much memory', () => {
  // Empty nodes, each two bytes.
  const body = new Uint8Array(600_000)
  for (let i = 0; i < body.length; i += 2) body[i] = 0x0a
  const length = [0x3a, ...varint(body.length)]
  const bytes = new Uint8Array(length.length + body.length)
  bytes.set(length)
  bytes.set(body, length.length)
  expect(decodeOnnx(bytes)).toEqual({ ok: false, error: 'not an ONNX file: expected at most 16777216 numbers, or 262144 messages' })
  // A length that passes the end of the file.
  expect(decodeOnnx(new Uint8Array([0x3a, 0xff, 0xff, 0xff, 0x7f])).ok).toBe(false)
  // Groups within groups.
  expect(decodeOnnx(new Uint8Array(100_000).fill(0x9b, 0)).ok).toBe(false)
})

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
}
