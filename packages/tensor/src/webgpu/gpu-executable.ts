import type { Graph, Value } from '../graph/graph.ts'
import { type Executable, layExecutable, openExecutable } from '../machine/executable.ts'
import { int8ProductOp } from '../ops/int8.ts'
import { createWasmBackend } from '../wasm-backend.ts'
import type { Gpu } from './gpu.ts'

/** An executable whose integer products run elsewhere, so that a run is waited for. */
export type GpuExecutable = Omit<Executable, 'run'> & { run(): Promise<void> }

/**
 * A graph of profile `int8x` with its products on a graphics processor and all else in WebAssembly; the bits of `createExecutable`. A device that is lost is
 * said to `log` once, and WebAssembly goes on alone, to the same bits.
 *
 * @throws RangeError if the memory does not fit
 */
export function createGpuExecutable(
  graph: Graph,
  { keep, gpu, log = () => {} }: { readonly keep: readonly Value[]; readonly gpu: Gpu; readonly log?: (line: string) => void },
): GpuExecutable {
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
    if (node.op.code === int8ProductOp.code) pieces.push({ node, from, to })
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
            await onGpu(piece.node)
            continue
          } catch (error) {
            lost = true
            log(`WebGPU: ${gpu.name}: ${(error as Error).message}; int8x products run in WebAssembly from here on`)
          }
        }
        kernels.run(program + 4 * piece.from, program + 4 * piece.to, 1)
      }
    },
  }

  async function onGpu({ inputs, outputs, attributes }: (typeof plan.nodes)[number]): Promise<void> {
    const [a, b] = inputs as [Value, Value]
    const c = outputs[0]!
    const { kind, sizes, steps, sum } = attributes as {
      kind: 'nt' | 'nn' | 'tn'
      sizes: readonly number[]
      steps: readonly number[]
      sum: boolean
    }
    const [m, n, k, lda, ldb, ldc, aOffset, bOffset, outer, inner] = sizes as [
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
    const count = (value: Value) => value.shape.reduce((size, extent) => size * extent, 1)
    const numbers = (value: Value) => new Int8Array(memory, at(value), count(value))
    const found = await gpu.product(
      { kind: kind === 'nt' ? 0 : kind === 'nn' ? 1 : 2, m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets: [aOffset, bOffset] },
      numbers(a),
      numbers(b),
      count(c),
    )
    new Int32Array(memory, at(c), found.length).set(found)
  }
}
