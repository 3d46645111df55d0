import type { Graph, Op, Value } from '../graph/graph.ts'
import { expectDType, lastAxis } from './rows.ts'

/**
 * y = fl(e / S) over the last axis: m = the row's largest value, e = exp(fl(x - m)), S = sum of e by lanes.
 *
 * Backward from y: fl(y fl(d - s)), s = sum of fl(d y) by lanes. A row with NaN or +infinity is NaN.
 *
 * @throws RangeError unless x is f32
 */
export function softmax(graph: Graph, x: Value): Value {
  return graph.one(softmaxOp, [x], {})
}

export const softmaxOp: Op = {
  name: 'softmax',
  code: 0x505,
  infer([x]) {
    expectDType('softmax', x!, 'f32')
    return [{ shape: x!.shape }]
  },
  gradient: (graph, { outputs: [y] }, [d]) => [graph.one(softmaxBackwardOp, [y!, d!], {})],
  words({ inputs: [x], outputs: [y] }, { at }) {
    const { rows, columns } = lastAxis(x!.shape)
    return [rows, columns, at(x!), at(y!)]
  },
  inPlace: [[0, 0]],
}

export const softmaxBackwardOp: Op = {
  name: 'softmax backward',
  code: 0x506,
  infer: ([y]) => [{ shape: y!.shape }],
  words({ inputs: [y, d], outputs: [dx] }, { at }) {
    const { rows, columns } = lastAxis(y!.shape)
    return [rows, columns, at(y!), at(d!), at(dx!)]
  },
  inPlace: [
    [0, 1],
    [0, 0],
  ],
}
