import type { ReferenceMemory } from '../memory.ts'

/** Family 9. */
export function movement(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  const [a, b, c, d, e, f] = args as unknown as [number, number, number, number, number, number]
  switch (code) {
    case 0x901: {
      const extents = Array.from(args.subarray(3, 3 + c))
      const strides = args.subarray(3 + c)
      const size = extents.reduce((product, extent) => product * extent, 1)
      const [x, y] = [memory.u32(a, size), memory.u32(b, size)]
      for (let i = 0; i < size; i++) {
        let [left, from] = [i, 0]
        for (let axis = c - 1; axis >= 0; axis--) {
          from += (left % extents[axis]!) * strides[axis]!
          left = Math.floor(left / extents[axis]!)
        }
        y[i] = x[from]!
      }
      return
    }
    case 0x902: {
      const y = memory.u32(c, a * b)
      for (let row = 0, to = 0; row < a; row++) {
        for (let i = 0; i < d; i++) {
          const [at, run] = [args[4 + 2 * i]!, args[5 + 2 * i]!]
          y.set(memory.u32(at + 4 * row * run, run), to)
          to += run
        }
      }
      return
    }
    case 0x903:
      for (let row = 0; row < a; row++) memory.u32(e + 4 * row * f, f).set(memory.u32(b + 4 * (row * c + d), f))
      return
    case 0x904:
      for (let row = 0; row < a; row++) {
        const y = memory.u32(d + 4 * row * e, e).fill(0)
        y.set(memory.u32(b + 4 * row * c, c), f)
      }
      return
    default:
      throw new RangeError(`movement: unknown operation ${code}`)
  }
}
