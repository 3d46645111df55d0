import { type DeclaredModel, declareModel, type ModelSpec, type Tensor } from '@pouw/primitives'

/** A checked spec and the place of each tensor in the flat parameter array. */
export interface Model {
  readonly spec: ModelSpec
  readonly params: number
  readonly tensors: readonly Tensor[]
  readonly declared: DeclaredModel
}

/** @throws RangeError naming the layer, what was expected and what was received */
export function defineModel(spec: ModelSpec): Model {
  const declared = declareModel(spec)
  return { spec, params: declared.parameterCount, tensors: declared.parameters, declared }
}
