import type { ReferenceMemory } from '../memory.ts'

export function movement(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`movement: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
