/**
 * Expensive verifications asked again: a digest is checked when it is gossiped and again inside its block's certificate, a transaction in
 * the mempool and in the block. The answer is a pure function of the bytes, so it may be kept. Bounded; the key is a hash of all inputs.
 */
import { createBoundedCache } from './bounded-cache.ts'
import { concatBytes, u32le } from './bytes.ts'
import { sha256Hex } from './hashes.ts'

export function createRemembered<Answer>(max: number): (inputs: readonly Uint8Array[], compute: () => Answer) => Answer {
  const cache = createBoundedCache<Answer>(max)
  return (inputs, compute) => cache(sha256Hex(concatBytes(...inputs.flatMap((input) => [u32le(input.length), input]))), compute)
}
