import type { LayerSpec, ModelSpec } from '@pouw/primitives'

export interface CnnOptions {
  /** [channels, height, width], default [1, 28, 28]. */
  readonly input?: readonly [number, number, number]
  /** Filters of each convolution, default [16, 32]. */
  readonly filters?: readonly number[]
  readonly classes?: number
}

/** Convolutions 3 x 3 with relu, each with a 2 x 2 maximum after it, then one dense layer. */
export function cnn({ input = [1, 28, 28], filters = [16, 32], classes = 10 }: CnnOptions = {}): ModelSpec {
  const layers = filters.flatMap((count, i): LayerSpec[] => [
    { id: `conv${i + 1}`, type: 'conv2d', filters: count, kernel: 3, padding: 'same', activation: 'relu', segment: `block${i + 1}` },
    { id: `pool${i + 1}`, type: 'max-pool', kernel: 2, segment: `block${i + 1}` },
  ])
  return {
    input: { kind: 'features', shape: input },
    layers: [...layers, { id: 'flat', type: 'flatten' }, { id: 'output', nodes: classes }],
    loss: { type: 'softmax-cross-entropy' },
  }
}
