import type { ReferenceMemory } from '../memory.ts'

export function convolution(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  throw new RangeError(`convolution: unknown operation ${code} of ${args.length} words on ${memory.bytes} bytes`)
}
