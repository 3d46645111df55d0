import type { LayerSpec, ModelSpec } from '@pouw/primitives'
import { transformerBlock } from './transformer.ts'

export interface GptOptions {
  readonly layers: number
  readonly heads: number
  readonly width: number
  readonly time: number
  readonly vocabulary: number
  /** Whether the head's weight is the table of the tokens; default true. */
  readonly tied?: boolean
}

/** GPT-2's shape (Radford et al. 2019); 12 layers, 12 heads, width 768, time 1024, vocabulary 50257 are its 124 M parameters. */
export function gpt({ layers: count, heads, width, time, vocabulary, tied = true }: GptOptions): ModelSpec {
  const layers: LayerSpec[] = [
    { id: 'token', type: 'embedding', vocabulary, width },
    { id: 'position', type: 'position' },
  ]
  for (let i = 1; i <= count; i++) layers.push(...transformerBlock(`block${i}`, layers.at(-1)!.id, heads, width, true, 1e-5))
  layers.push({ id: 'norm', type: 'layer-norm' }, { id: 'output', nodes: vocabulary, bias: false, ...(tied ? { tied: 'token' } : {}) })
  return { input: { kind: 'tokens', length: time, vocabulary }, layers, loss: { type: 'softmax-cross-entropy' } }
}
