/** What a layer does to its sums: nothing, or `x < 0 ? +0 : x`. */
export type Activation = 'identity' | 'relu'

/** `y = activation(x Wᵀ + b)` with a weight of shape `[nodes, inputs]`. */
export interface DenseLayer {
  readonly id: string
  readonly nodes: number
  readonly activation: Activation
}

/** A stack of dense layers; the loss is softmax cross entropy over the last layer's nodes. */
export interface ModelSpec {
  readonly inputs: number
  readonly layers: readonly DenseLayer[]
}

/** One parameter tensor, `<id>.weight` `[out, in]` or `<id>.bias` `[out]`; offset and size count floats. */
export interface TensorInfo {
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
  readonly size: number
}

/** A checked spec and the place of each tensor in the flat parameter array. */
export interface Model {
  readonly spec: ModelSpec
  readonly params: number
  readonly tensors: readonly TensorInfo[]
}

/** Bit 31 of a map word is the sign, so an index has 31 bits (spec 9.2). */
const paramsMax = 2 ** 31

/**
 * Checks a spec and lays its tensors out: layer by layer, weight then bias, each row major (spec 9.2).
 *
 * @throws RangeError naming the layer, what was expected and what was received
 */
export function defineModel(spec: ModelSpec): Model {
  assertCount('model: inputs', spec.inputs)
  if (spec.layers.length === 0) throw new RangeError('model: expected at least one layer, received none')
  const seen = new Set<string>()
  const tensors: TensorInfo[] = []
  let inputs = spec.inputs
  let params = 0
  for (const [position, { id, nodes, activation }] of spec.layers.entries()) {
    if (typeof id !== 'string' || id === '') throw new RangeError(`layer ${position}: expected a non-empty id, received ${String(id)}`)
    if (seen.has(id)) throw new RangeError(`layer ${id}: expected a unique id, received it twice`)
    seen.add(id)
    assertCount(`layer ${id}: nodes`, nodes)
    if (activation !== 'identity' && activation !== 'relu') {
      throw new RangeError(`layer ${id}: expected activation identity or relu, received ${String(activation)}`)
    }
    tensors.push({ name: `${id}.weight`, shape: [nodes, inputs], offset: params, size: nodes * inputs })
    params += nodes * inputs
    tensors.push({ name: `${id}.bias`, shape: [nodes], offset: params, size: nodes })
    params += nodes
    if (params > paramsMax) throw new RangeError(`layer ${id}: expected at most ${paramsMax} parameters in all, received ${params}`)
    inputs = nodes
  }
  return { spec, params, tensors }
}

function assertCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${what}: expected a positive integer, received ${value}`)
}
