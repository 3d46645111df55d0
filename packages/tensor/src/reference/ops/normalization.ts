import type { ReferenceMemory } from '../memory.ts'

export function normalization(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`normalization: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
