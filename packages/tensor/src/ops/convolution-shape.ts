import type { Shape } from '../graph/graph.ts'

/** How a window moves over an image. */
export type ConvolutionAttributes = {
  readonly stride: readonly number[]
  readonly padding: readonly number[]
  readonly dilation: readonly number[]
  readonly groups: number
}

/** Fifteen sizes and the groups, as words of an instruction. */
export function convolutionSizes(
  x: Shape,
  w: Shape,
  y: Shape,
  { stride, padding, dilation, groups }: ConvolutionAttributes,
): readonly number[] {
  return [...x, w[0]!, w[2]!, w[3]!, y[2]!, y[3]!, ...stride, ...dilation, padding[0]!, padding[1]!, groups]
}

/** Shape of the result. @throws RangeError if image, weight and window do not fit */
export function convolvedShape(x: Shape, w: Shape, { stride, padding, dilation, groups }: ConvolutionAttributes): Shape {
  if (x.length !== 4 || w.length !== 4)
    throw new RangeError(`conv2d: expected images [n, channels, h, w] and a weight [filters, channels, kh, kw], received [${x}] and [${w}]`)
  for (const n of [...stride, ...dilation, groups])
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`conv2d: expected positive strides, dilations and groups, received ${n}`)
  for (const n of padding)
    if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`conv2d: expected padding of 0 or more, received ${n}`)
  const channels = x[1]!
  if (channels % groups !== 0 || w[0]! % groups !== 0)
    throw new RangeError(`conv2d: expected channels and filters in ${groups} equal groups, received ${channels} and ${w[0]}`)
  if (w[1] !== channels / groups) throw new RangeError(`conv2d: expected a weight of ${channels / groups} channels, received [${w}]`)
  const places = [0, 1].map((axis) => {
    const whole = x[2 + axis]! + padding[axis]! + padding[axis + 2]!
    const reach = dilation[axis]! * (w[2 + axis]! - 1) + 1
    if (reach > whole) throw new RangeError(`conv2d: expected a window of at most ${whole}, received ${reach}`)
    return Math.floor((whole - reach) / stride[axis]!) + 1
  })
  return [x[0]!, w[0]!, ...places]
}
