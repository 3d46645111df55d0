import { declareModel, type LossSpec, type ModelSpec } from '@pouw/primitives'
import { binaryCrossEntropy, type Graph, huber, meanSquaredError, softmaxCrossEntropy, sumAll, type Value } from '@pouw/tensor'
import { buildLayer } from './build-layer.ts'

/** A model's forward pass in a graph; parameters and states in flat order. */
export interface Forward {
  readonly output: Value
  readonly parameters: readonly Value[]
  readonly states: readonly Value[]
  readonly inputs: {
    /** f32 [rows, ...] or, of tokens, i32 [rows, length]. */
    readonly data: Value
    /** i32 [rows, 1], left at 0, where a layer has a class token. */
    readonly zeros: Value | undefined
  }
}

export interface ForwardOptions {
  /** Statistics of the batch and dropout, or running statistics and none. Default false. */
  readonly training?: boolean
}

/**
 * Appends the forward pass of a model for this many rows.
 *
 * @throws RangeError "layer ID: expected ..., received ..." if a layer does not fit, or has no operation
 */
export function buildForward(graph: Graph, spec: ModelSpec, rows: number, { training = false }: ForwardOptions = {}): Forward {
  const model = declareModel(spec)
  const data = graph.input('input', [rows, ...model.inputShape], spec.input.kind === 'tokens' ? 'i32' : 'f32')
  const values = new Map<string, Value>([['input', data]])
  const tables = new Map<string, Value>()
  const parameters: Value[] = []
  const states: Value[] = []
  let zeros: Value | undefined

  const append = (position: number) => {
    const { layer, inputs, ...declared } = model.layers[position]!
    const own = declared.parameters.map(({ name, shape }) => graph.parameter(name, shape))
    const kept = declared.states.map(({ name, shape }) => graph.state(name, shape))
    parameters.push(...own)
    states.push(...kept)
    if (layer.type === 'embedding') tables.set(layer.id, own[0]!)
    values.set(
      layer.id,
      named(layer.id, () =>
        graph.layer(layer.id, () =>
          buildLayer(graph, layer, {
            inputs: inputs.map((id) => values.get(id)!),
            parameters: own,
            states: kept,
            training,
            position,
            zeros: () => (zeros ??= graph.input('zeros', [rows, 1], 'i32')),
            table: (id) => tables.get(id)!,
          }),
        ),
      ),
    )
  }
  // Layers of one segment that follow one another are forgotten and computed again together.
  for (let position = 0; position < model.layers.length; ) {
    const { segment } = model.layers[position]!.layer
    const start = position++
    while (segment !== undefined && model.layers[position]?.layer.segment === segment) position++
    const run = () => {
      for (let at = start; at < position; at++) append(at)
    }
    if (segment === undefined) run()
    else graph.segment(run)
  }
  return { output: values.get(spec.layers.at(-1)!.id)!, parameters, states, inputs: { data, zeros } }
}

/**
 * The sum of a loss over all rows, f32 [1], against `labels` i32 [rows, ...] or `targets` f32 of the output's shape.
 *
 * @param gradient compute the gradient along with it, so that `differentiate` can start here
 */
export function buildLoss(
  graph: Graph,
  loss: LossSpec,
  output: Value,
  gradient = true,
): { readonly loss: Value; readonly sum: Value; readonly wanted: Value } {
  const wanted =
    loss.type === 'softmax-cross-entropy' ? graph.input('labels', output.shape.slice(0, -1), 'i32') : graph.input('targets', output.shape)
  const rows = graph.layer('loss', () => lossRows(graph, loss, output, wanted, gradient))
  return { loss: rows, sum: graph.layer('loss', () => sumAll(graph, rows)), wanted }
}

function lossRows(graph: Graph, loss: LossSpec, output: Value, wanted: Value, gradient: boolean): Value {
  switch (loss.type) {
    case 'softmax-cross-entropy':
      return softmaxCrossEntropy(graph, output, wanted, { gradient })
    case 'binary-cross-entropy':
      return binaryCrossEntropy(graph, output, wanted, { gradient })
    case 'mean-squared-error':
      return meanSquaredError(graph, output, wanted, { gradient })
    case 'huber':
      return huber(graph, output, wanted, { gradient, delta: loss.delta ?? 1 })
    default:
      throw new RangeError(`expected a known loss, received ${String((loss as { type: unknown }).type)}`)
  }
}

/** Refusals of a builder itself carry the layer's name, as those of the graph do. */
function named<T>(id: string, build: () => T): T {
  try {
    return build()
  } catch (error) {
    if (error instanceof RangeError && !error.message.startsWith(`layer ${id}: `)) throw new RangeError(`layer ${id}: ${error.message}`)
    throw error
  }
}
