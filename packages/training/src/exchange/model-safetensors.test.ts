import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Example, example, layerModels } from '../../test/exchange-models.ts'
import { bits } from '../../test/seeded.ts'
import { gpt } from '../architectures/gpt.ts'
import { resnet } from '../architectures/resnet.ts'
import { loadModel } from './model-file.ts'
import { loadSafetensors, saveSafetensors } from './model-safetensors.ts'

const save = ({ model, weights, states }: Example) => saveSafetensors(model, weights, states)
const small = example(gpt({ layers: 1, heads: 2, width: 8, time: 3, vocabulary: 7 }))

test('every model comes back, spec and all', () => {
  for (const [name, spec] of [...layerModels, ['gpt', small.model.spec] as const]) {
    const one = example(spec)
    const bytes = save(one)
    const back = loadModel(bytes)
    expect(back.model.spec, name).toEqual(JSON.parse(JSON.stringify(spec)))
    expect(bits(back.weights), name).toEqual(bits(one.weights))
    expect(bits(back.statistics), name).toEqual(bits(one.states))
    expect(loadSafetensors(one.model, bytes)).toEqual({ weights: back.weights, states: back.statistics })
    expect(saveSafetensors(back.model, back.weights, back.statistics)).toEqual(bytes)
  }
})

test('the millions of a residual net, with running statistics', () => {
  const one = example(resnet({ depth: 18, stem: 'cifar' }))
  const bytes = save(one)
  const { weights, statistics: states } = loadModel(bytes)
  expect(Buffer.compare(new Uint8Array(weights.buffer), new Uint8Array(one.weights.buffer))).toBe(0)
  expect(Buffer.compare(new Uint8Array(states.buffer), new Uint8Array(one.states.buffer))).toBe(0)
})

/** A file of these tensors; each gives dtype, shape and 16-bit or 32-bit words. */
function file(tensors: Record<string, readonly [dtype: string, shape: readonly number[], words: Uint16Array | Uint32Array]>): Uint8Array {
  let end = 0
  const entries = Object.entries(tensors).map(([name, [dtype, shape, words]]) => {
    const from = end
    end += words.byteLength
    return [name, { dtype, shape, data_offsets: [from, end] }]
  })
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const bytes = new Uint8Array(8 + header.length + end)
  new DataView(bytes.buffer).setUint32(0, header.length, true)
  bytes.set(header, 8)
  let at = 8 + header.length
  for (const [, , words] of Object.values(tensors)) {
    bytes.set(new Uint8Array(words.buffer), at)
    at += words.byteLength
  }
  return bytes
}

const dense = example({ input: { kind: 'features', shape: [3] }, layers: [{ id: 'a', nodes: 2 }], loss: { type: 'huber' } }).model

test('halves are widened without loss', () => {
  // 1, -2, the largest and the smallest of each kind, infinity, and a NaN.
  const half = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x0400)
  const brain = Uint16Array.of(0x3f80, 0xff80)
  const { weights } = loadSafetensors(dense, file({ 'a.weight': ['F16', [2, 3], half], 'a.bias': ['BF16', [2], brain] }))
  expect([...weights]).toEqual([1, -2, 65504, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, 1, Number.NEGATIVE_INFINITY])
  const strange = loadSafetensors(
    dense,
    file({
      'a.weight': ['F16', [2, 3], Uint16Array.of(0x7c00, 0xfc00, 0x7e01, 0x8000, 0, 0x0200)],
      'a.bias': ['F32', [2], Uint32Array.of(0x7fa00001, 1)],
    }),
  )
  expect([...new Uint32Array(strange.weights.buffer)]).toEqual([
    0x7f800000, 0xff800000, 0x7fc02000, 0x80000000, 0, 0x38000000, 0x7fa00001, 1,
  ])
})

