import type { ReferenceMemory } from '../memory.ts'

export function losses(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`losses: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
