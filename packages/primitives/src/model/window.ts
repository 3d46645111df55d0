import type { Pair } from './spec.ts'

/** A window's sizes for both directions; zeros are added before and after an axis. */
export interface Window {
  readonly kernel: readonly [number, number]
  readonly stride: readonly [number, number]
  readonly dilation: readonly [number, number]
  /** [top, left, bottom, right] */
  readonly padding: readonly [number, number, number, number]
  /** Places of the window: the output's height and width. */
  readonly places: readonly [number, number]
}

export interface WindowOptions {
  readonly kernel: Pair
  readonly stride?: Pair | undefined
  readonly dilation?: Pair | undefined
  readonly padding?: Pair | 'same' | 'valid' | undefined
}

/** @throws RangeError if a size is out of range or the window does not fit the padded image */
export function windowOf(height: number, width: number, options: WindowOptions): Window {
  const kernel = pair('kernel', options.kernel, 1)
  const stride = pair('stride', options.stride ?? 1, 1)
  const dilation = pair('dilation', options.dilation ?? 1, 1)
  const vertical = alongAxis(height, kernel[0], stride[0], dilation[0], side(options.padding, 0))
  const horizontal = alongAxis(width, kernel[1], stride[1], dilation[1], side(options.padding, 1))
  return {
    kernel,
    stride,
    dilation,
    padding: [vertical.before, horizontal.before, vertical.after, horizontal.after],
    places: [vertical.places, horizontal.places],
  }
}

function alongAxis(extent: number, kernel: number, stride: number, dilation: number, padding: number | 'same') {
  const reach = dilation * (kernel - 1) + 1
  const zeros = padding === 'same' ? Math.max(0, (Math.ceil(extent / stride) - 1) * stride + reach - extent) : 2 * padding
  const before = Math.floor(zeros / 2)
  const places = Math.floor((extent + zeros - reach) / stride) + 1
  if (places < 1) throw new RangeError(`expected an extent of ${reach - zeros} or more for the window, received ${extent}`)
  return { before, after: zeros - before, places }
}

function side(padding: WindowOptions['padding'], direction: 0 | 1): number | 'same' {
  if (padding === 'same') return 'same'
  if (padding === undefined || padding === 'valid') return 0
  return pair('padding', padding, 0)[direction]
}

function pair(name: string, value: Pair, least: number): readonly [number, number] {
  const both: readonly number[] = typeof value === 'number' ? [value, value] : value
  if (both.length !== 2 || !both.every((extent) => Number.isSafeInteger(extent) && extent >= least && extent <= 65535))
    throw new RangeError(`${name}: expected one or two whole numbers from ${least} to 65535, received ${String(value)}`)
  return [both[0]!, both[1]!]
}
