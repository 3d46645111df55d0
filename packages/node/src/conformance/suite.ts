import type { Input, Json } from './input.ts'

/**
 * Computes the `out` of one case from its `in`. Data that the protocol refuses answers `REFUSED`, never an exception.
 * `expected` decides nothing but spelling, where the documented form leaves two: which byte order an id is printed in, whether a type is
 * a name or a number.
 */
export type Suite = (input: Input, expected: Json) => Json

export const REFUSED: Json = { error: true }

/** Runs an encoder or a library that refuses wrong data by throwing. Only for calls whose input has been read completely before. */
export function refusing(compute: () => Json): Json {
  try {
    return compute()
  } catch {
    return REFUSED
  }
}

export function expectedField(expected: Json, key: string): Json | undefined {
  return typeof expected === 'object' && expected !== null && !Array.isArray(expected)
    ? (expected as { readonly [key: string]: Json })[key]
    : undefined
}
