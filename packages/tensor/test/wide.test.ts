import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelBytes, wideBytes } from '../build/kernels.js'
import type { Kernels } from '../src/kernels.ts'
import { leastMs } from '../src/wide/host-node.ts'
import { installTiles, isWorthIt, type Widened, wrongTile } from '../src/wide/tiles.ts'
import { wide } from '../src/wide/wide.ts'
import { seeded } from './seeded.ts'

type Exports = Kernels & Widened & { readonly memory: WebAssembly.Memory }

/** An instance of the kernels, with tiles of `module` if there is one; as this host compiles it or any other. */
function kernels(module?: WebAssembly.Module): Exports {
  const exports = new WebAssembly.Instance(new WebAssembly.Module(kernelBytes)).exports as unknown as Exports
  exports.memory.grow(64)
  if (module) installTiles(exports, module, exports.memory)
  return exports
}

const hex = (buffer: ArrayBuffer, at: number, length: number) => Buffer.from(buffer.slice(at, at + length)).toString('hex')

test('products of all three kinds and any size have the same bits by the tiles of the kernels and by those of the module beside them', () => {
  const [own, beside] = [kernels(), kernels(wide?.single ?? new WebAssembly.Module(wideBytes))]
  const [A, B, C, SCRATCH] = [2 ** 16, 2 ** 19, 2 ** 20, 2 ** 21]
  expect(SCRATCH + own.gemmScratchBytes()).toBeLessThan(own.memory.buffer.byteLength)
  const kind = fc.constantFrom('gemmNT', 'gemmNN', 'gemmTN')
  const extent = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 96, 256))
  fc.assert(
    fc.property(kind, extent, extent, fc.integer({ min: 1, max: 300 }), fc.nat(), (name, m, n, k, seed) => {
      const found = [own, beside].map((exports) => {
        const random = seeded(seed)
        for (const at of [A, B]) {
          const operand = new Float32Array(exports.memory.buffer, at, 300 * 300)
          for (let i = 0; i < operand.length; i++) operand[i] = random() * 2 - 1
        }
        exports[name](m, n, k, A, B, C, SCRATCH)
        return hex(exports.memory.buffer as ArrayBuffer, C, 4 * Math.max(m * n, m * k, n * k))
      })
      expect(found[1]).toBe(found[0])
    }),
    { numRuns: 60 },
  )
})

test('tiles as any compiler makes them are right, and one wrong operation is found', () => {
  const compile = (bytes: Uint8Array<ArrayBuffer>) => wrongTile(new WebAssembly.Module(bytes), new WebAssembly.Memory({ initial: 1 }))
  expect(compile(wideBytes)).toBeUndefined()
  /** Every f32x4.mul, say, becomes an addition. */
  const changed = (from: number, to: number) => {
    const bytes = wideBytes.slice()
    for (let i = 0; i + 2 < bytes.length; i++) if (bytes[i] === 0xfd && bytes[i + 1] === from && bytes[i + 2] === 1) bytes[i + 1] = to
    expect(bytes).not.toEqual(wideBytes)
    return bytes
  }
  const [f32Mul, f32Sub, f32Add, i32Dot, i32Mul] = [0xe6, 0xe5, 0xe4, 0xba, 0xb5] as const
  expect(compile(changed(f32Mul, f32Add))).toMatch(/^(store|add)Floats(8|16) of depth \d+, place \d+$/)
  expect(compile(changed(f32Add, f32Sub))).toMatch(/^(store|add)Floats/)
  expect(compile(changed(i32Dot, i32Mul))).toMatch(/^(store|add)Pairs/)
})

test.skipIf(!wide)('what this process multiplies with is right and worth it, in a memory of one thread and in a shared one', () => {
  const [memory, shared] = [new WebAssembly.Memory({ initial: 1 }), new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true })]
  expect(wrongTile(wide!.single, memory)).toBeUndefined()
  expect(wrongTile(wide!.threaded, shared)).toBeUndefined()
  expect(isWorthIt(wide!.single, memory, leastMs)).toBe(true)
})
