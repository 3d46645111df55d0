import { bytesToHex, sha256, sha256Hex } from '@pouw/crypto'
import { answersOf, bf16Numbers, type Hex, lossRows, type TaskDocument } from '@pouw/primitives'
import { openBatch } from './batches.ts'
import {
  applyPeers,
  type Digest,
  gradientParts,
  type IterationFailure,
  type IterationOutput,
  openMaps,
  type StepRules,
  step,
  stepKey,
  wordStep,
} from './iteration.ts'
import { arithmeticMismatch, type Backend, initialModel, modelOf } from './model.ts'
import { createNet } from './net/net.ts'
import { isPlain } from './optimizers/proposal.ts'
import { samplesFit, scalesOf } from './samples.ts'
import { rateAt } from './schedule.ts'
import { modelBytes, modelParts, residualParts } from './state-bytes.ts'

export interface IterateInput {
  /** Peers' canonical maps in slot order, all of them and no others (spec 9.4 rule 3). */
  readonly maps: readonly Uint8Array[]
  /** The bytes of the batch that is due. */
  readonly batch: Uint8Array
  /** The rate that is due, see `rateAt`. */
  readonly rate: number
}

/** One miner's run of one task: its weights and its residual. */
export interface Trainer {
  /** Iterations done; 0 before the first. */
  readonly sequence: number
  /**
   * The live arrays as they travel and are hashed: the weights with the running statistics after them, the residual with what the optimiser keeps after
   * it. Copy what must outlast the next call.
   */
  readonly weights: Float32Array
  readonly residual: Float32Array
  /** How many of their first numbers travel as bf16, in 2 bytes each. */
  readonly halves: number
  /**
   * Steps 1-9 of spec 9.1 and the hashes of the end state. `bad-map` and `bad-batch` leave the state as it was; after `not-finite` it is
   * worthless, and every further call says `not-finite` until `restore`.
   */
  iterate(input: IterateInput): IterationOutput | IterationFailure
  /** The same with hashes by a digest of the caller's. It begins when the end state stands, before its loss is computed: one that works beside this thread costs little of its time. */
  iterateBeside<D>(input: IterateInput, digest: Digest<D>): IterationOutput<D> | IterationFailure
  /**
   * Whether the sum of these maps is zero everywhere, so that they cannot begin a new cut (A14). No maps cancel.
   * @throws RangeError if a map is not canonical
   */
  peersCancel(maps: readonly Uint8Array[]): boolean
  /** Takes over the state at the end of iteration `sequence`. @throws RangeError if an array has another length */
  restore(sequence: number, weights: Float32Array, residual: Float32Array): void
  /**
   * The model a miner ends with (A20): its weights and all remaining peer maps (step 2), at the next sequence and its rate. On a copy.
   * @throws RangeError if a map is not canonical
   */
  finalModel(maps: readonly Uint8Array[]): { readonly hash: Hex; readonly bytes: Uint8Array }
}

/**
 * A trainer at sequence 0: initial weights of the document, zero residual.
 * @param backend which arithmetic computes it; all give the same bits
 * @throws RangeError if this build has other kernels or another program than the document names
 */
export function createTrainer(doc: TaskDocument, taskId: Hex, ticketId: Hex, backend?: Backend): Trainer {
  const mismatch = arithmeticMismatch(doc)
  if (mismatch) throw new RangeError(`task ${taskId.slice(0, 8)}: ${mismatch}`)
  const { model, optimizer, batch } = doc.ml
  const rules = rulesOf(doc)
  const net = createNet(modelOf(doc), batch, {
    backend,
    profile: doc.profile,
    checkpoint: model.checkpoint ?? false,
    optimizer: rules.plain ? undefined : optimizer,
  })
  const { params } = net.model
  const halves = bf16Numbers(doc)
  let sequence = 0
  let worthless = false
  net.modelNumbers.set(initialModel(doc))

  function opened(maps: readonly Uint8Array[]): Uint32Array[] {
    const words = openMaps(maps, params)
    if (!words) throw new RangeError(`Trainer: expected canonical maps of indices below ${params}`)
    return words
  }

  function iterateBeside<D>(input: IterateInput, digest: Digest<D>): IterationOutput<D> | IterationFailure {
    if (worthless) return { ok: false, code: 'not-finite' }
    const maps = openMaps(input.maps, params)
    if (!maps) return { ok: false, code: 'bad-map' }
    const batch = openBatch(input.batch, doc.ml.dataset.features, doc.ml.batch, answersOf(doc))
    if (!batch || batch.taskId !== taskId || !samplesFit(doc, batch)) return { ok: false, code: 'bad-batch' }
    const key = stepKey(taskId, ticketId, sequence + 1)
    const next = sequence + 1
    let hashes: { readonly endModelHash: D; readonly endResidualHash: D } | undefined
    const output = step(net, rules, maps, batch, { sequence: next, rate: input.rate, key }, () => {
      hashes = {
        endModelHash: digest(...modelParts(taskId, ticketId, next, net.modelNumbers, halves)),
        endResidualHash: digest(...residualParts(taskId, ticketId, next, net.residualNumbers, halves)),
      }
    })
    if (!output || !hashes) {
      worthless = true
      const layer = net.nonFiniteLayer()
      return { ok: false, code: 'not-finite', ...(layer !== undefined && { layer }) }
    }
    sequence = next
    return { ok: true, ...output, ...hashes, gradientHash: (ticket: Hex) => digest(...gradientParts(net.gradient, ticket)) }
  }

  return {
    get sequence() {
      return sequence
    },
    weights: net.modelNumbers,
    residual: net.residualNumbers,
    halves,
    iterate: (input) => iterateBeside(input, sha256Hex),
    iterateBeside,
    peersCancel: (maps) => net.peersCancel(opened(maps)),
    restore(to, weights, residual) {
      const expected = [net.modelNumbers.length, net.residualNumbers.length]
      if (weights.length !== expected[0] || residual.length !== expected[1])
        throw new RangeError(
          `Trainer.restore: expected ${expected.join(' and ')} numbers, received ${weights.length} and ${residual.length}`,
        )
      net.modelNumbers.set(weights)
      net.residualNumbers.set(residual)
      sequence = to
      worthless = false
    },
    finalModel(maps) {
      const words = opened(maps)
      const kept = [net.weights.slice(), net.residual.slice()] as const
      const next = sequence + 1
      applyPeers(net, words, wordStep(rules, rateAt(doc, next)), rules.peerScale)
      net.settle(...stepKey(taskId, ticketId, next))
      const bytes = modelBytes(taskId, ticketId, next, net.modelNumbers, halves)
      net.weights.set(kept[0])
      net.residual.set(kept[1])
      return { hash: bytesToHex(sha256(bytes)), bytes }
    },
  }
}

function rulesOf(doc: TaskDocument): StepRules {
  const { optimizer } = doc.ml
  return {
    rows: lossRows(doc),
    tau: Math.fround(optimizer.tau),
    peerScale: Math.fround(optimizer.peerScale),
    ...scalesOf(doc),
    plain: isPlain(optimizer),
  }
}
