import { expectShape, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'

/** y[.., width] = table[token]; a token that is no row of the table gives a row of NaN, so that the loss shows it. */
export const embeddingOp: Op = {
  name: 'embedding',
  code: 0x601,
  infer([table, tokens]) {
    if (table!.dtype !== 'f32' || table!.shape.length !== 2)
      throw new RangeError(`embedding: expected an f32 table [vocabulary, width], received ${table!.dtype} [${table!.shape}]`)
    expectTokens(tokens!)
    return [{ shape: [...tokens!.shape, table!.shape[1]!] }]
  },
  gradient(graph, { inputs: [table, tokens] }, [d]) {
    return [graph.one(embeddingGradientOp, [d!, tokens!], { vocabulary: table!.shape[0]! }), undefined]
  },
  words({ inputs: [table, tokens], outputs: [y] }, { at }) {
    return [sizeOf(tokens!.shape), table!.shape[1]!, table!.shape[0]!, at(table!), at(tokens!), at(y!)]
  },
}

/** The table's gradient: row v = the sum of d's rows whose token is v, from +0, by ascending position. Tokens that are no row add nothing. */
export const embeddingGradientOp: Op<{ readonly vocabulary: number }> = {
  name: 'embedding gradient',
  code: 0x602,
  infer([d, tokens], { vocabulary }) {
    expectTokens(tokens!)
    const width = d!.shape.at(-1)!
    expectShape('gradient of an embedding', d!, [...tokens!.shape, width])
    return [{ shape: [vocabulary, width] }]
  },
  words({ inputs: [d, tokens], outputs: [sums] }, { at }) {
    return [sizeOf(tokens!.shape), sums!.shape[1]!, sums!.shape[0]!, at(d!), at(tokens!), at(sums!)]
  },
}

function expectTokens(tokens: Value): void {
  if (tokens.dtype !== 'i32' || tokens.shape.length === 0)
    throw new RangeError(`embedding: expected i32 tokens [...], received ${tokens.dtype} [${tokens.shape}]`)
}

/** Rows of `table` [vocabulary, width] by i32 `tokens` [...]: f32 [..., width]. */
export function embedding(graph: Graph, table: Value, tokens: Value): Value {
  return graph.one(embeddingOp, [table, tokens], {})
}
