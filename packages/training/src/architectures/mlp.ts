import type { Activation, LayerSpec, ModelSpec } from '@pouw/primitives'

export interface MlpOptions {
  readonly inputs: number
  readonly hidden: readonly number[]
  readonly classes: number
  readonly activation?: Activation
}

/** Dense layers `hidden1`, `hidden2`, ... and `output`. */
export function mlp({ inputs, hidden, classes, activation = 'relu' }: MlpOptions): ModelSpec {
  const layers: LayerSpec[] = hidden.map((nodes, i) => ({ id: `hidden${i + 1}`, nodes, activation }))
  return {
    input: { kind: 'features', shape: [inputs] },
    layers: [...layers, { id: 'output', nodes: classes }],
    loss: { type: 'softmax-cross-entropy' },
  }
}
