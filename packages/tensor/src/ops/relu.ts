import { floatBits, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'
import { reluBackwardOp } from './elementwise.ts'
import { expectDType } from './rows.ts'

/** x < 0 ? +0 : x, so that -0 and NaN pass. */
export function relu(graph: Graph, x: Value): Value {
  return graph.one(reluOp, [x], { slope: 0 })
}

/** x < 0 ? fl(slope x) : x. @throws RangeError unless the slope is finite and positive */
export function leakyRelu(graph: Graph, x: Value, slope: number): Value {
  if (!(slope > 0 && Number.isFinite(Math.fround(slope)))) throw new RangeError(`leaky relu: expected a positive slope, received ${slope}`)
  return graph.one(reluOp, [x], { slope })
}

export const reluOp: Op<{ readonly slope: number }> = {
  name: 'relu',
  code: 0x310,
  infer([x]) {
    expectDType('relu', x!, 'f32')
    return [{ shape: x!.shape }]
  },
  // From the output, so that the input need not live.
  gradient: (graph, { outputs: [y], attributes: { slope } }, [d]) => [graph.one(reluBackwardOp, [d!, y!], { slope })],
  words: ({ inputs: [x], outputs: [y], attributes: { slope } }, { at }) => [sizeOf(y!.shape), at(x!), at(y!), floatBits(slope)],
  inPlace: [[0, 0]],
}
