import { hexToBytes, sha256, sha256Hex, u32le, utf8 } from '@pouw/crypto'
import { decodeMap, encodeMap, type Hex } from '@pouw/primitives'
import { readU32 } from './bytes-at.ts'
import type { Net } from './net/net.ts'
import { loadSamples, type Samples } from './samples.ts'
import { quantum } from './schedule.ts'
import { floatBytes } from './state-bytes.ts'

/** What steps 3-9 of spec 9.1 leave behind, besides the state. */
export interface StepOutput {
  /** The canonical map of the moves this iteration made (may be empty). */
  readonly map: Uint8Array
  /** Mean loss and share of right classes (0 where the loss has none) on the batch after the update, binary32. */
  readonly loss: number
  readonly accuracy: number
  /** Coordinates whose gradient and sent move differ by more than tau (a figure for people). */
  readonly overdrive: number
}

/** SHA-256 over the concatenation of the parts: at once, in hex, or a promise of it. The parts are only lent for the call. */
export type Digest<D> = (...parts: Uint8Array[]) => D

/** What one iteration of a miner gives: all that IT_RES says about it. Hashes are what the digest makes. */
export interface IterationOutput<D = Hex> extends StepOutput {
  readonly ok: true
  readonly endModelHash: D
  readonly endResidualHash: D
  /** SHA-256("POUW-GRAD" || gradient || ticket) of A18. Call it before the next iteration, which overwrites the gradient. */
  gradientHash(ticketId: Hex): D
}

/** Why an iteration did not happen: bytes that are not what they should be, or numbers that left the finite (A6). */
export interface IterationFailure {
  readonly ok: false
  readonly code: 'not-finite' | 'bad-map' | 'bad-batch' | 'bad-start'
  /** Of `not-finite`: the first layer that makes such a number, where a layer does. */
  readonly layer?: string
}

/** The constants of a run that an iteration needs. */
export interface StepRules {
  /** Rows of a batch that loss and gradient are a mean of (`lossRows`). */
  readonly rows: number
  readonly tau: number
  readonly peerScale: number
  /** Multiply each stored feature and answer once, binary32 (`loadSamples`). */
  readonly scale: number
  readonly answerScale: number
  /** Plain SGD: the residual takes the gradient and tau is in its units. Else it takes the optimiser's proposal, and tau is in units of weights (A5). */
  readonly plain: boolean
}

/** What differs from iteration to iteration. */
export interface Due {
  /** From 1. */
  readonly sequence: number
  readonly rate: number
  /** Two words for what draws random numbers, see `stepKey`. */
  readonly key: readonly [number, number]
}

/** The step of one map word: fl(fl(rate / rows) tau) down the gradient, or tau along the proposed change. */
export function wordStep(rules: StepRules, rate: number): number {
  return rules.plain ? quantum(rate, rules.rows, rules.tau) : -Math.fround(rules.tau)
}

const STEP_TAG = utf8('POUW-STEP')

/** The key of an iteration's own random numbers (dropout): the first two little-endian u32 of SHA-256("POUW-STEP" || task || ticket || u32 sequence). */
export function stepKey(taskId: Hex, ticketId: Hex, sequence: number): readonly [number, number] {
  const hash = sha256(STEP_TAG, hexToBytes(taskId), hexToBytes(ticketId), u32le(sequence))
  return [readU32(hash, 0), readU32(hash, 4)]
}

/**
 * One iteration, spec 9.1 steps 1-9, on the weights and the residual of `net`: peers first, then the gradient at the moved weights.
 * Answers `undefined` if weights, residual, gradient or loss are not all finite; the state is then worthless.
 * @param maps decoded peer maps; their sum does not depend on their order
 * @param ended called when the state is the end state, before it is looked at and its loss is computed: hashing it can begin
 */
export function step(
  net: Net,
  rules: StepRules,
  maps: readonly Uint32Array[],
  samples: Samples,
  due: Due,
  ended?: () => void,
): StepOutput | undefined {
  const q = wordStep(rules, due.rate)
  loadSamples(net, samples, rules)
  net.setKey(...due.key)
  applyPeers(net, maps, q, rules.peerScale)
  net.backward()
  if (!rules.plain) net.propose(due.rate, due.sequence)
  const { words, overdrive } = net.exchange(rules.tau, q)
  net.settle(...due.key)
  ended?.()
  if (!net.isFinite()) return undefined
  const { lossSum, correct } = net.forward()
  if (!Number.isFinite(lossSum)) return undefined
  return { map: encodeMap(words), loss: Math.fround(lossSum / rules.rows), accuracy: Math.fround(correct / rules.rows), overdrive }
}

/** Step 2 (A10, A25): every coordinate moves by fl(fl(q * peerScale) * sum), rounded once more on subtraction. */
export function applyPeers(net: Net, maps: readonly Uint32Array[], q: number, peerScale: number): void {
  if (maps.length > 0) net.applyPeers(maps, Math.fround(q * Math.fround(peerScale)))
}

/**
 * The words of an untrusted map: `undefined` unless it is canonical (spec 9.2) and every index is below `params`.
 * A map that fails here would stop every miner that applies it, so whoever records messages asks first.
 */
export function openMap(bytes: Uint8Array, params: number): Uint32Array | undefined {
  const words = decodeMap(bytes)
  // Canonical maps ascend by index, so the last word has the largest.
  if (!words || (words.length > 0 && (words[words.length - 1]! & 0x7fff_ffff) >= params)) return undefined
  return words
}

/** `openMap` of each; `undefined` if one is refused. */
export function openMaps(maps: readonly Uint8Array[], params: number): Uint32Array[] | undefined {
  const opened: Uint32Array[] = []
  for (const bytes of maps) {
    const words = openMap(bytes, params)
    if (!words) return undefined
    opened.push(words)
  }
  return opened
}

const GRADIENT_TAG = utf8('POUW-GRAD')

/** SHA-256("POUW-GRAD" || gradient of step 3, f32 little-endian || ticket), A18: bound to the ticket, so a verdict cannot be copied. */
export function gradientHash(gradient: Float32Array, ticketId: Hex): Hex {
  return sha256Hex(...gradientParts(gradient, ticketId))
}

export function gradientParts(gradient: Float32Array, ticketId: Hex): Uint8Array[] {
  return [GRADIENT_TAG, floatBytes(gradient), hexToBytes(ticketId)]
}
