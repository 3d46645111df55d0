import type { LayerSpec, ModelSpec } from '@pouw/primitives'
import { transformerBlock } from './transformer.ts'

export interface VitOptions {
  /** Height and width of the image, default 224. */
  readonly image?: number
  readonly channels?: number
  readonly patch?: number
  readonly layers?: number
  readonly heads?: number
  readonly width?: number
  readonly classes?: number
}

/** Dosovitskiy et al. 2020 (arXiv 2010.11929) with a class token; the defaults are ViT-B/16. */
export function vit(options: VitOptions = {}): ModelSpec {
  const { image = 224, channels = 3, patch = 16, layers: count = 12, heads = 12, width = 768, classes = 1000 } = options
  if (image % patch !== 0) throw new RangeError(`vit: expected an image in whole patches of ${patch}, received ${image}`)
  const layers: LayerSpec[] = [
    { id: 'patch', type: 'conv2d', filters: width, kernel: patch, stride: patch },
    { id: 'patches', type: 'reshape', shape: [width, (image / patch) * (image / patch)] },
    { id: 'sequence', type: 'transpose', order: [1, 0] },
    { id: 'class', type: 'class-token' },
    { id: 'position', type: 'position' },
  ]
  for (let i = 1; i <= count; i++) layers.push(...transformerBlock(`block${i}`, layers.at(-1)!.id, heads, width, false, 1e-6))
  layers.push(
    { id: 'norm', type: 'layer-norm', epsilon: 1e-6 },
    { id: 'first', type: 'slice', axis: 0, start: 0, end: 1 },
    { id: 'flat', type: 'flatten' },
    { id: 'output', nodes: classes },
  )
  return { input: { kind: 'features', shape: [channels, image, image] }, layers, loss: { type: 'softmax-cross-entropy' } }
}
