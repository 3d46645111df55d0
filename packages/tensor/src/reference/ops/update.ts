import type { ReferenceMemory } from '../memory.ts'

export function update(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`update: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
