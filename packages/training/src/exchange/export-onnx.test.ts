import * as ort from 'onnxruntime-web'
import { expect, test } from 'vitest'
import { answers, type Example, example, layerModels } from '../../test/exchange-models.ts'
import { cnn } from '../architectures/cnn.ts'
import { gpt } from '../architectures/gpt.ts'
import { mlp } from '../architectures/mlp.ts'
import { resnet } from '../architectures/resnet.ts'
import { vit } from '../architectures/vit.ts'
import { exportOnnx } from './export-onnx.ts'

ort.env.wasm.numThreads = 1
ort.env.logLevel = 'error'

/** The largest difference between the runtime's answers and ours, in units of the largest answer, or of 1 where all are smaller. */
async function difference(one: Example): Promise<number> {
  const { model, weights, states, rows, features, tokens } = one
  const session = await ort.InferenceSession.create(exportOnnx(model, { weights, states }))
  expect([session.inputNames, session.outputNames]).toEqual([['input'], ['output']])
  const dims = [rows, ...model.declared.inputShape]
  const input =
    model.spec.input.kind === 'tokens'
      ? new ort.Tensor('int64', BigInt64Array.from(tokens, BigInt), dims)
      : new ort.Tensor('float32', features, dims)
  const { output } = await session.run({ input })
  expect(output!.dims).toEqual([rows, ...model.declared.outputShape])
  const theirs = output!.data as Float32Array
  const ours = answers(one, model, weights, states)
  await session.release()
  const scale = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
  return ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / scale
}

test.each(layerModels)('%s: the runtime answers as our net does', async (_, spec) => {
  const found = await difference(example(spec, 3))
  expect(found).toBeLessThanOrEqual(1e-5)
})

test.each([
  ['mlp', mlp({ inputs: 20, hidden: [16, 12], classes: 5 })],
  ['cnn', cnn()],
  ['resnet-18 for 32 x 32', resnet({ depth: 18, stem: 'cifar' })],
  ['resnet-50 with its large stem', { ...resnet({ depth: 50, classes: 7 }), input: { kind: 'features', shape: [3, 32, 32] } as const }],
  ['vit', vit({ image: 16, patch: 4, layers: 2, heads: 2, width: 16, classes: 6 })],
  ['gpt', gpt({ layers: 2, heads: 2, width: 16, time: 12, vocabulary: 31 })],
  ['gpt, untied', gpt({ layers: 1, heads: 2, width: 8, time: 1, vocabulary: 13, tied: false })],
])('%s: the runtime answers as our net does', async (_, spec) => {
  const found = await difference(example(spec, 2))
  expect(found).toBeLessThanOrEqual(1e-5)
})
