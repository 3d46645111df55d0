import { sha256, shuffle, utf8 } from '@pouw/crypto'
import { answersOf, type TaskDocument } from '@pouw/primitives'
import { readU32 } from './bytes-at.ts'
import { philoxBlock } from './philox.ts'

const PROTOTYPES = 0
const LABELS = 1
const NOISE = 2
const TOKENS = 3

/**
 * A seeded classification data set for networks without files: each class has a random black-and-white prototype, a sample is a quarter
 * prototype and three quarters uniform noise, so one pixel says little and a few dozen together say nearly all.
 *
 * Answers are the label, or with more than one the prototype without the noise: (classes - 1) * bit for as many of the first features.
 *
 * All integers, Philox4x32-10 keyed by the first 8 bytes of SHA-256(seedText); word w of stream t has counter (w div 4 low, high, t, 0).
 * Prototype bit of class c, feature f: bit 31 of word c * features + f of stream 0. Label of sample s: word s of stream 1 mod classes.
 * Noise byte n = s * features + f: byte n mod 4 (lowest first) of word n div 4 of stream 2. Feature = (prototype * 255 + 3 * noise) >> 2.
 * @param answers at most as many as features
 * @throws RangeError unless all are positive whole numbers and classes <= 256
 */
export function syntheticDataset(
  seedText: string,
  samples: number,
  features: number,
  classes: number,
  answers = 1,
): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  checkSizes('syntheticDataset', { samples, features, classes, answers })
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
  if (answers === 1) return { features: values, labels }
  const bits = new Uint8Array(samples * answers)
  for (let s = 0; s < samples; s++)
    for (let a = 0; a < answers; a++) bits[s * answers + a] = (prototypes[labels[s]! * features + a]! >>> 31) * (classes - 1)
  return { features: values, labels: bits }
}

/**
 * Seeded sequences for language models: each token is followed by one of its own, but every fourth time, roughly, by any. Answers are the next tokens, as many as
 * asked for: those of the sequence's last places.
 *
 * The follower of t is entry t of `shuffle` of 0 .. vocabulary - 1 keyed by SHA-256(seedText). Token i, 0 .. features, of sample s takes word w = s (features + 1) + i of
 * Philox stream 3 (key and counters as above): the follower of the token before it unless i is 0 or w's two low bits are, else (w >>> 2) mod vocabulary. Features are
 * the first of these tokens, answers the last.
 * @param answers at most as many as features
 * @throws RangeError unless all are positive whole numbers and vocabulary <= 256
 */
export function syntheticTokens(
  seedText: string,
  samples: number,
  features: number,
  vocabulary: number,
  answers = 1,
): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  checkSizes('syntheticTokens', { samples, features, classes: vocabulary, answers })
  const key = sha256(utf8(seedText))
  const followers = shuffle(vocabulary, key)
  const length = features + 1
  const drawn = words(key, TOKENS, samples * length)
  const [values, labels] = [new Uint8Array(samples * features), new Uint8Array(samples * answers)]
  for (let s = 0; s < samples; s++) {
    let token = 0
    for (let i = 0; i < length; i++) {
      const word = drawn[s * length + i]!
      token = i === 0 || (word & 3) === 0 ? (word >>> 2) % vocabulary : followers[token]!
      if (i < features) values[s * features + i] = token
      if (i >= length - answers) labels[s * answers + i - length + answers] = token
    }
  }
  return { features: values, labels }
}

/** The data of a task whose format is `synthetic`: tokens where it has a vocabulary, else noisy prototypes. */
export function syntheticData(doc: TaskDocument): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  const { name, samples, features, classes } = doc.ml.dataset
  const make = doc.ml.model.vocabulary === undefined ? syntheticDataset : syntheticTokens
  return make(name, samples, features, classes, answersOf(doc))
}

function checkSizes(name: string, sizes: { samples: number; features: number; classes: number; answers: number }): void {
  for (const [size, value] of Object.entries(sizes))
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name}: expected ${size} to be a positive integer, got ${value}`)
  if (sizes.classes > 256) throw new RangeError(`${name}: expected at most 256 classes, got ${sizes.classes}`)
  if (sizes.answers > sizes.features) throw new RangeError(`${name}: expected at most ${sizes.features} answers, got ${sizes.answers}`)
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
