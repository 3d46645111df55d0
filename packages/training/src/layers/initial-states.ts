import type { DeclaredModel } from '@pouw/primitives'
import { sinusoids } from './sinusoids.ts'

/** What is neither trained nor thrown away, before the first iteration, flat: running means +0, variances 1, tables of positions. */
export function initialStates({ states, stateCount }: DeclaredModel): Float32Array {
  const values = new Float32Array(stateCount)
  for (const { name, shape, offset, size } of states) {
    if (name.endsWith('.running-variance')) values.fill(1, offset, offset + size)
    if (name.endsWith('.sinusoids')) values.set(sinusoids(shape[0]!, shape[1]!), offset)
  }
  return values
}
