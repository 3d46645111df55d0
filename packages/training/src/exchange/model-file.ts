import type { ModelSpec } from '@pouw/primitives'
import { defineModel } from '../layers/model.ts'
import type { TrainedModel } from '../train/predict.ts'
import { numbersOf, openSafetensors, PROFILE, SPEC, writeSafetensors } from './model-safetensors.ts'
import { parseSpec } from './read-spec.ts'

const PROFILES = ['f32', 'bf16x', 'int8x'] as const

/**
 * A trained model in the safetensors format: its tensors by name (`<layer>.weight` and so on, then running statistics), binary32, and its spec as JSON in the
 * metadata, so that `loadModel` needs nothing else. Equal models give equal bytes.
 */
export function saveModel({ model, weights, statistics, profile }: TrainedModel): Uint8Array {
  return writeSafetensors(model, weights, statistics, { [PROFILE]: profile })
}

/**
 * Reads a safetensors file. Its tensors may be F32, BF16 or F16 and in any order; others than the model's are refused.
 *
 * @param spec of a file that does not bring one (another program wrote it): tensors must have the names of its declaration
 * @throws RangeError for bytes that are no such file, or tensors that are not the model's, by name
 */
export function loadModel(bytes: Uint8Array, spec?: ModelSpec): TrainedModel {
  const file = openSafetensors(bytes)
  const written = file.metadata.get(SPEC)
  if (spec === undefined && written === undefined)
    throw new RangeError(`safetensors: expected the model in its metadata (${SPEC}); hand its spec to loadModel`)
  const model = defineModel(spec ?? parseSpec(written!))
  const { weights, states } = numbersOf(model, file)
  return { model, weights, statistics: states, profile: PROFILES.find((name) => name === file.metadata.get(PROFILE)) ?? 'f32' }
}
