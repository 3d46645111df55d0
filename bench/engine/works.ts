/** The models of the topic `engine`, with weights and data that every engine gets alike. */
import { cnn, defineModel, type Model, type ModelSpec, mlp, resnet } from '@pouw/training'
import { transformerBlock } from '../../packages/training/src/architectures/transformer.ts'

/** A model with what one training step of it needs. */
export interface Sample {
  readonly model: Model
  readonly batch: number
  /** Of the mean of the batch. */
  readonly rate: number
  /** Float32 `[params]`. */
  readonly weights: Float32Array
  /** `[batch, ...input shape]`, of tokens i32. */
  readonly features: Float32Array | Int32Array
  /** A class a row, or f32 targets of the output's shape. */
  readonly wanted: Int32Array | Float32Array
}

export interface Work extends Sample {
  readonly name: WorkName
}

export type WorkName = 'mlp' | 'cnn' | 'gpt' | 'resnet' | 'wide'

const CLASSES = 10
/** Of the block that the row `gpt` trains. */
export const BLOCK = { width: 128, heads: 4, time: 64 } as const

const block: ModelSpec = {
  input: { kind: 'features', shape: [BLOCK.time, BLOCK.width] },
  layers: transformerBlock('block', 'input', BLOCK.heads, BLOCK.width, true, 1e-5),
  loss: { type: 'mean-squared-error' },
}

const WORKS: Readonly<Record<WorkName, { readonly spec: () => ModelSpec; readonly batch: number; readonly rate: number }>> = {
  mlp: { spec: () => mlp({ inputs: 784, hidden: [256], classes: CLASSES }), batch: 64, rate: 0.05 },
  cnn: { spec: () => cnn(), batch: 32, rate: 0.05 },
  gpt: { spec: () => block, batch: 8, rate: 0.5 },
  wide: { spec: () => mlp({ inputs: 1024, hidden: [1024, 1024], classes: CLASSES }), batch: 256, rate: 0.05 },
  resnet: { spec: () => resnet({ depth: 18, stem: 'cifar' }), batch: 32, rate: 0.01 },
}

export function createWork(name: WorkName): Work {
  const { spec, batch, rate } = WORKS[name]
  const model = defineModel(spec())
  const { inputShape } = model.declared
  const sample = inputShape.reduce((product, extent) => product * extent, 1)
  const random = seeded(5)
  const weights = startWeights(model, random)
  const features = Float32Array.from({ length: batch * sample }, () => random() * 2 - 1)
  const wanted =
    model.spec.loss.type === 'softmax-cross-entropy'
      ? Int32Array.from({ length: batch }, () => Math.floor(random() * CLASSES))
      : Float32Array.from({ length: batch * sample }, () => random() * 2 - 1)
  return { name, model, batch, rate, weights, features, wanted }
}

/** Matrices and filters uniform within sqrt(3 / inputs), so that values keep their size; the factors of norms 1, biases 0. */
export function startWeights(
  { params, tensors }: Model,
  random: () => number,
  weights: Float32Array = new Float32Array(params),
): Float32Array {
  for (const { name, shape, offset, size } of tensors) {
    if (shape.length === 1) {
      if (name.endsWith('.weight')) weights.fill(1, offset, offset + size)
      continue
    }
    const bound = Math.sqrt(3 / (size / shape[0]!))
    for (let i = offset; i < offset + size; i++) weights[i] = (random() * 2 - 1) * bound
  }
  return weights
}

/** mulberry32 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32
  }
}
