import { type Graph, sizeOf, type Value } from '../graph/graph.ts'
import { type Executable, layExecutable, openExecutable } from '../machine/executable.ts'
import { int8ProductOp } from '../ops/int8.ts'
import { matmulOp, productExtents } from '../ops/matmul.ts'
import { createWasmBackend } from '../wasm-backend.ts'
import type { Gpu, GpuProduct } from './gpu.ts'

/** An executable whose products run elsewhere, so that a run is waited for. */
export type GpuExecutable = Omit<Executable, 'run'> & { run(): Promise<void> }

/**
 * A graph with its products on a graphics processor and all else in WebAssembly; the bits of `createExecutable`. Those are all products of profile `int8x` (make the graph
 * `direct`, or its convolutions are none), and the dense ones of `bf16x`. A device that is lost is said to `log` once, and WebAssembly goes on alone, to the same bits.
 * Products of bf16 numbers that are not all finite are WebAssembly's too, since a device may take it that there are none such.
 *
 * @throws RangeError if the device was opened for another profile, or the memory does not fit
 */
export function createGpuExecutable(
  graph: Graph,
  { keep, gpu, log = () => {} }: { readonly keep: readonly Value[]; readonly gpu: Gpu; readonly log?: (line: string) => void },
): GpuExecutable {
  const { profile } = graph
  if (gpu.profile !== profile) throw new RangeError(`gpu: expected one opened for profile ${profile}, received one for ${gpu.profile}`)
  const productOp = profile === 'int8x' ? int8ProductOp : matmulOp
  const layout = layExecutable(graph, keep, 1)
  const backend = createWasmBackend(layout.bytes)
  const { memory, kernels } = backend
  const { run: _run, ...executable } = openExecutable(graph, keep, layout, backend)
  const { words, program, plan, at } = layout
  let lost = false

  // Instructions between products run in one call.
  const pieces: (
    | { readonly from: number; readonly to: number }
    | { readonly node: (typeof plan.nodes)[number]; readonly from: number; readonly to: number }
  )[] = []
  let position = 0
  for (const node of plan.nodes) {
    if (node.op.code === 0) continue
    const [from, to] = [position, position + words[position + 1]!]
    const last = pieces.at(-1)
    if (node.op.code === productOp.code) pieces.push({ node, from, to })
    else if (last && !('node' in last)) pieces[pieces.length - 1] = { from: last.from, to }
    else pieces.push({ from, to })
    position = to
  }

  return {
    ...executable,
    async run() {
      for (const piece of pieces) {
        if ('node' in piece && !lost) {
          try {
            if (await onGpu(piece.node)) continue
          } catch (error) {
            lost = true
            log(`WebGPU: ${gpu.name}: ${(error as Error).message}; ${profile} products run in WebAssembly from here on`)
          }
        }
        kernels.run(program + 4 * piece.from, program + 4 * piece.to, 1)
      }
    },
  }

  /** Whether it did. */
  async function onGpu({ inputs, outputs, attributes }: (typeof plan.nodes)[number]): Promise<boolean> {
    const [a, b] = inputs as [Value, Value]
    const c = outputs[0]!
    const [left, right] = [numbers(a), numbers(b)]
    if (profile === 'bf16x' && [a, b].some((value) => kernels.allFinite(at(value), sizeOf(value.shape)) === 0)) return false
    const product = profile === 'int8x' ? integerProduct(attributes as never) : denseProduct(a, b, attributes as never)
    new Uint32Array(memory, at(c), sizeOf(c.shape)).set(await gpu.product(product, left, right, sizeOf(c.shape)))
    return true
  }

  function numbers(value: Value): Int8Array | Float32Array {
    return new (profile === 'int8x' ? Int8Array : Float32Array)(memory, at(value), sizeOf(value.shape))
  }
}

const KINDS = { nt: 0, nn: 1, tn: 2 } as const
type Kind = keyof typeof KINDS

function integerProduct({
  kind,
  sizes,
  steps,
  sum,
}: {
  readonly kind: Kind
  readonly sizes: readonly number[]
  readonly steps: readonly number[]
  readonly sum: boolean
}): GpuProduct {
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
