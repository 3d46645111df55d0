import { hexToBytes, sha256, sha256dHex, sha256Hex, shuffle, u32le, utf8 } from '@pouw/crypto'
import type { Hex, NetworkParams } from '@pouw/primitives'
import { createXavier } from '@pouw/tensor'
import { gradientHash, type IterationFailure, type StepOutput, type StepRules, step } from './iteration.ts'
import { defineModel } from './layers/model.ts'
import type { Backend } from './model.ts'
import { createNet } from './net/net.ts'
import type { Samples } from './samples.ts'
import { modelHash, residualHash } from './state-bytes.ts'
import { syntheticDataset } from './synthetic.ts'

/** The part of the network parameters that fixes filler work (A11). */
export type FillerParams = NetworkParams['filler']

/** One filler iteration: what a block says about it. */
export interface FillerStep extends StepOutput {
  readonly ok: true
  /** j of A11, from 1. */
  readonly iteration: number
  readonly endModelHash: Hex
  readonly endResidualHash: Hex
}

/** A run of up to J iterations from one seed. */
export interface FillerRun {
  /** The next iteration. @throws RangeError after J of them, or when a later run of the same engine has begun */
  iterate(): FillerStep | IterationFailure
  /** SHA-256("POUW-GRAD" || gradient of the last iteration || ticket), A18. */
  gradientHash(ticketId: Hex): Hex
}

/** The data set and the network of filler work, built once: starting a run costs new weights and a new order, nothing else. */
export interface FillerEngine {
  /** Begins a run; the previous run of this engine ends, for both use the same memory. */
  start(seed: Hex, ticketId: Hex): FillerRun
}

/** z of A15: SHA-256("POUW-FILLER" || zero-nonce hash of the template || ticket). A changed template is new work. */
export function fillerSeed(zeroNonceHash: Hex, ticketId: Hex): Hex {
  return sha256Hex(utf8('POUW-FILLER'), hexToBytes(zeroNonceHash), hexToBytes(ticketId))
}

/** HashMsg of filler work (A15): SHA256d("POUW-FILLER-MSG" || ticket || u32 j || end model hash || end residual hash || SHA-256(map)). */
export function fillerMessageHash(ticketId: Hex, iteration: number, endModelHash: Hex, endResidualHash: Hex, map: Uint8Array): Hex {
  return sha256dHex(
    utf8('POUW-FILLER-MSG'),
    hexToBytes(ticketId),
    u32le(iteration),
    hexToBytes(endModelHash),
    hexToBytes(endResidualHash),
    sha256(map),
  )
}

/** Number of parameters of the filler model, for the nonce budget (A27). */
export function fillerParams(params: FillerParams): number {
  let inputs = params.features
  let count = 0
  for (const nodes of [...params.hidden, params.classes]) {
    count += (inputs + 1) * nodes
    inputs = nodes
  }
  return count
}

/** Bytes of one filler batch, features and labels as stored, for the nonce budget. */
export function fillerBatchBytes(params: FillerParams): number {
  return params.batch * (params.features + 1)
}

/**
 * Builds what all filler runs of a network share.
 * @throws RangeError if J batches do not fit the data set
 */
export function createFillerEngine(params: FillerParams, backend?: Backend): FillerEngine {
  if (params.iterations * params.batch > params.samples)
    throw new RangeError(`createFillerEngine: ${params.iterations} batches of ${params.batch} do not fit ${params.samples} samples`)
  const model = defineModel({
    input: { kind: 'features', shape: [params.features] },
    loss: { type: 'softmax-cross-entropy' },
    layers: [
      ...params.hidden.map((nodes, i) => ({ id: `hidden${i}`, nodes, activation: 'relu' as const })),
      { id: 'output', nodes: params.classes, activation: 'identity' as const },
    ],
  })
  const net = createNet(model, params.batch, { backend })
  const draw = createXavier(model, backend)
  const data = syntheticDataset(params.dataSeed, params.samples, params.features, params.classes)
  const rules: StepRules = {
    rows: params.batch,
    tau: Math.fround(params.tau),
    peerScale: 1,
    scale: Math.fround(params.scale),
    answerScale: 1,
    plain: true,
  }
  const features = new Uint8Array(params.batch * params.features)
  const labels = new Uint8Array(params.batch)
  let runs = 0

  /** Batch j of the order: samples (j-1)B .. jB-1 (A15). */
  function gather(order: readonly number[], iteration: number): Samples {
    for (let i = 0; i < params.batch; i++) {
      const sample = order[(iteration - 1) * params.batch + i]!
      features.set(data.features.subarray(sample * params.features, (sample + 1) * params.features), i * params.features)
      labels[i] = data.labels[sample]!
    }
    return { features, labels }
  }

  return {
    start(seed, ticketId) {
      const z = hexToBytes(seed)
      const order = shuffle(params.samples, sha256(utf8('POUW-ORDER'), z))
      net.weights.set(draw(sha256(z), params.magnitude))
      net.residual.fill(0)
      const run = ++runs
      let iteration = 0
      let worthless = false
      return {
        iterate() {
          if (run !== runs) throw new RangeError('FillerRun.iterate: a later run has begun on this engine')
          if (iteration === params.iterations) throw new RangeError(`FillerRun.iterate: a run has ${params.iterations} iterations`)
          if (worthless) return { ok: false, code: 'not-finite' }
          iteration++
          const output = step(net, rules, [], gather(order, iteration), { sequence: iteration, rate: params.rate, key: [0, 0] })
          if (!output) {
            worthless = true
            return { ok: false, code: 'not-finite' }
          }
          return {
            ok: true,
            iteration,
            ...output,
            endModelHash: modelHash(seed, ticketId, iteration, net.weights),
            endResidualHash: residualHash(seed, ticketId, iteration, net.residual),
          }
        },
        gradientHash(verifier) {
          if (run !== runs || iteration === 0) throw new RangeError('FillerRun.gradientHash: no gradient of this run is at hand')
          return gradientHash(net.gradient, verifier)
        },
      }
    },
  }
}

/** One run on an engine of its own; whoever runs more than one keeps an engine. */
export function createFiller(params: FillerParams, seed: Hex, ticketId: Hex, backend?: Backend): FillerRun {
  return createFillerEngine(params, backend).start(seed, ticketId)
}

/**
 * Runs the filler work of a block again, from the seed to iteration j (A15).
 * @param engine reused if given
 * @throws RangeError unless 1 <= iteration <= J (the block's cheap checks refuse that earlier)
 */
export function replayFiller(
  params: FillerParams,
  seed: Hex,
  ticketId: Hex,
  iteration: number,
  engine: FillerEngine = createFillerEngine(params),
): (FillerStep & { gradientHash(ticketId: Hex): Hex }) | IterationFailure {
  if (!Number.isInteger(iteration) || iteration < 1 || iteration > params.iterations)
    throw new RangeError(`replayFiller: expected an iteration in 1..${params.iterations}, got ${iteration}`)
  const run = engine.start(seed, ticketId)
  for (;;) {
    const output = run.iterate()
    if (!output.ok) return output
    if (output.iteration === iteration) return { ...output, gradientHash: (verifier) => run.gradientHash(verifier) }
  }
}
