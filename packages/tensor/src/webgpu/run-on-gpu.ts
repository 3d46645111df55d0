import { type Node, type Profile, sizeOf, type Value } from '../graph/graph.ts'
import type { Backend } from '../kernels.ts'
import { int8ProductOp } from '../ops/int8.ts'
import { matmulOp, productExtents } from '../ops/matmul.ts'
import type { GridAttributes } from '../ops/product-grid.ts'
import type { Plan } from '../plan/plan.ts'
import type { Gpu, GpuProduct } from './gpu.ts'

/** A program with the nodes that its words stand for. */
export interface GpuProgram {
  readonly profile: Profile
  readonly plan: Plan
  readonly words: Uint32Array
  /** Byte offset of any value. */
  at(value: Value): number
}

/** Devices that failed once are not asked again. */
const lost = new WeakSet<Gpu>()

/**
 * Runs a program with its products on a graphics processor and all else in WebAssembly, to the same bits. A
 * device that is lost is said to `log` once, and WebAssembly goes on alone. Products of bf16 numbers that are not all finite are WebAssembly's too, since a device may
 * take it that there are none such.
 *
 * @param from byte offset of the program
 * @throws RangeError if the device was opened for another profile
 */
export async function runOnGpu(
  { profile, plan, words, at }: GpuProgram,
  from: number,
  { memory, kernels, threads }: Backend,
  gpu: Gpu,
  log: (line: string) => void,
): Promise<void> {
  if (gpu.profile !== profile) throw new RangeError(`gpu: expected one opened for profile ${profile}, received one for ${gpu.profile}`)
  const productOp = profile === 'int8x' ? int8ProductOp : matmulOp
  // Instructions between products run in one call, from `done` on.
  let [done, position] = [0, 0]
  const runTo = (end: number) => {
    if (end > done) kernels.run(from + 4 * done, from + 4 * end, threads)
    done = end
  }
  for (const node of plan.nodes) {
    if (node.op.code === 0) continue
    const next = position + words[position + 1]!
    if (node.op.code === productOp.code && !lost.has(gpu)) {
      runTo(position)
      if (await product(node)) done = next
    }
    position = next
  }
  runTo(position)

  /** Whether the device did it. */
  async function product({ inputs, outputs, attributes }: Node): Promise<boolean> {
    const [a, b] = inputs as [Value, Value]
    const c = outputs[0]!
    if (profile === 'bf16x' && [a, b].some((value) => kernels.allFinite(at(value), sizeOf(value.shape)) === 0)) return false
    const asked = 'sizes' in attributes ? gridProduct(attributes as never) : denseProduct(a, b, attributes as never)
    try {
      new Uint32Array(memory, at(c), sizeOf(c.shape)).set(await gpu.product(asked, numbers(a), numbers(b), sizeOf(c.shape)))
      return true
    } catch (error) {
      lost.add(gpu)
      log(`WebGPU: ${gpu.name}: ${(error as Error).message}; ${profile} products run in WebAssembly from here on`)
      return false
    }
  }

  function numbers(value: Value): Int8Array | Float32Array {
    return new (profile === 'int8x' ? Int8Array : Float32Array)(memory, at(value), sizeOf(value.shape))
  }
}

const KINDS = { nt: 0, nn: 1, tn: 2 } as const
type Kind = keyof typeof KINDS

function gridProduct({ kind, sizes, steps, sum }: GridAttributes): GpuProduct {
  const [m, n, k, lda, ldb, ldc, a, b, outer, inner] = sizes as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return { kind: KINDS[kind], m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets: [a, b] }
}

function denseProduct(a: Value, b: Value, { kind }: { readonly kind: Kind }): GpuProduct {
  const { m, n, k } = productExtents(a, b, kind)
  const [lda, ldb] = [kind === 'tn' ? m : k, kind === 'nt' ? k : n]
  return { kind: KINDS[kind], m, n, k, lda, ldb, ldc: n, outer: 1, inner: 1, steps: [0, 0, 0, 0, 0, 0], sum: false, offsets: [0, 0] }
}