test('what does not fit is named with its layer and both shapes', () => {
  const words = (n: number) => new Uint32Array(n)
  const load = (tensors: Parameters<typeof file>[0]) => () => loadSafetensors(dense, file(tensors))
  expect(load({ 'a.weight': ['F32', [3, 2], words(6)], 'a.bias': ['F32', [2], words(2)] })).toThrow(
    new RangeError('layer a: a.weight: expected shape [2,3], received [3,2]'),
  )
  expect(load({ 'a.weight': ['F32', [2, 3], words(6)] })).toThrow(
    new RangeError('layer a: a.bias: expected shape [2], received no such tensor'),
  )
  expect(load({ 'a.weight': ['F32', [2, 3], words(6)], 'a.bias': ['F32', [2], words(2)], c: ['F32', [1], words(1)] })).toThrow(
    new RangeError('tensor c: expected tensors of the model only'),
  )
  expect(load({ 'a.weight': ['I32', [2, 3], words(6)] })).toThrow(
    new RangeError('tensor a.weight: expected dtype F32, F16 or BF16, received I32'),
  )
  expect(load({ 'a.weight': ['F32', [2, 3], words(5)] })).toThrow(/expected 24 bytes within 20/)
  expect(() => loadModel(file({ a: ['F32', [1], words(1)] }))).toThrow(/expected the model in its metadata/)
  // Two tensors in the same bytes, and bytes in none.
  const good = file({ 'a.weight': ['F32', [2, 3], words(6)], 'a.bias': ['F32', [2], words(2)] })
  const moved = (from: string, to: string) => {
    const at = Buffer.from(good).indexOf(from)
    const bad = good.slice()
    bad.set(new TextEncoder().encode(to), at)
    return () => loadSafetensors(dense, bad)
  }
  expect(moved('[24,32]', '[16,24]')).toThrow('safetensors: expected the next tensor at byte 24, received 16')
  expect(() => loadSafetensors(dense, new Uint8Array([...good, 0]))).toThrow('safetensors: expected 32 bytes of tensors, received 33')
  expect(() => saveSafetensors(dense, new Float32Array(7))).toThrow(/expected 8 weights, received 7/)
})

test('a file that is cut, lengthened or changed loads or is refused, and takes no more memory than it has bytes', () => {
  const good = save(small)
  const attempt = (bytes: Uint8Array) => {
    try {
      return loadModel(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
      return undefined
    }
  }
  for (let length = 0; length < good.length; length += 7) expect(attempt(good.subarray(0, length))).toBeUndefined()
  expect(attempt(new Uint8Array([...good, 0]))).toBeUndefined()
  const header = 8 + new DataView(good.buffer, good.byteOffset).getUint32(0, true)
  fc.assert(
    fc.property(fc.nat(header - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = good.slice()
      bad[at]! ^= change
      const read = attempt(bad)
      return read === undefined || read.weights.length === small.weights.length
    }),
    { numRuns: 2000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => attempt(bytes) === undefined))
})

test('a spec of other keys or kinds is refused by name', () => {
  const good = save(small)
  const length = new DataView(good.buffer, good.byteOffset).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(good.subarray(8, 8 + length)))
  const changed = (change: (spec: { layers: Record<string, unknown>[]; [key: string]: unknown }) => void) => () => {
    const spec = JSON.parse(header.__metadata__['pouw.model'])
    change(spec)
    const text = new TextEncoder().encode(JSON.stringify({ ...header, __metadata__: { 'pouw.model': JSON.stringify(spec) } }))
    const bytes = new Uint8Array(8 + text.length + good.length - 8 - length)
    new DataView(bytes.buffer).setUint32(0, text.length, true)
    bytes.set(text, 8)
    bytes.set(good.subarray(8 + length), 8 + text.length)
    return loadModel(bytes)
  }
  expect(changed(() => {})().weights).toEqual(small.weights)
  expect(changed((spec) => (spec.layers[0]!.type = 'lstm'))).toThrow('layer token: expected a known type of layer, received lstm')
  expect(changed((spec) => (spec.layers[0]!.width = '8'))).toThrow('layer token: width: expected another value, received 8')
  expect(changed((spec) => (spec.layers[0]!.depth = 8))).toThrow('layer token: expected no key depth')
  expect(changed((spec) => delete spec.layers[0]!.width)).toThrow('layer token: width: expected another value, received undefined')
  expect(changed((spec) => (spec.loss = { type: 'hinge' }))).toThrow('loss: expected a known type, received hinge')
  expect(changed((spec) => (spec.input = { kind: 'tokens', length: 3 }))).toThrow('input: vocabulary: expected another value')
  expect(changed((spec) => (spec.extra = 1))).toThrow('model: expected the keys input, layers, loss')
  expect(changed((spec) => (spec.layers[1]!.type = 'reshape'))).toThrow('layer position: shape: expected another value')
})
