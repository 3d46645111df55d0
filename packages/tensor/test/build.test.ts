import { createHash } from 'node:crypto'
import binaryen from 'assemblyscript/binaryen'
import { expect, test } from 'vitest'
import { kernelBytes, kernelVersion, threadedKernelBytes, threadedKernelVersion, threadedWideBytes, wideBytes } from '../build/kernels.js'
import { compileKernels } from '../build.mjs'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Whether a module stays inside strict SIMD: its features, and no operation with a name of the relaxed proposal. */
function strict(bytes: Uint8Array): boolean {
  const module = binaryen.readBinary(bytes)
  const text = module.emitText()
  module.setFeatures(binaryen.Features.All & ~binaryen.Features.RelaxedSIMD)
  const valid = module.validate() === 1
  module.dispose()
  return valid && !/relaxed_/.test(text)
}

test('the kernels hold no relaxed operation, and the check can fail', () => {
  expect([kernelBytes, threadedKernelBytes, wideBytes, threadedWideBytes].map(strict)).toEqual([true, true, true, true])
  const text = (op: string) => `(module (func (param v128 v128 v128) (result v128) ${op}))`
  const fused = '(f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))'
  const plain = '(f32x4.add (f32x4.mul (local.get 0) (local.get 1)) (local.get 2))'
  const assemble = (source: string) => {
    const module = binaryen.parseText(source)
    module.setFeatures(binaryen.Features.All)
    return module.emitBinary()
  }
  expect(strict(assemble(text(plain)))).toBe(true)
  expect(strict(assemble(text(fused)))).toBe(false)
})

test('the kernels import nothing, those for threads one shared memory, and both are what their versions say', () => {
  expect(WebAssembly.Module.imports(new WebAssembly.Module(kernelBytes))).toEqual([])
  expect(WebAssembly.Module.imports(new WebAssembly.Module(threadedKernelBytes))).toEqual([
    { module: 'env', name: 'memory', kind: 'memory' },
  ])
  expect([kernelBytes, threadedKernelBytes].map(sha256)).toEqual([kernelVersion, threadedKernelVersion])
})

test('two builds give the same bytes as the built modules', async () => {
  const single = [await compileKernels('single'), await compileKernels('single')]
  const threaded = [await compileKernels('threaded'), await compileKernels('threaded')]
  expect(single.map(sha256)).toEqual([kernelVersion, kernelVersion])
  expect(threaded.map(sha256)).toEqual([threadedKernelVersion, threadedKernelVersion])
  const wide = [await compileKernels('wide'), await compileKernels('threadedWide')]
  expect(wide.map(sha256)).toEqual([wideBytes, threadedWideBytes].map(sha256))
})
