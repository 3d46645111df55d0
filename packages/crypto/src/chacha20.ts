import { chacha20 } from '@noble/ciphers/chacha.js'

const BLOCKS_PER_REFILL = 16
const WORDS_PER_REFILL = BLOCKS_PER_REFILL * 8

/**
 * The ChaCha20 keystream (RFC 8439, zero nonce, block counter from 0) as a source of u64, little-endian (A25).
 * Each call of the result answers the next word; after 2^35 words (256 GiB) it throws.
 * @throws TypeError if the key is not 32 bytes
 */
export function chacha20Words(key: Uint8Array): () => bigint {
  if (!(key instanceof Uint8Array) || key.length !== 32) throw new TypeError('chacha20Words: expected a key of 32 bytes')
  const ownKey = Uint8Array.from(key)
  const nonce = new Uint8Array(12)
  const zeros = new Uint8Array(WORDS_PER_REFILL * 8)
  const stream = new Uint8Array(WORDS_PER_REFILL * 8)
  const view = new DataView(stream.buffer)
  let counter = 0
  let next = WORDS_PER_REFILL
  return () => {
    if (next === WORDS_PER_REFILL) {
      chacha20(ownKey, nonce, zeros, stream, counter)
      counter += BLOCKS_PER_REFILL
      next = 0
    }
    return view.getBigUint64(8 * next++, true)
  }
}

/**
 * A permutation of 0 .. n-1 without bias (A25): Fisher-Yates from the end, each position drawn from the keystream
 * with rejection of the words at or above the largest multiple of the number of choices.
 * @throws RangeError unless n is an integer in 0 .. 2^32-1; TypeError if the key is not 32 bytes
 */
export function shuffle(n: number, key: Uint8Array): number[] {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) throw new RangeError(`shuffle: expected an integer in 0..2^32-1, got ${n}`)
  const word = chacha20Words(key)
  const order = Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i >= 1; i--) {
    const choices = BigInt(i + 1)
    const limit = (2n ** 64n / choices) * choices
    let x = word()
    while (x >= limit) x = word()
    const j = Number(x % choices)
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
  }
  return order
}
