import { declareModel, type LayerSpec, type LossSpec, type ModelSpec } from '@pouw/primitives'
import { createExecutable, createGraph, differentiate, type Value } from '@pouw/tensor'
import { expect, test } from 'vitest'
import { bits, seeded } from '../../test/seeded.ts'
import { buildForward, buildLoss } from './build.ts'

function ready(spec: ModelSpec, rows: number, backend: 'wasm' | 'reference' = 'wasm', checkpoint = false) {
  const graph = createGraph()
  const forward = buildForward(graph, spec, rows, { training: true })
  const { loss, sum, wanted } = buildLoss(graph, spec.loss, forward.output)
  const found = differentiate(graph, { loss, wanted: forward.parameters, checkpoint })
  const gradients = forward.parameters.map((value) => found.get(value)!)
  const executable = createExecutable(graph, { keep: [sum, ...gradients], backend })
  const random = seeded(5)
  const fill = (value: Value) => {
    const view = executable.f32(value)
    for (let i = 0; i < view.length; i++) view[i] = random() - 0.5
  }
  for (const value of forward.parameters) fill(value)
  if (spec.input.kind === 'tokens') {
    const { vocabulary } = spec.input
    const view = executable.i32(forward.inputs.data)
    for (let i = 0; i < view.length; i++) view[i] = Math.floor(random() * vocabulary)
  } else fill(forward.inputs.data)
  if (graph.madeKey) executable.i32(graph.madeKey).set([7, 9])
  if (wanted.dtype === 'i32') {
    const classes = forward.output.shape.at(-1)!
    const view = executable.i32(wanted)
    for (let i = 0; i < view.length; i++) view[i] = i % classes
  } else fill(wanted)
  return { forward, executable, sum, gradients, wanted }
}

const words = (values: Float32Array) => [...bits(values)]

const model = (shape: readonly number[], layers: readonly LayerSpec[], type: LossSpec['type'] = 'softmax-cross-entropy'): ModelSpec => ({
  input: { kind: 'features', shape },
  layers,
  loss: { type },
})

const sequence: ModelSpec = {
  input: { kind: 'tokens', length: 6, vocabulary: 11 },
  layers: [
    { id: 'token', type: 'embedding', vocabulary: 11, width: 8 },
    { id: 'class', type: 'class-token' },
    { id: 'position', type: 'position' },
    { id: 'norm', type: 'layer-norm', segment: 'a' },
    { id: 'up', nodes: 13, activation: 'relu', segment: 'a' },
    { id: 'drop', type: 'dropout', rate: 0.25, segment: 'a' },
    { id: 'down', nodes: 8, segment: 'a' },
    { id: 'sum', type: 'add', inputs: ['position', 'down'] },
    { id: 'rms', type: 'rms-norm' },
    { id: 'head', nodes: 11, bias: false, tied: 'token' },
  ],
  loss: { type: 'softmax-cross-entropy' },
}

const images = model(
  [4, 3, 5],
  [
    { id: 'bn', type: 'batch-norm' },
    { id: 'gn', type: 'group-norm', groups: 2 },
    { id: 'in', type: 'instance-norm', inputs: ['bn'] },
    { id: 'both', type: 'concat', axis: 0, inputs: ['gn', 'in'] },
    { id: 'part', type: 'slice', axis: 1, start: 1, end: 3 },
    { id: 'leaky', type: 'leaky-relu', slope: 0.125 },
    { id: 'square', type: 'multiply', inputs: ['leaky', 'part'] },
    { id: 'turn', type: 'transpose', order: [2, 0, 1] },
    { id: 'flat', type: 'reshape', shape: [80] },
    { id: 'soft', type: 'softmax' },
    { id: 'out', nodes: 7 },
  ],
)

const losses = (['binary-cross-entropy', 'mean-squared-error', 'huber'] as const).map(
  (type) => [type, model([6], [{ id: 'out', nodes: 4 }], type)] as const,
)

test.each([['a sequence', sequence] as const, ['images', images] as const, ...losses])(
  '%s: both backends and a checkpointed pass have the same bits',
  (_, spec) => {
    const results = [ready(spec, 5), ready(spec, 5, 'reference'), ready(spec, 5, 'wasm', true)].map(
      ({ executable, sum, gradients, forward }) => {
        executable.run()
        return [sum, ...gradients, ...forward.states].map((value) => words(executable.f32(value)))
      },
    )
    const [wasm, reference, checkpointed] = results
    expect(Number.isFinite(new Float32Array(Uint32Array.from(wasm![0]!).buffer)[0])).toBe(true)
    expect(reference).toEqual(wasm)
    expect(checkpointed).toEqual(wasm)
  },
)

test('the built graph has the declared shapes', () => {
  for (const spec of [sequence, images]) {
    const forward = buildForward(createGraph(), spec, 3)
    const declared = declareModel(spec)
    expect(forward.output.shape).toEqual([3, ...declared.outputShape])
    expect(forward.parameters.map(({ name, shape }) => [name, shape])).toEqual(
      declared.parameters.map(({ name, shape }) => [name, [...shape]]),
    )
    expect(forward.states.map(({ shape }) => shape)).toEqual(declared.states.map(({ shape }) => [...shape]))
  }
})
