import type { Graph, Node, Value } from '../graph/graph.ts'
import { addOp } from '../ops/elementwise.ts'

export interface DifferentiateOptions {
  /** Output of a loss operation; its upstream gradient is 1. */
  readonly loss?: Value
  /** Upstream gradients for other values. */
  readonly seeds?: ReadonlyMap<Value, Value>
  /** Whose gradients are wanted: parameters, or inputs. */
  readonly wanted: readonly Value[]
  /**
   * Forget what segments computed on the way forward, and compute it again on the way back: less memory, the same bits, since the
   * same operations run on the same numbers.
   */
  readonly checkpoint?: boolean
}

/**
 * Appends the backward pass to the graph and answers the gradient of each wanted value; one that nothing depends on has none.
 *
 * Reverse order of the nodes; several gradients of one value are added in that order: fl(fl(g1 + g2) + g3) with g1 from its last use.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): ReadonlyMap<Value, Value> {
  const { loss, seeds = new Map(), wanted, checkpoint = false } = options
  const forward = [...graph.nodes]
  const needed = dependents(forward, wanted)
  const gradients = new Map<Value, Value>(seeds)
  const again = new Map<Value, Value>()
  const original = new Map<Value, Value>()
  let open = 0

  /** Clones the nodes of a segment; their inputs from outside are the boundary that was kept. */
  function recompute(segment: number): void {
    open = segment
    for (const node of forward) {
      if (node.segment !== segment || node.op.writes) continue
      const inputs = node.inputs.map((value) => again.get(value) ?? value)
      const outputs = graph.layer(node.layer, () => graph.apply(node.op, inputs, node.attributes))
      for (const [i, output] of outputs.entries()) {
        again.set(node.outputs[i]!, output)
        original.set(output, node.outputs[i]!)
      }
    }
  }

  for (const node of forward.toReversed()) {
    const isLoss = loss !== undefined && node.outputs.includes(loss)
    const upstream = node.outputs.map((output) => gradients.get(output))
    if (!isLoss && upstream.every((gradient) => gradient === undefined)) continue
    if (!node.inputs.some((input) => needed.has(input))) continue
    if (checkpoint && node.segment !== 0 && node.segment !== open) recompute(node.segment)
    const { gradient } = node.op
    if (!gradient) throw new RangeError(`layer ${node.layer}: ${node.op.name} cannot be trained through`)
    const seen: Node = checkpoint && node.segment !== 0 ? replaced(node, again) : node
    graph.layer(node.layer, () => {
      const made = gradient.call(node.op, graph, seen, isLoss ? [] : upstream)
      for (const [i, more] of made.entries()) {
        const value = original.get(seen.inputs[i]!) ?? seen.inputs[i]!
        if (!more || !needed.has(value)) continue
        const sum = gradients.get(value)
        gradients.set(value, sum ? graph.one(addOp, [sum, more], {}) : more)
      }
    })
  }
  return new Map(wanted.flatMap((value) => (gradients.has(value) ? [[value, gradients.get(value)!] as const] : [])))
}

function replaced(node: Node, again: ReadonlyMap<Value, Value>): Node {
  const swap = (values: readonly Value[]) => values.map((value) => again.get(value) ?? value)
  return { ...node, inputs: swap(node.inputs), outputs: swap(node.outputs) }
}

/** The values whose change changes with a wanted one's, those themselves included. */
function dependents(nodes: readonly Node[], wanted: readonly Value[]): Set<Value> {
  const found = new Set(wanted)
  for (const node of nodes) if (node.inputs.some((input) => found.has(input))) for (const output of node.outputs) found.add(output)
  return found
}
