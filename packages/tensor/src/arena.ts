/** One memory, laid out once: each `take` returns the byte offset of a zeroed region, on a 64-byte line of its own. */
export interface Arena {
  take(bytes: number): number
  /** Bytes up to the end of the last region. */
  readonly bytes: number
}

/** The threads' control block and WebAssembly's static data lie below this offset, and offset 0 stays free to mean "none". */
const firstFree = 16384
/** Offsets are 32 bits wide in WebAssembly. */
const bytesMax = 2 ** 32 - 65536

export function createArena(): Arena {
  let end = firstFree
  return {
    take(bytes) {
      const at = end
      end += Math.ceil(bytes / 64) * 64
      if (end > bytesMax) throw new RangeError(`memory plan: expected at most ${bytesMax} bytes, received ${end}`)
      return at
    },
    get bytes() {
      return end
    },
  }
}
