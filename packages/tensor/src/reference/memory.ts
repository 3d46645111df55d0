/** Views at byte offsets of one memory, as instructions name them. */
export interface ReferenceMemory {
  readonly bytes: number
  f32(at: number, size: number): Float32Array
  i32(at: number, size: number): Int32Array
  u32(at: number, size: number): Uint32Array
  u8(at: number, size: number): Uint8Array
}

export function createReferenceMemory(memory: ArrayBuffer): ReferenceMemory {
  return {
    bytes: memory.byteLength,
    f32: (at, size) => new Float32Array(memory, at, size),
    i32: (at, size) => new Int32Array(memory, at, size),
    u32: (at, size) => new Uint32Array(memory, at, size),
    u8: (at, size) => new Uint8Array(memory, at, size),
  }
}

/** A word that holds the bits of a binary32 number. */
export function bitsFloat(word: number): number {
  wordView[0] = word
  return floatView[0]!
}

/** The bits of a binary32 number. */
export function floatBits(value: number): number {
  floatView[0] = value
  return wordView[0]!
}
const wordView = new Uint32Array(1)
const floatView = new Float32Array(wordView.buffer)
