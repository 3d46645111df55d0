import { expectShape, type Value } from '../graph/graph.ts'
import { expectDType } from './rows.ts'

/** Scale and shift of a norm: both, a scale alone, or neither. */
export function affineInputs(name: string, scale: Value | undefined, shift: Value | undefined): Value[] {
  if (shift && !scale) throw new RangeError(`${name}: expected a scale with the shift, received none`)
  return [scale, shift].filter((value) => value !== undefined)
}

/** @throws RangeError unless x is f32 and scale and shift, where given, are f32 [width] */
export function expectAffine(name: string, x: Value, affine: readonly (Value | undefined)[], width: number): void {
  expectDType(`${name}: input`, x, 'f32')
  for (const [i, value] of affine.entries()) {
    if (!value) continue
    const what = `${name}: ${i === 0 ? 'scale' : 'shift'}`
    expectDType(what, value, 'f32')
    expectShape(what, value, [width])
  }
}

/** @throws RangeError unless epsilon is finite and above 0 in binary32 */
export function expectEpsilon(name: string, epsilon: number): void {
  const rounded = Math.fround(epsilon)
  if (!(rounded > 0 && Number.isFinite(rounded))) throw new RangeError(`${name}: expected a finite epsilon above 0, received ${epsilon}`)
}

/** [samples, channels, inner] of x [N, C, ...]. @throws RangeError unless x has two axes or more */
export function channelExtents(name: string, x: Value): readonly [number, number, number] {
  const [samples, channels, ...rest] = x.shape
  if (samples === undefined || channels === undefined) throw new RangeError(`${name}: expected an input [N, C, ...], received [${x.shape}]`)
  return [samples, channels, rest.reduce((size, extent) => size * extent, 1)]
}
