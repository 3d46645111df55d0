import { bytesToHex, sha256Hex } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { prepare, smallTask, TASK } from '../test/small-task.ts'
import { batchBytes, batchRoot, cutBatches, openBatch } from './batches.ts'

test('batch bytes are tag, task, number, features, labels', () => {
  const bytes = batchBytes('ab'.repeat(32), 258, new Uint8Array([1, 2, 3, 4]), new Uint8Array([8, 9]))
  expect(bytesToHex(bytes)).toBe(`01${'ab'.repeat(32)}02010000010203040809`)
  expect(openBatch(bytes, 2, 2)).toEqual({
    taskId: 'ab'.repeat(32),
    index: 258,
    features: new Uint8Array([1, 2, 3, 4]),
    labels: new Uint8Array([8, 9]),
  })
  expect(openBatch(bytes, 2, 1)).toBeUndefined()
  expect(openBatch(bytes, 3, 2)).toBeUndefined()
  expect(openBatch(bytes.subarray(1), 2, 2)).toBeUndefined()
  expect(
    openBatch(
      Uint8Array.from(bytes, (byte, i) => (i === 0 ? 0 : byte)),
      2,
      2,
    ),
  ).toBeUndefined()
})

test('segments are cut in training order, numbered through, their rests dropped', () => {
  const doc = smallTask({}, { batch: 30 })
  const { batches } = prepare(doc)
  expect(batches).toHaveLength(7 * 3)
  batches.forEach(({ hash, bytes }, index) => {
    expect(sha256Hex(bytes)).toBe(hash)
    expect(openBatch(bytes, 40, 30)).toMatchObject({ taskId: TASK, index })
  })
  expect(new Set(batches.map((batch) => batch.hash)).size).toBe(21)
  const hashes = batches.map((batch) => batch.hash)
  expect(batchRoot(hashes)).not.toBe(batchRoot([hashes[1]!, hashes[0]!, ...hashes.slice(2)]))
})

test('a segment that does not fit the document is refused', () => {
  const segment = { count: 30, features: new Uint8Array(30 * 39), labels: new Uint8Array(30) }
  expect(() => cutBatches(TASK, [segment], smallTask())).toThrow(RangeError)
})
