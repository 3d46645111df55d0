import { expectShape, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'
import { multiply } from './elementwise.ts'
import { expectDType } from './rows.ts'

/** tanh. Of this and the next three no value is further than 1.75 units in the last place from the true one (docs/arithmetic/transcendentals.md). */
export function tanh(graph: Graph, x: Value): Value {
  return graph.one(tanhOp, [x], {})
}

/** 1 / (1 + e^-x). */
export function sigmoid(graph: Graph, x: Value): Value {
  return graph.one(sigmoidOp, [x], {})
}

export interface GatedOptions {
  /** Take the slope along with the value, from the same exponential, and keep it instead of x for the way back: the same bits, sooner. Default false. */
  readonly training?: boolean
}

/** x sigmoid(x), as x / (1 + e^-x) (Hendrycks and Gimpel 2016; Ramachandran et al. 2017). */
export function silu(graph: Graph, x: Value, { training = false }: GatedOptions = {}): Value {
  return training ? graph.apply(siluWithSlopeOp, [x], {})[0]! : graph.one(siluOp, [x], {})
}

/** The tanh form of gelu (Hendrycks and Gimpel 2016): 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
export function gelu(graph: Graph, x: Value, { training = false }: GatedOptions = {}): Value {
  return training ? graph.apply(geluWithSlopeOp, [x], {})[0]! : graph.one(geluOp, [x], {})
}

/** @param from what the backward pass reads: the output, so that the input need not live, or the input */
function activation(name: string, code: number, from: 'output' | 'input'): Op {
  const backward: Op = {
    name: `${name} backward`,
    code: code + 8,
    infer([d, v]) {
      expectShape(`${name} backward`, v!, d!.shape)
      return [{ shape: d!.shape }]
    },
    words: ({ inputs: [d, v], outputs: [dx] }, { at }) => [sizeOf(dx!.shape), at(d!), at(v!), at(dx!)],
    inPlace: [
      [0, 0],
      [0, 1],
    ],
  }
  return {
    name,
    code,
    infer([x]) {
      expectDType(name, x!, 'f32')
      return [{ shape: x!.shape }]
    },
    gradient: (graph, { inputs: [x], outputs: [y] }, [d]) => [graph.one(backward, [d!, from === 'output' ? y! : x!], {})],
    words: ({ inputs: [x], outputs: [y] }, { at }) => [sizeOf(y!.shape), at(x!), at(y!)],
    inPlace: [[0, 0]],
  }
}

/** `SLOPE_SCRATCH` of the kernels. */
const slopeScratchBytes = 4096

/** Value and slope; a gradient is then one product, the backward operation's own. */
function withSlope(name: string, code: number): Op {
  return {
    name: `${name} with slope`,
    code: code + 4,
    infer([x]) {
      expectDType(name, x!, 'f32')
      return [{ shape: x!.shape }, { shape: x!.shape }]
    },
    gradient: (graph, { outputs: [, slope] }, [d]) => [multiply(graph, d!, slope!)],
    scratchBytes: (_node, threads) => threads * slopeScratchBytes,
    words: ({ inputs: [x], outputs: [y, slope] }, { at, scratch }) => [sizeOf(y!.shape), at(x!), at(y!), at(slope!), scratch],
    inPlace: [
      [0, 0],
      [1, 0],
    ],
  }
}

export const tanhOp = activation('tanh', 0x320, 'output')
export const sigmoidOp = activation('sigmoid', 0x321, 'output')
export const siluOp = activation('silu', 0x322, 'input')
export const geluOp = activation('gelu', 0x323, 'input')
export const siluWithSlopeOp = withSlope('silu', 0x322)
export const geluWithSlopeOp = withSlope('gelu', 0x323)
