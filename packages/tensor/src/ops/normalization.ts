import { floatBits, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'
import { affineInputs, channelExtents, expectAffine, expectEpsilon } from './affine.ts'
import { lastAxis } from './rows.ts'

export interface NormOptions {
  /** Added to the variance, > 0, rounded to binary32; default 1e-5. */
  readonly epsilon?: number
}

/**
 * Layer norm over the last axis (Ba et al. 2016): y = ((x - mean) r) scale + shift, r = 1 / sqrt(variance + epsilon), the variance
 * biased, from centred squares. Scale and shift f32 [width], or none. Orders of roundings and sums: docs/arithmetic, "Norms".
 *
 * @throws RangeError if shapes do not fit or epsilon is not positive
 */
export function layerNorm(graph: Graph, x: Value, scale?: Value, shift?: Value, { epsilon = 1e-5 }: NormOptions = {}): Value {
  return graph.apply(layerNormOp, [x, ...affineInputs('layer norm', scale, shift)], { epsilon, centred: true }).at(-1)!
}

/** Root-mean-square norm over the last axis (Zhang and Sennrich 2019): layer norm with mean +0 and no shift. @throws as `layerNorm` */
export function rmsNorm(graph: Graph, x: Value, scale?: Value, { epsilon = 1e-5 }: NormOptions = {}): Value {
  return graph.apply(layerNormOp, scale ? [x, scale] : [x], { epsilon, centred: false }).at(-1)!
}

/**
 * Group norm of x [N, C, ...] (Wu and He 2018): statistics of C / groups channels of one sample; y = (x - mean) (r scale) + shift,
 * scale and shift f32 [C], or none.
 *
 * @throws RangeError if shapes do not fit, groups do not divide the channels or epsilon is not positive
 */
export function groupNorm(
  graph: Graph,
  x: Value,
  scale: Value | undefined,
  shift: Value | undefined,
  { groups, epsilon = 1e-5 }: NormOptions & { readonly groups: number },
): Value {
  return graph.apply(groupNormOp, [x, ...affineInputs('group norm', scale, shift)], { groups, epsilon }).at(-1)!
}

/** Instance norm of x [N, C, ...] (Ulyanov et al. 2016): group norm with one channel to a group. @throws as `groupNorm` */
export function instanceNorm(graph: Graph, x: Value, scale?: Value, shift?: Value, options: NormOptions = {}): Value {
  return groupNorm(graph, x, scale, shift, { ...options, groups: x.shape[1] ?? 1 })
}

type LayerAttributes = { readonly epsilon: number; readonly centred: boolean }

/** Outputs: [mean [rows] if centred,] r [rows], y. */
export const layerNormOp: Op<LayerAttributes> = {
  name: 'layer norm',
  code: 0x401,
  infer([x, scale, shift], { epsilon, centred }) {
    const name = centred ? 'layer norm' : 'root-mean-square norm'
    const { rows, columns } = lastAxis(x!.shape)
    expectAffine(name, x!, [scale, shift], columns)
    expectEpsilon(name, epsilon)
    return [...(centred ? [{ shape: [rows] }] : []), { shape: [rows] }, { shape: x!.shape }]
  },
  gradient(graph, { inputs: [x, scale, shift], outputs, attributes: { centred } }, gradients) {
    const d = gradients.at(-1)!
    const statistics = outputs.slice(0, -1)
    // First, so that the gradient of x may take over the memory of d.
    const affine = scale ? graph.apply(layerNormAffineOp, [x!, d, ...statistics], { centred, shift: shift !== undefined }) : []
    const dx = graph.one(layerNormBackwardOp, [x!, d, ...statistics, ...(scale ? [scale] : [])], { centred })
    return [dx, ...affine]
  },
  words({ inputs: [x, scale, shift], outputs, attributes: { epsilon, centred } }, { at }) {
    const { rows, columns } = lastAxis(x!.shape)
    const place = (value: Value | undefined) => (value ? at(value) : 0)
    const mean = centred ? at(outputs[0]!) : 0
    return [rows, columns, at(x!), place(scale), place(shift), mean, at(outputs.at(-2)!), at(outputs.at(-1)!), floatBits(epsilon), 1, 1]
  },
  // Only where there is a mean: without one output 1 is y, with one it is r, which is written before its row is read again.
  inPlace: [[2, 0]],
}

/** Inputs x, d, [mean,] r, [scale]. */
export const layerNormBackwardOp: Op<{ readonly centred: boolean }> = {
  name: 'layer norm backward',
  code: 0x402,
  infer: ([x]) => [{ shape: x!.shape }],
  words({ inputs: [x, d, ...rest], outputs: [dx], attributes: { centred } }, { at }) {
    const { rows, columns } = lastAxis(x!.shape)
    const [mean, r, scale] = centred ? rest : [undefined, ...rest]
    return [rows, columns, at(x!), at(d!), scale ? at(scale) : 0, mean ? at(mean) : 0, at(r!), at(dx!)]
  },
  inPlace: [
    [0, 1],
    [0, 0],
  ],
}

/** Rows of one part of a sum over rows, as of `columnSums`. */
const partRows = 256

/** Inputs x, d, [mean,] r; outputs dscale, [dshift]. */
export const layerNormAffineOp: Op<{ readonly centred: boolean; readonly shift: boolean }> = {
  name: 'layer norm affine gradient',
  code: 0x403,
  infer([x], { shift }) {
    const result = { shape: [lastAxis(x!.shape).columns] }
    return shift ? [result, result] : [result]
  },
  scratchBytes({ inputs: [x] }) {
    const { rows, columns } = lastAxis(x!.shape)
    return 8 * columns * (Math.ceil(rows / partRows) - 1)
  },
  words({ inputs: [x, d, ...rest], outputs: [dscale, dshift], attributes: { centred } }, { at, scratch }) {
    const { rows, columns } = lastAxis(x!.shape)
    const [mean, r] = centred ? rest : [undefined, ...rest]
    return [rows, columns, at(x!), at(d!), mean ? at(mean) : 0, at(r!), at(dscale!), dshift ? at(dshift) : 0, scratch]
  },
}

/** Outputs: mean [N groups], r [N groups], y. */
export const groupNormOp: Op<{ readonly groups: number; readonly epsilon: number }> = {
  name: 'group norm',
  code: 0x401,
  infer([x, scale, shift], { groups, epsilon }) {
    const [samples, channels] = channelExtents('group norm', x!)
    expectAffine('group norm', x!, [scale, shift], channels)
    expectEpsilon('group norm', epsilon)
    if (!Number.isSafeInteger(groups) || groups < 1 || channels % groups !== 0)
      throw new RangeError(`group norm: expected groups that divide ${channels} channels, received ${groups}`)
    const rows = { shape: [samples * groups] }
    return [rows, rows, { shape: x!.shape }]
  },
  gradient(graph, { inputs: [x, scale, shift], outputs: [mean, r], attributes: { groups } }, gradients) {
    const inputs = [x!, gradients.at(-1)!, mean!, r!, ...(scale ? [scale] : [])]
    return graph.apply(groupNormBackwardOp, inputs, { groups, shift: shift !== undefined })
  },
  words({ inputs: [x, scale, shift], outputs: [mean, r, y], attributes: { groups, epsilon } }, { at }) {
    const [samples, , inner] = channelExtents('group norm', x!)
    const place = (value: Value | undefined) => (value ? at(value) : 0)
    const rows = samples * groups
    const affine = [place(scale), place(shift)]
    return [rows, sizeOf(x!.shape) / rows, at(x!), ...affine, at(mean!), at(r!), at(y!), floatBits(epsilon), groups, inner]
  },
  inPlace: [[2, 0]],
}

/** Inputs x, d, mean, r, [scale]; outputs dx, [dscale, [dshift]]. */
export const groupNormBackwardOp: Op<{ readonly groups: number; readonly shift: boolean }> = {
  name: 'group norm backward',
  code: 0x404,
  infer([x, , , , scale], { shift }) {
    const channel = { shape: [x!.shape[1]!] }
    return [{ shape: x!.shape }, ...(scale ? [channel] : []), ...(shift ? [channel] : [])]
  },
  scratchBytes: ({ inputs: [x] }) => 8 * x!.shape[0]! * x!.shape[1]!,
  words({ inputs: [x, d, mean, r, scale], outputs: [dx, dscale, dshift], attributes: { groups } }, { at, scratch }) {
    const [samples, channels, inner] = channelExtents('group norm', x!)
    const place = (value: Value | undefined) => (value ? at(value) : 0)
    const statistics = [place(scale), at(mean!), at(r!)]
    return [samples, channels, inner, groups, at(x!), at(d!), ...statistics, at(dx!), place(dscale), place(dshift), scratch]
  },
  inPlace: [
    [0, 1],
    [0, 0],
  ],
}
