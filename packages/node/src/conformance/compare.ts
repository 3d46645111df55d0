import type { Json } from './input.ts'

export interface Tolerance {
  readonly rtol: number
  readonly atol: number
}

export interface Difference {
  readonly field: string
  readonly expected: Json
  readonly got: Json
}

/** The first place where `got` is not what the case expects; fields that the case does not name are not looked at. */
export function firstDifference(expected: Json, got: Json | undefined, tolerance: Tolerance, field = ''): Difference | undefined {
  if (got === undefined) return { field, expected, got: null }
  if (typeof expected === 'number' && typeof got === 'number') return near(expected, got, tolerance) ? undefined : { field, expected, got }
  if (Array.isArray(expected)) {
    // A case may nest the rows of a tensor; production code answers its flat data.
    if (Array.isArray(expected[0]) && Array.isArray(got) && typeof got[0] === 'number') {
      return firstDifference(expected.flat(Number.POSITIVE_INFINITY) as Json, got, tolerance, field)
    }
    if (!Array.isArray(got) || got.length !== expected.length) return { field, expected, got }
    for (let i = 0; i < expected.length; i++) {
      const difference = firstDifference(expected[i], got[i], tolerance, `${field}[${i}]`)
      if (difference) return difference
    }
    return undefined
  }
  if (typeof expected === 'object' && expected !== null) {
    // A tensor written as shape and data.
    if (Array.isArray(got) && 'data' in expected) return firstDifference((expected as { data: Json }).data, got, tolerance, `${field}.data`)
    if (typeof got !== 'object' || got === null || Array.isArray(got)) return { field, expected, got }
    const inner = got as { readonly [key: string]: Json }
    for (const [key, value] of Object.entries(expected)) {
      const difference = firstDifference(
        value,
        Object.hasOwn(inner, key) ? inner[key] : undefined,
        tolerance,
        field ? `${field}.${key}` : key,
      )
      if (difference) return difference
    }
    return undefined
  }
  return expected === got ? undefined : { field, expected, got }
}

function near(expected: number, got: number, { rtol, atol }: Tolerance): boolean {
  if (rtol !== 0 || atol !== 0) return Math.abs(got - expected) <= atol + rtol * Math.abs(expected)
  // Many JSON writers print -0 as 0, so 0 stands for both; a written -0 is meant.
  return Object.is(expected, -0) ? Object.is(got, -0) : got === expected
}
