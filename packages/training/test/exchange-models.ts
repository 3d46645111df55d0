import { countParameters, createNet, defineModel, initialStates, type LayerSpec, type Model, type ModelSpec } from '../src/index.ts'
import { seeded } from './seeded.ts'

/** A model with weights, statistics and rows of a size that keeps every layer in its interesting range. */
export interface Example {
  readonly model: Model
  readonly weights: Float32Array
  readonly states: Float32Array
  readonly rows: number
  readonly features: Float32Array
  readonly tokens: Int32Array
}

export function example(spec: ModelSpec, rows = 2, seed = 7): Example {
  const random = seeded(seed)
  const model = defineModel(spec)
  const weights = new Float32Array(model.params)
  for (const { name, shape, offset, size } of model.tensors) {
    const fan = shape.length > 1 ? size / shape[0]! : 4
    const table = shape.length === 2 && /token|position|class/.test(name)
    for (let i = 0; i < size; i++) {
      const centred = random() + random() - 1
      weights[offset + i] = shape.length === 1 && name.endsWith('.weight') ? 1 + centred / 4 : centred * (table ? 1 : Math.sqrt(3 / fan))
    }
  }
  const states = initialStates(model.declared)
  for (let i = 0; i < states.length; i++) states[i]! += (random() - 0.5) / 2
  const { input } = spec
  const size = rows * (input.kind === 'tokens' ? input.length : input.shape.reduce((a, b) => a * b, 1))
  return {
    model,
    weights,
    states,
    rows,
    features: Float32Array.from({ length: size }, () => 2 * random() - 1),
    tokens: Int32Array.from({ length: size }, () => (input.kind === 'tokens' ? Math.floor(random() * input.vocabulary) : 0)),
  }
}

/** What our own net answers; the model may be another one than the example's, with the same input. */
export function answers({ features, tokens, rows }: Example, model: Model, weights: Float32Array, states: Float32Array): Float32Array {
  const net = createNet(model, rows)
  net.weights.set(weights)
  net.states.set(states)
  const { spec, declared } = model
  const perRow = declared.outputShape.reduce((a, b) => a * b, 1)
  const wanted =
    spec.loss.type === 'softmax-cross-entropy'
      ? new Int32Array((rows * perRow) / declared.outputShape.at(-1)!)
      : new Float32Array(rows * perRow)
  if (spec.input.kind === 'tokens') net.loadTokens(tokens, wanted)
  else net.loadBatch(features, wanted, 1)
  net.forward()
  return net.logits()
}

const image = (...layers: LayerSpec[]): ModelSpec => ({
  input: { kind: 'features', shape: [4, 7, 6] },
  layers,
  loss: { type: 'mean-squared-error' },
})
const sequence = (...layers: LayerSpec[]): ModelSpec => ({
  input: { kind: 'features', shape: [5, 8] },
  layers,
  loss: { type: 'mean-squared-error' },
})
const tokens = (...layers: LayerSpec[]): ModelSpec => ({
  input: { kind: 'tokens', length: 5, vocabulary: 9 },
  layers,
  loss: { type: 'softmax-cross-entropy' },
})
const activations = ['relu', 'leaky-relu', 'gelu', 'silu', 'tanh', 'sigmoid', 'softmax'] as const

