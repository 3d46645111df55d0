import { declareLayer } from './declare-layer.ts'
import type { LayerSpec, ModelSpec } from './spec.ts'

/** One tensor of a model, in the order of the flat arrays. */
export interface Tensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Of its first number, counted in numbers. */
  readonly offset: number
  readonly size: number
}

/** What one layer takes and makes; shapes leave the batch out. */
export interface DeclaredLayer {
  readonly layer: LayerSpec
  readonly inputs: readonly string[]
  readonly shape: readonly number[]
  readonly parameters: readonly Tensor[]
  readonly states: readonly Tensor[]
  /** Multiply-adds of one sample in its matrix products; the rest of its work is left out. */
  readonly products: number
}

/** A checked spec: every shape inferred, every tensor at its place. */
export interface DeclaredModel {
  readonly spec: ModelSpec
  readonly inputShape: readonly number[]
  readonly layers: readonly DeclaredLayer[]
  readonly outputShape: readonly number[]
  readonly parameters: readonly Tensor[]
  readonly states: readonly Tensor[]
  readonly parameterCount: number
  readonly stateCount: number
  /** Multiply-adds of one sample in all matrix products of a forward pass; a training step has three times as many. */
  readonly products: number
}

/** A document of more layers is refused before any of them is looked at. */
export const layersMax = 4096
/** Bit 31 of a map word is the sign, so an index has 31 bits. */
export const parametersMax = 2 ** 31
/** Numbers of one sample in one value, and of one tensor. */
const elementsMax = 2 ** 30

/**
 * Infers every shape of a model and lays its tensors out: layer by layer, each row major. Reserves no memory.
 *
 * @throws RangeError "layer ID: expected ..., received ..." for the first layer that does not fit
 */
export function declareModel(spec: ModelSpec): DeclaredModel {
  if (spec.layers.length < 1 || spec.layers.length > layersMax)
    throw new RangeError(`layers: expected 1 to ${layersMax}, received ${spec.layers.length}`)
  const inputShape = spec.input.kind === 'tokens' ? [spec.input.length] : [...spec.input.shape]
  assertShape('input', inputShape)
  if (spec.input.kind === 'tokens') assertShape('input: vocabulary', [spec.input.vocabulary])

  const shapes = new Map<string, readonly number[]>([['input', inputShape]])
  const earlier = new Map<string, LayerSpec>()
  const layers: DeclaredLayer[] = []
  // An attention `a` has `a.in.weight`, and so would a dense layer `a.in`.
  const names = new Set<string>()
  let parameterCount = 0
  let stateCount = 0
  let before = 'input'
  for (const [position, layer] of spec.layers.entries()) {
    const { id } = layer
    if (typeof id !== 'string' || id === '') throw new RangeError(`layer ${position}: expected a non-empty id, received ${String(id)}`)
    if (shapes.has(id)) throw new RangeError(`layer ${id}: expected an id of its own, received one that is taken`)
    try {
      const inputs = layer.inputs ?? [before]
      const received = inputs.map((name) => {
        const shape = shapes.get(name)
        if (!shape) throw new RangeError(`expected the id of an earlier layer, received ${name}`)
        return shape
      })
      const tokens = inputs.map((name) => name === 'input' && spec.input.kind === 'tokens')
      if (layer.type === 'embedding' && spec.input.kind === 'tokens' && layer.vocabulary < spec.input.vocabulary)
        throw new RangeError(`embedding: expected a vocabulary of ${spec.input.vocabulary} or more, received ${layer.vocabulary}`)
      const { shape, parameters, states, products = 0 } = declareLayer(layer, received, tokens, earlier)
      assertShape('output', shape)
      const place = (offset: number, [name, extents]: readonly [string, readonly number[]]): Tensor => {
        assertShape(name, extents)
        const full = `${id}.${name}`
        if (names.has(full)) throw new RangeError(`expected names of its own for its tensors, received ${full}, which is taken`)
        names.add(full)
        return { name: full, shape: extents, offset, size: sizeOf(extents) }
      }
      const made: DeclaredLayer = {
        layer,
        inputs,
        shape,
        parameters: (parameters ?? []).map((tensor) => {
          const placed = place(parameterCount, tensor)
          parameterCount += placed.size
          return placed
        }),
        states: (states ?? []).map((tensor) => {
          const placed = place(stateCount, tensor)
          stateCount += placed.size
          return placed
        }),
        products,
      }
      if (parameterCount > parametersMax)
        throw new RangeError(`expected at most ${parametersMax} parameters up to here, received ${parameterCount}`)
      layers.push(made)
      shapes.set(id, shape)
    } catch (error) {
      if (error instanceof RangeError) throw new RangeError(`layer ${id}: ${error.message}`)
      throw error
    }
    earlier.set(id, layer)
    before = id
  }
  const outputShape = layers.at(-1)!.shape
  return {
    spec,
    inputShape,
    layers,
    outputShape,
    parameters: layers.flatMap((layer) => layer.parameters),
    states: layers.flatMap((layer) => layer.states),
    parameterCount,
    stateCount,
    products: layers.reduce((sum, layer) => sum + layer.products, 0),
  }
}

/** Trained numbers of a model, without building it. @throws as `declareModel` */
export function countParameters(spec: ModelSpec): number {
  return declareModel(spec).parameterCount
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1)
}

function assertShape(name: string, shape: readonly number[]): void {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 1) || sizeOf(shape) > elementsMax)
    throw new RangeError(`${name}: expected positive whole extents of at most ${elementsMax} elements, received [${shape}]`)
}
