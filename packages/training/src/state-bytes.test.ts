import { bytesToHex, hexToBytes, sha256, sha256Hex } from '@pouw/crypto'
import { encodeMap } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { modelBytes, modelHash, openModel, openResidual, residualBytes, residualHash } from './state-bytes.ts'

const TASK = '00'.repeat(32)
const TICKET = '01'.repeat(32)
const WEIGHTS = new Float32Array([1, -2, 0.5])

test('vector N1 of the specification', () => {
  const model = modelHash(TASK, TICKET, 7, WEIGHTS)
  expect(model).toBe('0d1d77284d8e7a225c27a37e4f5f505748cc63985105925b50db7517bb47e9a0')
  expect(bytesToHex(modelBytes(TASK, TICKET, 7, WEIGHTS).subarray(68))).toBe('0000803f000000c00000003f')
  const map = encodeMap(new Uint32Array([0x8000_0003, 258]))
  expect(bytesToHex(map)).toBe('0300008002010000')
  const precursor = sha256(hexToBytes(model), map)
  expect(bytesToHex(precursor)).toBe('7b1a051cdb0eb56f057624aecdfb0466b3e65ef49a1dd807a547e0434ae1ced9')
  expect(sha256Hex(precursor)).toBe('04655c00bdc16c1d5003fda7755b8b68d72dbeed6befb1d3e39aa735b41ec30e')
})

test('a hash is the SHA-256 of its bytes, also for a view into larger memory', () => {
  const view = new Float32Array([9, 1, -2, 0.5, 9]).subarray(1, 4)
  expect(modelHash(TASK, TICKET, 7, view)).toBe(modelHash(TASK, TICKET, 7, WEIGHTS))
  expect(sha256Hex(modelBytes(TASK, TICKET, 7, view))).toBe(modelHash(TASK, TICKET, 7, view))
  expect(sha256Hex(residualBytes(TASK, TICKET, 7, view))).toBe(residualHash(TASK, TICKET, 7, view))
  expect(residualHash(TASK, TICKET, 7, view)).not.toBe(modelHash(TASK, TICKET, 7, view))
})

test('states open to what was written, from any alignment', () => {
  const shifted = (bytes: Uint8Array) => new Uint8Array([0, ...bytes]).subarray(1)
  const model = openModel(shifted(modelBytes(TASK, TICKET, 7, WEIGHTS)), 3)
  expect(model).toEqual({ taskId: TASK, ticketId: TICKET, sequence: 7, weights: WEIGHTS })
  const residual = openResidual(shifted(residualBytes(TASK, TICKET, 0, new Float32Array([-0, 3e-45]))), 2)
  expect(residual?.residual).toEqual(new Float32Array([-0, 3e-45]))
})

test('wrong sizes, a wrong tag and values that are not finite are refused', () => {
  const bytes = modelBytes(TASK, TICKET, 7, WEIGHTS)
  expect(openModel(bytes, 2)).toBeUndefined()
  expect(openModel(bytes.subarray(0, -1), 3)).toBeUndefined()
  expect(openModel(new Uint8Array(0), 3)).toBeUndefined()
  expect(openResidual(bytes, 3)).toBeUndefined()
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(openModel(modelBytes(TASK, TICKET, 7, new Float32Array([1, bad, 2])), 3)).toBeUndefined()
    expect(openResidual(residualBytes(TASK, TICKET, 7, new Float32Array([1, 2, bad])), 3)).toBeUndefined()
  }
  expect(openModel(modelBytes(TASK, TICKET, 7, new Float32Array([3e38, 3e38, -3e38])), 3)).toBeDefined()
})

test('numbers that travel as bf16 take two bytes, come back as they were, and lose nothing silently', () => {
  const weights = Float32Array.of(1.5, -0.25, 3, 0.1)
  const ids = [TASK, TICKET, 7] as const
  const bytes = modelBytes(...ids, weights, 3)
  expect(bytes.length).toBe(68 + 3 * 2 + 4)
  expect(openModel(bytes, 4, 3)!.weights).toEqual(weights)
  expect(sha256Hex(bytes)).toBe(modelHash(...ids, weights, 3))
  const residual = residualBytes(...ids, weights, 2)
  expect(openResidual(residual, 4, 2)!.residual).toEqual(weights)
  expect(sha256Hex(residual)).toBe(residualHash(...ids, weights, 2))
  expect(openModel(bytes, 4)).toBeUndefined()
  expect(openModel(bytes, 4, 2)).toBeUndefined()
  expect(openModel(modelBytes(...ids, Float32Array.of(Infinity), 1), 1, 1)).toBeUndefined()
  expect(() => modelBytes(...ids, weights, 4)).toThrow('expected bf16 numbers')
})