const models: readonly (readonly [name: string, ModelSpec])[] = [
  [
    'dense of features',
    {
      input: { kind: 'features', shape: [6] },
      layers: [
        { id: 'a', nodes: 5 },
        { id: 'b', nodes: 3, bias: false },
      ],
      loss: { type: 'mean-squared-error' },
    },
  ],
  ['dense of a sequence', sequence({ id: 'a', nodes: 7, activation: 'relu' }, { id: 'b', nodes: 4, bias: false })],
  ['conv2d', image({ id: 'a', type: 'conv2d', filters: 6, kernel: 3 })],
  [
    'conv2d with every option',
    image({
      id: 'a',
      type: 'conv2d',
      filters: 6,
      kernel: [3, 2],
      stride: [2, 1],
      padding: [2, 1],
      dilation: [1, 2],
      groups: 2,
      bias: false,
      activation: 'relu',
    }),
  ],
  ['conv2d, same', image({ id: 'a', type: 'conv2d', filters: 3, kernel: [2, 3], stride: 2, padding: 'same', activation: 'tanh' })],
  ['max-pool', image({ id: 'a', type: 'max-pool', kernel: 3, stride: 2, padding: 1 })],
  ['average-pool', image({ id: 'a', type: 'average-pool', kernel: [3, 2], stride: 2, padding: [1, 0] })],
  ['global-average-pool', image({ id: 'a', type: 'global-average-pool' })],
  ['global-max-pool', image({ id: 'a', type: 'global-max-pool' })],
  ['batch-norm', image({ id: 'a', type: 'batch-norm', epsilon: 1e-3, momentum: 0.2 })],
  [
    'batch-norm of features',
    { input: { kind: 'features', shape: [6] }, layers: [{ id: 'a', type: 'batch-norm' }], loss: { type: 'mean-squared-error' } },
  ],
  ['layer-norm', sequence({ id: 'a', type: 'layer-norm', epsilon: 1e-6 })],
  ['layer-norm of an image', image({ id: 'a', type: 'layer-norm' })],
  ['instance-norm', image({ id: 'a', type: 'instance-norm' })],
  ['group-norm', image({ id: 'a', type: 'group-norm', groups: 2, epsilon: 1e-3 })],
  ['rms-norm', sequence({ id: 'a', type: 'rms-norm' })],
  ['dropout', sequence({ id: 'a', type: 'dropout', rate: 0.3 }, { id: 'b', nodes: 2 })],
  ['embedding, tied', tokens({ id: 'token', type: 'embedding', vocabulary: 11, width: 8 }, { id: 'a', nodes: 11, tied: 'token' })],
  ['position', sequence({ id: 'position', type: 'position' })],
  ['class-token and slice', sequence({ id: 'class', type: 'class-token' }, { id: 'b', type: 'slice', axis: 0, start: 0, end: 3 })],
  ['attention', sequence({ id: 'a', type: 'attention', heads: 2 })],
  ['attention, causal without bias', sequence({ id: 'a', type: 'attention', heads: 4, causal: true, bias: false })],
  [
    'add, multiply and concat',
    image(
      { id: 'a', type: 'relu' },
      { id: 'b', type: 'add', inputs: ['input', 'a', 'a'] },
      { id: 'c', type: 'multiply', inputs: ['a', 'b', 'input'] },
      { id: 'd', type: 'concat', axis: 0, inputs: ['a', 'c', 'b'] },
    ),
  ],
  [
    'reshape, transpose and flatten',
    image({ id: 'a', type: 'reshape', shape: [4, 42] }, { id: 'b', type: 'transpose', order: [1, 0] }, { id: 'c', type: 'flatten' }),
  ],
  [
    'names that other things have',
    sequence(
      { id: 'output', nodes: 4, activation: 'relu' },
      { id: 'output.weight', nodes: 3 },
      { id: 'output/MatMul', nodes: 3 },
      { id: 'ints 0,15', type: 'reshape', shape: [15] },
      { id: '__proto__', nodes: 2 },
    ),
  ],
  ['leaky-relu', image({ id: 'a', type: 'leaky-relu', slope: 0.2 })],
  ...activations.map((type) => [type, sequence({ id: 'a', type })] as const),
  ...activations.map((activation) => [`dense and ${activation}`, sequence({ id: 'a', nodes: 6, activation })] as const),
]

/** Every type of layer, with the options that change its nodes. A net wants a parameter, so a dense layer ends those that have none. */
export const layerModels = models.map(
  ([name, spec]) => [name, countParameters(spec) > 0 ? spec : { ...spec, layers: [...spec.layers, { id: 'end', nodes: 3 }] }] as const,
)
