/**
 * The update map: one little-endian word per changed coordinate, bit 31 set = +tau, bits 30..0 = flat index, strictly ascending (spec 9.2).
 */

/** @param words ascending by index; not checked, `decodeMap` is the judge */
export function encodeMap(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(4 * words.length)
  if (IS_LITTLE_ENDIAN) bytes.set(new Uint8Array(words.buffer, words.byteOffset, bytes.length))
  else {
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < words.length; i++) view.setUint32(4 * i, words[i]!, true)
  }
  return bytes
}

/** The words, or undefined if the length is no multiple of four or the indices do not strictly ascend. */
export function decodeMap(bytes: Uint8Array): Uint32Array | undefined {
  if (bytes.length % 4 !== 0) return undefined
  const words = new Uint32Array(bytes.length / 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let last = -1
  for (let i = 0; i < words.length; i++) {
    const word = view.getUint32(4 * i, true)
    const index = word & 0x7fffffff
    if (index <= last) return undefined
    last = index
    words[i] = word
  }
  return words
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
