import { expectShape, type Op, sizeOf } from '../graph/graph.ts'

/** c = fl(a + b), equal shapes. */
export const addOp: Op = {
  name: 'add',
  code: 0x301,
  infer([a, b]) {
    expectShape('second operand', b!, a!.shape)
    return [{ shape: a!.shape }]
  },
  gradient: (_graph, _node, [d]) => [d, d],
  words: ({ inputs: [a, b], outputs: [c] }, { at }) => [sizeOf(c!.shape), at(a!), at(b!), at(c!)],
  inPlace: [
    [0, 0],
    [0, 1],
  ],
}
