import { expectShape, floatBits, type Graph, type Op, type Value } from '../graph/graph.ts'
import { affineInputs, channelExtents, expectAffine, expectEpsilon } from './affine.ts'
import type { NormOptions } from './normalization.ts'
import { expectDType } from './rows.ts'

export interface BatchNormOptions extends NormOptions {
  /** Share of the batch in the running statistics, 0 to 1; default 0.1. */
  readonly momentum?: number
  /** true: statistics of this batch, and the running ones are moved; false: the running ones are used. */
  readonly training: boolean
}

/**
 * Batch norm of x [N, C, ...] (Ioffe and Szegedy 2015): statistics of a channel over all samples and places;
 * y = (x - mean) (r scale) + shift, r = 1 / sqrt(variance + epsilon); scale and shift f32 [C], or none.
 *
 * Training uses the batch's mean and biased variance, and a node of its own moves the running ones (states [C]):
 * running = (1 - momentum) running + momentum batch, the variance times n / (n - 1) first. The node is kept and never run twice.
 * Orders of roundings and sums: docs/arithmetic, "Norms".
 *
 * @throws RangeError if shapes do not fit, epsilon or momentum are out of range, or training sees one number a channel
 */
export function batchNorm(
  graph: Graph,
  x: Value,
  scale: Value | undefined,
  shift: Value | undefined,
  runningMean: Value,
  runningVariance: Value,
  { epsilon = 1e-5, momentum = 0.1, training }: BatchNormOptions,
): Value {
  const affine = affineInputs('batch norm', scale, shift)
  if (!training) return graph.one(batchNormFixedOp, [x, runningMean, runningVariance, ...affine], { epsilon })
  const [mean, variance, y] = graph.apply(batchNormOp, [x, ...affine], { epsilon })
  const [samples, , inner] = channelExtents('batch norm', x)
  graph.apply(updateRunningOp, [runningMean, runningVariance, mean!, variance!], { momentum, size: samples * inner })
  return y!
}

type Attributes = { readonly epsilon: number }

/** Outputs: mean [C], variance [C] (biased), y. */
export const batchNormOp: Op<Attributes> = {
  name: 'batch norm',
  code: 0x405,
  infer([x, scale, shift], { epsilon }) {
    const [samples, channels, inner] = channelExtents('batch norm', x!)
    expectAffine('batch norm', x!, [scale, shift], channels)
    expectEpsilon('batch norm', epsilon)
    if (samples * inner < 2) throw new RangeError(`batch norm: expected two numbers a channel or more to train, received [${x!.shape}]`)
    return [{ shape: [channels] }, { shape: [channels] }, { shape: x!.shape }]
  },
  gradient(graph, { inputs: [x, scale, shift], outputs: [mean, variance], attributes: { epsilon } }, gradients) {
    const inputs = [x!, gradients.at(-1)!, mean!, variance!, ...(scale ? [scale] : [])]
    return graph.apply(batchNormBackwardOp, inputs, { epsilon, shift: shift !== undefined, training: true })
  },
  words({ inputs: [x, scale, shift], outputs: [mean, variance, y], attributes: { epsilon } }, { at }) {
    const affine = [scale ? at(scale) : 0, shift ? at(shift) : 0]
    return [...channelExtents('batch norm', x!), at(x!), ...affine, at(mean!), at(variance!), at(y!), floatBits(epsilon), 1]
  },
  inPlace: [[2, 0]],
}

/** With given statistics: inputs x, mean, variance, [scale, [shift]]. */
export const batchNormFixedOp: Op<Attributes> = {
  name: 'batch norm with running statistics',
  code: 0x405,
  infer([x, mean, variance, scale, shift], { epsilon }) {
    const [, channels] = channelExtents('batch norm', x!)
    expectAffine('batch norm', x!, [scale, shift], channels)
    expectRunning([mean!, variance!], channels)
    expectEpsilon('batch norm', epsilon)
    return [{ shape: x!.shape }]
  },
  gradient(graph, { inputs: [x, mean, variance, scale, shift], attributes: { epsilon } }, [d]) {
    const inputs = [x!, d!, mean!, variance!, ...(scale ? [scale] : [])]
    const [dx, ...affine] = graph.apply(batchNormBackwardOp, inputs, { epsilon, shift: shift !== undefined, training: false })
    return [dx, undefined, undefined, ...affine]
  },
  words({ inputs: [x, mean, variance, scale, shift], outputs: [y], attributes: { epsilon } }, { at }) {
    const affine = [scale ? at(scale) : 0, shift ? at(shift) : 0]
    return [...channelExtents('batch norm', x!), at(x!), ...affine, at(mean!), at(variance!), at(y!), floatBits(epsilon), 0]
  },
  inPlace: [[0, 0]],
}

/** Inputs x, d, mean, variance, [scale]; outputs dx, [dscale, [dshift]]. */
export const batchNormBackwardOp: Op<Attributes & { readonly shift: boolean; readonly training: boolean }> = {
  name: 'batch norm backward',
  code: 0x406,
  infer([x, , , , scale], { shift }) {
    const channel = { shape: [x!.shape[1]!] }
    return [{ shape: x!.shape }, ...(scale ? [channel] : []), ...(shift ? [channel] : [])]
  },
  words({ inputs: [x, d, mean, variance, scale], outputs: [dx, dscale, dshift], attributes: { epsilon, training } }, { at }) {
    const place = (value: Value | undefined) => (value ? at(value) : 0)
    const made = [at(dx!), place(dscale), place(dshift)]
    const statistics = [place(scale), at(mean!), at(variance!)]
    return [...channelExtents('batch norm', x!), at(x!), at(d!), ...statistics, ...made, floatBits(epsilon), training ? 1 : 0]
  },
  inPlace: [
    [0, 1],
    [0, 0],
  ],
}

/** Inputs: running mean and variance, which it changes, then the batch's; `size` numbers a channel. */
export const updateRunningOp: Op<{ readonly momentum: number; readonly size: number }> = {
  name: 'running statistics',
  code: 0x407,
  infer([runningMean, runningVariance, mean], { momentum }) {
    expectRunning([runningMean!, runningVariance!], mean!.shape[0]!)
    if (!(momentum >= 0 && momentum <= 1)) throw new RangeError(`batch norm: expected a momentum of 0 to 1, received ${momentum}`)
    return []
  },
  words({ inputs, attributes: { momentum, size } }, { at }) {
    return [inputs[0]!.shape[0]!, size, ...inputs.map(at), floatBits(momentum)]
  },
  writes: [0, 1],
}

function expectRunning(values: readonly Value[], channels: number): void {
  for (const [i, value] of values.entries()) {
    const what = `batch norm: running ${i === 0 ? 'mean' : 'variance'}`
    expectDType(what, value, 'f32')
    expectShape(what, value, [channels])
  }
}
