import type { ReferenceMemory } from '../memory.ts'

export function random(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`random: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
