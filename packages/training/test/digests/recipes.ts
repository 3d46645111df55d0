/**
 * The nets whose training is recorded: small, and together every family of operations that training has. What they learn is synthetic.
 *
 * A recipe that changes makes its digests void, as a change of the arithmetic does.
 */
import { sha256, utf8 } from '@pouw/crypto'
import type { LayerSpec, ModelSpec } from '@pouw/primitives'
import { initXavier } from '@pouw/tensor'
import { gpt } from '../../src/architectures/gpt.ts'
import { defineModel, type Model } from '../../src/layers/model.ts'
import type { Net } from '../../src/net/net.ts'
import { syntheticDataset } from '../../src/synthetic.ts'

export interface Recipe {
  readonly model: Model
  readonly batch: number
  /** Of the exchange, in units of summed gradient, and the step of one word. */
  readonly tau: number
  readonly q: number
  /** Float32 `[params]`. */
  readonly weights: Float32Array
  /** Loads what the step, counted from 0, learns from. */
  load(net: Net, step: number): void
}

export const RECIPES = ['mlp', 'cnn', 'resnet', 'gpt'] as const
export type RecipeName = (typeof RECIPES)[number]

/** Wide enough for two chunks of 256 in a product and in its gradient. */
const mlp: ModelSpec = {
  input: { kind: 'features', shape: [300] },
  layers: [
    { id: 'wide', nodes: 48, activation: 'relu' },
    { id: 'drop', type: 'dropout', rate: 0.25 },
    { id: 'bend', nodes: 33, activation: 'tanh' },
    { id: 'gate', nodes: 17, activation: 'sigmoid' },
    { id: 'output', nodes: 10 },
  ],
  loss: { type: 'softmax-cross-entropy' },
}

const cnn: ModelSpec = {
  input: { kind: 'features', shape: [1, 12, 12] },
  layers: [
    { id: 'conv1', type: 'conv2d', filters: 8, kernel: 3, padding: 'same', activation: 'relu' },
    { id: 'pool1', type: 'max-pool', kernel: 2 },
    { id: 'conv2', type: 'conv2d', filters: 12, kernel: 3, bias: false },
    { id: 'norm2', type: 'batch-norm' },
    { id: 'bend2', type: 'gelu' },
    { id: 'pool2', type: 'max-pool', kernel: 3, stride: 2, padding: 1 },
    { id: 'drop', type: 'dropout', rate: 0.25 },
    { id: 'flat', type: 'flatten' },
    { id: 'output', nodes: 10 },
  ],
  loss: { type: 'softmax-cross-entropy' },
}

const resnet: ModelSpec = {
  input: { kind: 'features', shape: [3, 8, 8] },
  layers: [
    { id: 'stem', type: 'conv2d', filters: 16, kernel: 3, padding: 1, bias: false },
    { id: 'stem.norm', type: 'batch-norm' },
    { id: 'stem.relu', type: 'relu' },
    ...residual('block1', 'stem.relu', 16, 1),
    ...residual('block2', 'block1.relu', 20, 2),
    { id: 'pool', type: 'global-average-pool' },
    { id: 'output', nodes: 10 },
  ],
  loss: { type: 'softmax-cross-entropy' },
}

const shape = { layers: 2, heads: 2, width: 32, time: 12, vocabulary: 32 }
const transformer = gpt(shape)
const gptWithDropout: ModelSpec = {
  ...transformer,
  layers: transformer.layers.flatMap((layer): LayerSpec[] =>
    layer.id === 'norm' ? [{ id: 'drop', type: 'dropout', rate: 0.125 }, layer] : [layer],
  ),
}

/** How much of 1,000 steps each net needs to learn something. */
const SETTINGS: Readonly<Record<RecipeName, Pick<Recipe, 'batch' | 'tau' | 'q'> & { readonly spec: ModelSpec }>> = {
  mlp: { spec: mlp, batch: 16, tau: 0.5, q: 2 ** -8 },
  cnn: { spec: cnn, batch: 8, tau: 1, q: 2 ** -8 },
  resnet: { spec: resnet, batch: 8, tau: 1, q: 2 ** -8 },
  gpt: { spec: gptWithDropout, batch: 4, tau: 1, q: 2 ** -8 },
}
const SAMPLES = 256

export function recipe(name: RecipeName): Recipe {
  const { spec, ...settings } = SETTINGS[name]
  const model = defineModel(spec)
  return {
    ...settings,
    model,
    weights: initXavier(model, sha256(utf8(`digests: weights of ${name}`)), 1),
    load: loader(name, model, settings.batch),
  }
}

function loader(name: string, model: Model, batch: number): Recipe['load'] {
  const { input } = model.spec
  const size = input.kind === 'tokens' ? input.length + 1 : input.shape.reduce((product, extent) => product * extent, 1)
  const { features, labels } = syntheticDataset(`digests: data of ${name}`, SAMPLES, size, 10)
  const batches = SAMPLES / batch
  if (input.kind === 'features') {
    const scale = Math.fround(1 / 255)
    return (net, step) => {
      const from = (step % batches) * batch
      net.loadBatch(features.subarray(from * size, (from + batch) * size), labels.subarray(from, from + batch), scale)
    }
  }
  // The upper bits of a byte are a token; what is wanted is the next one.
  const tokens = Int32Array.from(features, (byte) => Math.floor((byte * input.vocabulary) / 256))
  const rows = (from: number, shift: number) =>
    Int32Array.from({ length: batch * input.length }, (_, at) => {
      const [row, place] = [Math.floor(at / input.length), at % input.length]
      return tokens[(from + row) * size + place + shift]!
    })
  return (net, step) => {
    const from = (step % batches) * batch
    net.loadTokens(rows(from, 0), rows(from, 1))
  }
}

function residual(id: string, from: string, filters: number, stride: number): LayerSpec[] {
  const shortcut: LayerSpec[] =
    stride === 1
      ? []
      : [
          { id: `${id}.short`, type: 'conv2d', filters, kernel: 1, stride, bias: false, inputs: [from] },
          { id: `${id}.short.norm`, type: 'batch-norm' },
        ]
  return [
    { id: `${id}.conv1`, type: 'conv2d', filters, kernel: 3, stride, padding: 1, bias: false, inputs: [from] },
    { id: `${id}.norm1`, type: 'batch-norm' },
    { id: `${id}.relu1`, type: 'relu' },
    { id: `${id}.conv2`, type: 'conv2d', filters, kernel: 3, padding: 1, bias: false },
    { id: `${id}.norm2`, type: 'batch-norm' },
    ...shortcut,
    { id: `${id}.add`, type: 'add', inputs: [`${id}.norm2`, stride === 1 ? from : `${id}.short.norm`] },
    { id: `${id}.relu`, type: 'relu' },
  ]
}
