import type { ReferenceMemory } from '../memory.ts'

/** Family 3. */
export function elementwise(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const n = args[0]!
  if (code !== 0x301) throw new RangeError(`elementwise: unknown operation ${code}`)
  const [a, b, c] = [1, 2, 3].map((i) => memory.f32(args[i]!, n)) as [Float32Array, Float32Array, Float32Array]
  for (let i = 0; i < n; i++) c[i] = a[i]! + b[i]!
}
