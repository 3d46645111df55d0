/** Running statistics before the first iteration, flat: means +0, variances 1. */
export function initialStates({ states, stateCount }: DeclaredModel): Float32Array {
  const values = new Float32Array(stateCount)
  for (const { name, offset, size } of states) if (name.endsWith('.running-variance')) values.fill(1, offset, offset + size)
  return values
}

import type { DeclaredModel } from '@pouw/primitives'
