import { countParameters, declareModel, type LayerSpec, type ModelSpec } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { initialStates } from '../layers/initial-states.ts'
import { cnn } from './cnn.ts'
import { gpt } from './gpt.ts'
import { mlp } from './mlp.ts'
import { resnet } from './resnet.ts'
import { vit } from './vit.ts'

test.each([
  ['mlp', mlp({ inputs: 784, hidden: [128, 64], classes: 10 }), 109386],
  ['cnn', cnn(), 160 + 4640 + 15690],
  ['resnet-18', resnet({ depth: 18 }), 11689512],
  ['resnet-34', resnet({ depth: 34 }), 21797672],
  ['resnet-50', resnet({ depth: 50 }), 25557032],
  ['gpt-2', gpt({ layers: 12, heads: 12, width: 768, time: 1024, vocabulary: 50257 }), 124439808],
  ['vit-b/16', vit(), 86567656],
])("%s has as many parameters as its paper's model", (_, spec, count) => {
  expect(countParameters(spec)).toBe(count)
})

const image = (...layers: LayerSpec[]): ModelSpec => ({
  input: { kind: 'features', shape: [3, 8, 8] },
  layers,
  loss: { type: 'softmax-cross-entropy' },
})

test.each<[string, LayerSpec[], string]>([
  [
    'a window larger than its image',
    [{ id: 'c', type: 'conv2d', filters: 2, kernel: 9 }],
    'layer c: expected an extent of 9 or more for the window, received 8',
  ],
  [
    'an addition of unlike shapes',
    [
      { id: 'a', type: 'conv2d', filters: 2, kernel: 1 },
      { id: 'b', type: 'add', inputs: ['a', 'input'] },
    ],
    'layer b: add: expected shape [2,8,8], received [3,8,8]',
  ],
  [
    'an id twice',
    [
      { id: 'a', type: 'relu' },
      { id: 'a', type: 'relu' },
    ],
    'layer a: expected an id of its own, received one that is taken',
  ],
  ['an id not yet seen', [{ id: 'a', type: 'relu', inputs: ['b'] }], 'layer a: expected the id of an earlier layer, received b'],
  [
    'heads that do not divide',
    [
      { id: 'r', type: 'reshape', shape: [8, 24] },
      { id: 'a', type: 'attention', heads: 5 },
    ],
    'layer a: attention: expected a width in 5 equal heads, received 24',
  ],
  [
    'a sequence where an image is wanted',
    [
      { id: 'r', type: 'flatten' },
      { id: 'p', type: 'max-pool', kernel: 2 },
    ],
    'layer p: max-pool: expected an image [channels, height, width], received [192]',
  ],
  ['an unknown type', [{ id: 'x', type: 'lstm' } as unknown as LayerSpec], 'layer x: expected a known type of layer, received lstm'],
])('refuses %s', (_, layers, message) => {
  expect(() => declareModel(image(...layers))).toThrow(new RangeError(message))
})

test('same padding gives the extent divided by the stride, rounded up', () => {
  for (const stride of [1, 2, 3])
    for (const kernel of [1, 2, 3, 5]) {
      const { outputShape } = declareModel(image({ id: 'c', type: 'conv2d', filters: 1, kernel, stride, padding: 'same' }))
      expect(outputShape).toEqual([1, Math.ceil(8 / stride), Math.ceil(8 / stride)])
    }
})

test('tensors follow one another, layer by layer', () => {
  const model = declareModel(resnet({ depth: 18, stem: 'cifar' }))
  let end = 0
  for (const { offset, size } of model.parameters) {
    expect(offset).toBe(end)
    end += size
  }
  expect(end).toBe(model.parameterCount)
  expect(model.parameters.slice(0, 3).map(({ name }) => name)).toEqual(['stem.conv.weight', 'stem.norm.weight', 'stem.norm.bias'])
  expect(model.states[0]!.name).toBe('stem.norm.running-mean')
})

test('refuses tensors that would share a name', () => {
  const layers: LayerSpec[] = [
    { id: 'r', type: 'reshape', shape: [8, 24] },
    { id: 'a', type: 'attention', heads: 4 },
    { id: 'a.in', nodes: 3 },
  ]
  expect(() => declareModel(image(...layers))).toThrow(
    new RangeError('layer a.in: expected names of its own for its tensors, received a.in.weight, which is taken'),
  )
})

test('refuses a table with fewer rows than there are tokens', () => {
  const spec: ModelSpec = {
    input: { kind: 'tokens', length: 4, vocabulary: 9 },
    layers: [{ id: 'e', type: 'embedding', vocabulary: 8, width: 2 }],
    loss: { type: 'softmax-cross-entropy' },
  }
  expect(() => declareModel(spec)).toThrow(new RangeError('layer e: embedding: expected a vocabulary of 9 or more, received 8'))
})

test('running statistics begin as those of a standard distribution', () => {
  const layers: LayerSpec[] = [
    { id: 'a', type: 'batch-norm' },
    { id: 'b', type: 'batch-norm' },
  ]
  expect([...initialStates(declareModel(image(...layers)))]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1])
})
