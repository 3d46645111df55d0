import type { LayerSpec, ModelSpec } from '@pouw/primitives'

export interface ResnetOptions {
  readonly depth: 18 | 34 | 50
  /** `imagenet`: 7 x 7 by 2 and a maximum by 2, for 224 x 224; `cifar`: 3 x 3, for 32 x 32. */
  readonly stem?: 'cifar' | 'imagenet'
  readonly classes?: number
}

const stages = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3] } as const

/** He et al. 2015 (arXiv 1512.03385), stride in the 3 x 3 convolution of a bottleneck. Each block is a segment. */
export function resnet({ depth, stem = 'imagenet', classes = stem === 'cifar' ? 10 : 1000 }: ResnetOptions): ModelSpec {
  const counts = stages[depth]
  if (!counts) throw new RangeError(`resnet: expected a depth of 18, 34 or 50, received ${String(depth)}`)
  const layers: LayerSpec[] = [
    stem === 'imagenet'
      ? { id: 'stem.conv', type: 'conv2d', filters: 64, kernel: 7, stride: 2, padding: 3, bias: false }
      : { id: 'stem.conv', type: 'conv2d', filters: 64, kernel: 3, padding: 1, bias: false },
    { id: 'stem.norm', type: 'batch-norm' },
    { id: 'stem.relu', type: 'relu' },
  ]
  if (stem === 'imagenet') layers.push({ id: 'stem.pool', type: 'max-pool', kernel: 3, stride: 2, padding: 1 })
  let channels = 64
  for (const [stage, count] of counts.entries()) {
    const width = 64 * (1 << stage)
    const out = depth === 50 ? 4 * width : width
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1
      const from = layers.at(-1)!.id
      layers.push(...block({ name: `stage${stage + 1}.block${i + 1}`, from, channels, width, out, stride, bottleneck: depth === 50 }))
      channels = out
    }
  }
  layers.push({ id: 'pool', type: 'global-average-pool' }, { id: 'output', nodes: classes })
  return {
    input: { kind: 'features', shape: stem === 'imagenet' ? [3, 224, 224] : [3, 32, 32] },
    layers,
    loss: { type: 'softmax-cross-entropy' },
  }
}

interface Block {
  readonly name: string
  readonly from: string
  readonly channels: number
  readonly width: number
  readonly out: number
  readonly stride: number
  readonly bottleneck: boolean
}

function block({ name, from, channels, width, out, stride, bottleneck }: Block): LayerSpec[] {
  const steps = bottleneck
    ? [
        { filters: width, kernel: 1, stride: 1 },
        { filters: width, kernel: 3, stride },
        { filters: out, kernel: 1, stride: 1 },
      ]
    : [
        { filters: width, kernel: 3, stride },
        { filters: out, kernel: 3, stride: 1 },
      ]
  const layers: LayerSpec[] = []
  for (const [i, { kernel, ...rest }] of steps.entries()) {
    const place = i === 0 ? { inputs: [from] } : {}
    layers.push(
      { id: `${name}.conv${i + 1}`, type: 'conv2d', ...rest, kernel, padding: (kernel - 1) / 2, bias: false, ...place },
      { id: `${name}.norm${i + 1}`, type: 'batch-norm' },
    )
    if (i < steps.length - 1) layers.push({ id: `${name}.relu${i + 1}`, type: 'relu' })
  }
  const top = layers.at(-1)!.id
  let shortcut = from
  if (channels !== out || stride !== 1) {
    shortcut = `${name}.shortcut.norm`
    layers.push(
      { id: `${name}.shortcut.conv`, type: 'conv2d', filters: out, kernel: 1, stride, bias: false, inputs: [from] },
      { id: shortcut, type: 'batch-norm' },
    )
  }
  layers.push({ id: `${name}.add`, type: 'add', inputs: [top, shortcut] }, { id: `${name}.relu`, type: 'relu' })
  return layers.map((layer) => ({ ...layer, segment: name }))
}
