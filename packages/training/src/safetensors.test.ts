import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generalTask, id, smallTask, TASK } from '../test/small-task.ts'
import { evaluate } from './evaluation.ts'
import { exportOnnx } from './exchange/export-onnx.ts'
import { importOnnx } from './exchange/import-onnx.ts'
import { loadModel } from './exchange/model-file.ts'
import { predictedClasses } from './metrics/classification.ts'
import { initialModel, initialWeights } from './model.ts'
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts'
import { modelHash } from './state-bytes.ts'
import { syntheticData } from './synthetic.ts'
import { predict } from './train/predict.ts'

const TICKET = id('ticket')
const task = smallTask()
const PARAMS = 13 * 41 + 5 * 14
const example = () => encodeSafetensors(task, { taskId: TASK, ticketId: TICKET, sequence: 9, weights: initialWeights(task) })

test('the bytes are those of the published format: length, header padded to 8, tensors where the offsets say', () => {
  const bytes = example()
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const length = Number(view.getBigUint64(0, true))
  expect(length % 8).toBe(0)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  expect(Object.keys(header)).toEqual(['__metadata__', 'layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias'])
  expect(header['layers.0.weight']).toEqual({ data_offsets: [0, 2080], dtype: 'F32', shape: [13, 40] })
  expect(header['layers.0.bias']).toEqual({ data_offsets: [2080, 2132], dtype: 'F32', shape: [13] })
  expect(header['layers.1.weight']).toEqual({ data_offsets: [2132, 2392], dtype: 'F32', shape: [5, 13] })
  expect(header.__metadata__.format).toBe('pt')
  for (const value of Object.values(header.__metadata__)) expect(typeof value).toBe('string')
  expect(bytes.length).toBe(8 + length + 4 * PARAMS)
  // Row 1 of the first weight begins after 40 inputs.
  expect(view.getFloat32(8 + length + 4 * 40, true)).toBe(initialWeights(task)[40])
})

test('what was written is read back, and hashes to the same model', () => {
  const layer = fc.record({ nodes: fc.integer({ min: 1, max: 9 }), activation: fc.constantFrom('relu' as const, 'identity' as const) })
  fc.assert(
    fc.property(
      fc.array(layer, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (layers, features, sequence) => {
        const document = smallTask(
          {},
          {
            dataset: { ...task.ml.dataset, features },
            model: { ...task.ml.model, layers: layers.map((one, index) => ({ id: `l${index}`, ...one })) },
          },
        )
        const weights = initialWeights(document)
        const bytes = encodeSafetensors(document, { taskId: TASK, ticketId: TICKET, sequence, weights })
        const read = decodeSafetensors(document, bytes)!
        expect(read.weights).toEqual(weights)
        expect(modelHash(read.taskId, read.ticketId, read.sequence, read.weights)).toBe(modelHash(TASK, TICKET, sequence, weights))
        expect(encodeSafetensors(document, read)).toEqual(bytes)
      },
    ),
    { numRuns: 60 },
  )
})

test('a bought model is loaded as any other, predicts as it did, and goes on to ONNX', () => {
  const general = generalTask()
  for (const document of [task, general]) {
    const weights = initialModel(document)
    const loaded = loadModel(encodeSafetensors(document, { taskId: TASK, ticketId: TICKET, sequence: 9, weights }))
    expect(Float32Array.of(...loaded.weights, ...loaded.statistics)).toEqual(weights)
    expect(loaded.profile).toBe(document.profile)
    const { features, labels } = syntheticData(document)
    const share =
      predictedClasses(predict(loaded, features, { scale: document.ml.dataset.scale }), 5).filter((one, i) => one === labels[i]).length /
      labels.length
    const segment = { count: labels.length, features, labels }
    expect(Math.fround(share)).toBe(evaluate(document, weights, [segment]).accuracy)
    const file = exportOnnx(loaded.model, { weights: loaded.weights, states: loaded.statistics })
    expect(importOnnx(file).weights).toEqual(loaded.weights)
  }
})

test('bytes that are not exactly one model are refused, whatever they are', () => {
  const good = example()
  expect(decodeSafetensors(task, good)).toBeDefined()
  expect(decodeSafetensors(task, good.subarray(0, good.length - 1))).toBeUndefined()
  expect(decodeSafetensors(task, new Uint8Array([...good, 0]))).toBeUndefined()
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decodeSafetensors(task, bytes) === undefined))
  const dataAt = 8 + new DataView(good.buffer, good.byteOffset).getUint32(0, true)
  // Any changed byte of length or header either breaks it or names another model of other ids.
  fc.assert(
    fc.property(fc.nat(dataAt - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = good.slice()
      bad[at]! ^= change
      const read = decodeSafetensors(task, bad)
      return read === undefined || read.taskId !== TASK || read.ticketId !== TICKET || read.sequence !== 9
    }),
    { numRuns: 2000 },
  )
})

test('a header of another spelling, shape or size is refused', () => {
  const good = example()
  const length = new DataView(good.buffer, good.byteOffset).getUint32(0, true)
  const text = new TextDecoder().decode(good.subarray(8, 8 + length))
  const again = (changed: string) => {
    const header = new TextEncoder().encode(changed)
    const bytes = new Uint8Array(8 + header.length + good.length - 8 - length)
    new DataView(bytes.buffer).setUint32(0, header.length, true)
    bytes.set(header, 8)
    bytes.set(good.subarray(8 + length), 8 + header.length)
    return decodeSafetensors(task, bytes)
  }
  expect(again(text)).toBeDefined()
  expect(again(`${text}        `)).toBeUndefined()
  expect(again(text.replace('"F32"', '"F16"'))).toBeUndefined()
  expect(again(text.replace('[13,40]', '[40,13]'))).toBeUndefined()
  expect(again(text.replace('[13,40]', '[1e9,1e9]'))).toBeUndefined()
  expect(again(text.replace('{', '{"x":1,'))).toBeUndefined()
  expect(again('['.repeat(60_000))).toBeUndefined()
  expect(again('null')).toBeUndefined()
})

test('weights that no training gives are refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const weights = initialWeights(task)
    weights[3] = value
    expect(decodeSafetensors(task, encodeSafetensors(task, { taskId: TASK, ticketId: TICKET, sequence: 1, weights }))).toBeUndefined()
  }
  expect(() => encodeSafetensors(task, { taskId: TASK, ticketId: TICKET, sequence: 1, weights: new Float32Array(3) })).toThrow(RangeError)
})
