import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFrameReader, joinFrames } from './frames.ts'

const frame = fc.uint8Array({ minLength: 1, maxLength: 50 })

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (frames, cuts) => {
      const joined = joinFrames(
        frames,
        frames.reduce((sum, { length }) => sum + length, 0),
      )
      const out: Uint8Array[] = []
      const reader = createFrameReader(50, (bytes) => out.push(bytes))
      let at = 0
      for (const cut of cuts) {
        expect(reader.push(joined.subarray(at, at + cut))).toBe(true)
        at = Math.min(joined.length, at + cut)
      }
      expect(reader.push([joined.subarray(at)])).toBe(true)
      expect(out.map((bytes) => [...bytes])).toEqual(frames.map((bytes) => [...bytes]))
    }),
  )
})

test('a length of 0 or above the limit ends the reading at its fourth byte', () => {
  for (const length of [0, 51, 64 * 1024 * 1024, 0xffff_ffff]) {
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32LE(length)
    let frames = 0
    const reader = createFrameReader(50, () => frames++)
    expect(reader.push(prefix.subarray(0, 3))).toBe(true)
    expect(reader.push(prefix.subarray(3))).toBe(false)
    expect(reader.push(joinFrames([new Uint8Array(1)], 1))).toBe(false)
    expect(frames).toBe(0)
  }
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      const reader = createFrameReader(1_000, () => {})
      for (const chunk of chunks) reader.push(chunk)
    }),
  )
})
