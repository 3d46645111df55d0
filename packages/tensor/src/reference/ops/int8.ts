import type { ReferenceMemory } from '../memory.ts'

export function int8(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`int8: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
