/** A short training with the GPU's products and one without: whether the device serves, and whether the bits are equal. */
import { type GpuOptions, type GpuProfile, openGpu } from '@pouw/tensor'
import { model, type TrainOptions, train } from '@pouw/training'

export const GPU_PROFILES: readonly GpuProfile[] = ['int8x', 'bf16x']

export interface Checked {
  readonly profile: GpuProfile
  /** What opening the device said. */
  readonly line: string
  /** Without a device that serves, nothing was compared. */
  readonly equal?: boolean
}

const net = model({
  input: [1, 12, 12],
  layers: [
    { id: 'conv1', type: 'conv2d', filters: 16, kernel: 3, padding: 1, activation: 'relu' },
    { id: 'conv2', type: 'conv2d', filters: 16, kernel: 3, padding: 1, activation: 'relu' },
    { id: 'pool', type: 'max-pool', kernel: 2 },
    { id: 'rows', type: 'reshape', shape: [16, 36] },
    { id: 'attention', type: 'attention', heads: 4, causal: true },
    { id: 'flat', type: 'flatten' },
    { id: 'hidden', nodes: 40, activation: 'gelu' },
    { id: 'output', nodes: 10 },
  ],
})

/** Any numbers that are neither round nor alike. */
const data: TrainOptions['data'] = {
  inputs: Float32Array.from({ length: 64 * 144 }, (_, i) => ((i * 7919) % 1009) / 504 - 1),
  wanted: Int32Array.from({ length: 64 }, (_, i) => (i * i) % 10),
}

export async function checkGpu(profile: GpuProfile, provider?: GpuOptions['gpu']): Promise<Checked> {
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  const gpu = await openGpu({ profile, ...(provider && { gpu: provider }), log })
  if (!gpu) return { profile, line: lines.join('; ') }
  const run = (more: Partial<TrainOptions>) => train(net, { data, epochs: 2, batch: 32, profile, ...more })
  const [expected, found] = [await run({}), await run({ gpu, log })]
  gpu.close()
  const words = (weights: Float32Array) => new Uint32Array(Float32Array.from(weights).buffer)
  const equal = words(expected.weights).every((word, i) => words(found.weights)[i] === word)
  // A device that was lost on the way has said so.
  return { profile, line: lines.join('; '), ...(lines.length === 1 && { equal }) }
}
