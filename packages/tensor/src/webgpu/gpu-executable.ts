import type { Graph, Value } from '../graph/graph.ts'
import { type Executable, layExecutable, openExecutable } from '../machine/executable.ts'
import { createWasmBackend } from '../wasm-backend.ts'
import type { Gpu } from './gpu.ts'
import { runOnGpu } from './run-on-gpu.ts'

/** An executable whose products run elsewhere, so that a run is waited for. */
export type GpuExecutable = Omit<Executable, 'run'> & { run(): Promise<void> }

/**
 * A graph with its products on a graphics processor, as `runOnGpu` says; the bits of `createExecutable`. Make the graph `direct`, or its convolutions, and in profile
 * `bf16x` its attention, are no products.
 *
 * @throws RangeError if the device was opened for another profile, or the memory does not fit
 */
export function createGpuExecutable(
  graph: Graph,
  { keep, gpu, log = () => {} }: { readonly keep: readonly Value[]; readonly gpu: Gpu; readonly log?: (line: string) => void },
): GpuExecutable {
  if (gpu.profile !== graph.profile)
    throw new RangeError(`gpu: expected one opened for profile ${graph.profile}, received one for ${gpu.profile}`)
  const layout = layExecutable(graph, keep, 1)
  const backend = createWasmBackend(layout.bytes)
  const { run: _run, ...executable } = openExecutable(graph, keep, layout, backend)
  return { ...executable, run: () => runOnGpu({ ...layout, profile: graph.profile }, layout.program, backend, gpu, log) }
}
