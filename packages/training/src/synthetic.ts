import { sha256, utf8 } from '@pouw/crypto'
import { readU32 } from './bytes-at.ts'
import { philoxBlock } from './philox.ts'

const PROTOTYPES = 0
const LABELS = 1
const NOISE = 2

/**
 * A seeded classification data set for networks without files: each class has a random black-and-white prototype, a sample is a quarter
 * prototype and three quarters uniform noise, so one pixel says little and a few dozen together say nearly all.
 *
 * All integers, Philox4x32-10 keyed by the first 8 bytes of SHA-256(seedText); word w of stream t has counter (w div 4 low, high, t, 0).
 * Prototype bit of class c, feature f: bit 31 of word c * features + f of stream 0. Label of sample s: word s of stream 1 mod classes.
 * Noise byte n = s * features + f: byte n mod 4 (lowest first) of word n div 4 of stream 2. Feature = (prototype * 255 + 3 * noise) >> 2.
 * @throws RangeError unless samples, features and classes are positive and classes <= 256
 */
export function syntheticDataset(
  seedText: string,
  samples: number,
  features: number,
  classes: number,
): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  for (const [name, value] of [
    ['samples', samples],
    ['features', features],
    ['classes', classes],
  ] as const)
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`syntheticDataset: expected ${name} to be a positive integer, got ${value}`)
  if (classes > 256) throw new RangeError(`syntheticDataset: expected at most 256 classes, got ${classes}`)
  const key = sha256(utf8(seedText))
  const prototypes = words(key, PROTOTYPES, classes * features)
  const labelWords = words(key, LABELS, samples)
  const labels = new Uint8Array(samples)
  for (let s = 0; s < samples; s++) labels[s] = labelWords[s]! % classes
  const noise = words(key, NOISE, Math.ceil((samples * features) / 4))
  const values = new Uint8Array(samples * features)
  for (let s = 0; s < samples; s++) {
    const prototypeAt = labels[s]! * features
    for (let f = 0; f < features; f++) {
      const n = s * features + f
      const grain = (noise[n >>> 2]! >>> (8 * (n & 3))) & 0xff
      values[n] = ((prototypes[prototypeAt + f]! >>> 31) * 255 + 3 * grain) >> 2
    }
  }
  return { features: values, labels }
}

function words(key: Uint8Array, stream: number, count: number): Uint32Array {
  const blocks = Math.ceil(count / 4)
  const out = new Uint32Array(4 * blocks)
  const k0 = readU32(key, 0)
  const k1 = readU32(key, 4)
  for (let block = 0; block < blocks; block++)
    philoxBlock(block >>> 0, Math.floor(block / 0x1_0000_0000), stream, 0, k0, k1, out, 4 * block)
  return out
}
