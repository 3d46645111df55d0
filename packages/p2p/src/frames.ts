/**
 * Frames on a byte stream: u32 little-endian length, then so many bytes; lengths 1..max.
 *
 * A length outside that range is refused when its fourth byte arrives, before any memory is taken: a peer that
 * announces 64 MiB costs four bytes.
 */

export const LENGTH_BYTES = 4

/** Bytes as they come off a stream: one array or a list of arrays. */
export type Chunks = Uint8Array | Iterable<Uint8Array>

/** Join frames into one write. Lengths must have been checked by the caller. */
export function joinFrames(frames: readonly Uint8Array[], bytes: number): Uint8Array {
  const joined = Buffer.allocUnsafeSlow(bytes + LENGTH_BYTES * frames.length)
  let at = 0
  for (const frame of frames) {
    joined.writeUInt32LE(frame.length, at)
    joined.set(frame, at + LENGTH_BYTES)
    at += LENGTH_BYTES + frame.length
  }
  return joined
}

export interface FrameReader {
  /** Feed bytes; calls `onFrame` with a fresh copy per complete frame. False once a length was out of range. */
  push(data: Chunks): boolean
}

/** Cut a stream into frames of 1..`maxBytes` bytes. After the first bad length it reads nothing more. */
export function createFrameReader(maxBytes: number, onFrame: (bytes: Uint8Array) => void): FrameReader {
  let broken = false
  let length = 0
  let lengthBytes = 0
  let body: Uint8Array | undefined
  let filled = 0

  function pushChunk(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (lengthBytes < LENGTH_BYTES) {
        length = (length | ((chunk[at] as number) << (8 * lengthBytes))) >>> 0
        at++
        lengthBytes++
        if (lengthBytes < LENGTH_BYTES) continue
        if (length === 0 || length > maxBytes) {
          broken = true
          return
        }
      }
      const take = Math.min(length - filled, chunk.length - at)
      if (take === 0) return
      // A plain Uint8Array of its own: a view would keep the whole socket buffer alive for one small frame.
      body ??= new Uint8Array(length)
      body.set(chunk.subarray(at, at + take), filled)
      at += take
      filled += take
      if (filled < length) return
      const frame = body
      body = undefined
      length = lengthBytes = filled = 0
      onFrame(frame)
    }
  }

  return {
    push(data) {
      if (broken) return false
      if (data instanceof Uint8Array) pushChunk(data)
      else
        for (const chunk of data) {
          pushChunk(chunk)
          if (broken) break
        }
      return !broken
    },
  }
}
