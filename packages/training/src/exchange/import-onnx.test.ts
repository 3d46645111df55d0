import { sha256Hex } from '@pouw/crypto'
import { declareModel, type LayerSpec, type ModelSpec, windowOf } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { answers, type Example, example, layerModels } from '../../test/exchange-models.ts'
import { cnn } from '../architectures/cnn.ts'
import { gpt } from '../architectures/gpt.ts'
import { mlp } from '../architectures/mlp.ts'
import { resnet } from '../architectures/resnet.ts'
import { vit } from '../architectures/vit.ts'
import { defineModel } from '../layers/model.ts'
import { exportOnnx } from './export-onnx.ts'
import { importOnnx } from './import-onnx.ts'

/** A spec with every default written out and windows as numbers, without segments, which are no part of what a model computes. */
function plain(spec: ModelSpec): ModelSpec {
  const { layers } = declareModel(spec)
  const shapes = new Map([['input', declareModel(spec).inputShape], ...layers.map(({ layer, shape }) => [layer.id, shape] as const)])
  const written = layers.map(({ layer, inputs }): LayerSpec => {
    const { segment: _, ...rest } = layer
    const from = shapes.get(inputs[0]!)!
    const own: Record<string, unknown> = { ...rest, inputs, type: layer.type ?? 'dense' }
    if (layer.type === undefined || layer.type === 'dense' || layer.type === 'conv2d') {
      own.bias = layer.bias ?? true
      own.activation = layer.activation ?? 'identity'
    }
    if (layer.type === 'conv2d' || layer.type === 'max-pool' || layer.type === 'average-pool') {
      const pool = layer.type === 'conv2d' ? {} : { stride: layer.stride ?? layer.kernel }
      Object.assign(own, windowOf(from[1]!, from[2]!, { ...layer, ...pool }))
    }
    if (layer.type === 'conv2d') own.groups = layer.groups ?? 1
    if (layer.type?.endsWith('-norm')) own.epsilon = (layer as { epsilon?: number }).epsilon ?? 1e-5
    if (layer.type === 'batch-norm') own.momentum = layer.momentum ?? 0.1
    if (layer.type === 'attention') Object.assign(own, { causal: layer.causal ?? false, bias: layer.bias ?? true })
    if (layer.type === 'leaky-relu') own.slope = layer.slope ?? 0.01
    return own as unknown as LayerSpec
  })
  return { ...spec, layers: written }
}

/** All bits of some numbers, short enough to be compared by the million. */
const words = (values: Float32Array) => sha256Hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))

function roundTrip(one: Example) {
  const { model, weights, states } = one
  const bytes = exportOnnx(model, { weights, states })
  expect(Buffer.compare(exportOnnx(model, { weights: weights.slice(), states }), bytes)).toBe(0)
  const back = importOnnx(bytes, { loss: model.spec.loss })
  const again = defineModel(back.model)
  expect(words(answers(one, again, back.weights, back.states))).toBe(words(answers(one, model, weights, states)))
  return back
}

test.each(layerModels)('%s: what was written is read back, with the same bits', (name, spec) => {
  const one = example(spec, 2)
  const back = roundTrip(one)
  // Products of three are read as products of two.
  if (name === 'add, multiply and concat') return
  const { input } = spec
  const expected = plain(input.kind === 'tokens' ? { ...spec, input: { ...input, vocabulary: 11 } } : spec)
  expect(plain(back.model)).toEqual(expected)
  expect(words(back.weights)).toBe(words(one.weights))
  expect(words(back.states)).toBe(words(one.states))
})

test.each([
  ['mlp', mlp({ inputs: 20, hidden: [16, 12], classes: 5, activation: 'leaky-relu' })],
  ['cnn', cnn()],
  ['resnet-18', resnet({ depth: 18, stem: 'cifar' })],
  ['resnet-50', { ...resnet({ depth: 50, classes: 7 }), input: { kind: 'features', shape: [3, 32, 32] } as const }],
  ['vit', vit({ image: 16, patch: 4, layers: 2, heads: 2, width: 16, classes: 6 })],
  ['gpt', gpt({ layers: 2, heads: 2, width: 16, time: 12, vocabulary: 31 })],
  ['gpt, untied, of one token', gpt({ layers: 1, heads: 2, width: 8, time: 1, vocabulary: 13, tied: false })],
] as const)('%s comes back as it was', (_, spec) => {
  const one = example(spec, 2)
  const back = roundTrip(one)
  expect(plain(back.model)).toEqual(plain(spec))
  expect(words(back.weights)).toBe(words(one.weights))
  expect(words(back.states)).toBe(words(one.states))
})
