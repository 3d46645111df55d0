/**
 * Prepares a plain message for another thread. Posting a byte array as it stands clones the *whole* memory behind it (a view into
 * WebAssembly memory would drag all of it along) and copies twice; moving the memory costs nothing, but takes it away from the sender.
 */

/** Below this a clone is cheaper than a move. */
const MOVE_BYTES_MIN = 64 * 1024

/**
 * `copy`: the sender keeps its bytes, every array is copied once and the copy moves.
 * `give`: the sender is done with its bytes; arrays that own their whole memory move as they are, views are copied first.
 *
 * Walks plain objects and arrays; anything else is left to the structured clone.
 */
export function packMessage(message: unknown, mode: 'copy' | 'give'): { message: unknown; transfer: ArrayBuffer[] } {
  const moved = new Set<ArrayBuffer>()
  return { message: pack(message), transfer: [...moved] }

  function pack(value: unknown): unknown {
    if (value instanceof Uint8Array) return packBytes(value)
    if (Array.isArray(value)) return value.map(pack)
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, pack(inner)]))
    }
    return value
  }

  function packBytes(bytes: Uint8Array): Uint8Array {
    const ownsMemory = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    const mine = mode === 'give' && ownsMemory ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
    if (mine.byteLength >= MOVE_BYTES_MIN) moved.add(mine.buffer)
    return mine
  }
}
