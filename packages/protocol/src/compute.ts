/**
 * The heavy arithmetic of the protocol as one object that runs jobs in order: training, filler, replay, evaluation.
 *
 * It is pure (equal jobs in equal order give equal results) and knows no thread: the node puts it into a worker, the simulator calls it.
 */
import { bytesToHex, hkdfSha256, sha256, sha256Hex, sha256HexBeside, shuffle, utf8 } from '@pouw/crypto'
import {
  answersOf,
  bf16Numbers,
  coreHash,
  type Hex,
  modelNumbers,
  type NetworkParams,
  segmentSamples,
  type TaskDocument,
} from '@pouw/primitives'
import {
  arithmeticMismatch,
  createFillerEngine,
  createReplayTrainer,
  createTrainer,
  cutBatches,
  type Digest,
  decodeSegmentData,
  encodeSegmentData,
  evaluate,
  type FillerEngine,
  fillerMessageHash,
  type IterationOutput,
  modelBytes,
  openModel,
  openResidual,
  openSegment,
  type ReplayTrainer,
  replayBeside,
  residualBytes,
  type SegmentData,
  samplesFit,
  segmentBytes,
  type Trainer,
} from '@pouw/training'
import { mineHeader, nonceZero } from './mining/nonce.ts'
import type { IterateResult, Job, JobResult } from './ports.ts'

export interface ComputerOptions {
  readonly filler: NetworkParams['filler']
  /** Microsecond clock for the figures that people read; results do not depend on it. */
  readonly nowUs?: () => number
  /** Begins a hash and answers what waits for it: one that works beside this thread leaves it free to compute meanwhile. By default it is done at once. */
  readonly digest?: Digest<() => Hex>
}

export interface Computer {
  /** Runs one job. Refusals (bad bytes, non-finite numbers) come back as `refused`; it throws only for bugs. */
  run(job: Job): JobResult
  /**
   * The same results where nothing may block, as in a browser: the states' hashes are WebCrypto's, found beside the computing. Jobs handed in together run one after
   * the other; `run` is a bug while one of them is on its way.
   */
  runBeside(job: Job): Promise<JobResult>
}

/** A job that has done its computing: what is left once its hashes are there. */
interface Begun<D> {
  readonly hashes: readonly D[]
  finish(...hashes: readonly Hex[]): JobResult
}

interface Run {
  readonly trainer: Trainer
  readonly startWeights: Float32Array
  readonly startResidual: Float32Array
}

/** What an iteration says of itself, hashes in hex. */
type Trained = Omit<IterationOutput, 'ok' | 'gradientHash'>

const REPLAYS_MAX = 8

export function createComputer(options: ComputerOptions): Computer {
  const runs = new Map<string, Run>()
  const nowUs = options.nowUs ?? (() => 0)
  let filler: FillerEngine | undefined
  /** Replays of one miner use one trainer: an instance of the kernels costs more than the replay itself. */
  const replays = new Map<string, ReplayTrainer>()
  const fillerEngine = () => (filler ??= createFillerEngine(options.filler))
  const digest = options.digest ?? atOnce
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0

  return {
    run(job) {
      if (waiting > 0) throw new TypeError('computer: expected the job before to be finished')
      const begun = begin(job, digest)
      return 'kind' in begun ? begun : begun.finish(...begun.hashes.map((hash) => hash()))
    },
    runBeside(job) {
      waiting++
      const result = last
        .then(async () => {
          const begun = begin(job, sha256HexBeside)
          return 'kind' in begun ? begun : begun.finish(...(await Promise.all(begun.hashes)))
        })
        .finally(() => waiting--)
      last = result.catch(() => undefined)
      return result
    },
  }

  function begin<D>(job: Job, digest: Digest<D>): JobResult | Begun<D> {
    switch (job.kind) {
      case 'open-run':
        return openRun(job)
      case 'iterate':
        return iterate(job, digest)
      case 'final-model': {
        const run = runs.get(job.run)
        if (!run) return refused('no-such-run')
        return { kind: 'final-model', ...run.trainer.finalModel(job.maps) }
      }
      case 'close-run':
        runs.delete(job.run)
        return { kind: 'close-run' }
      case 'mine-filler':
        return mineFiller(job)
      case 'replay-filler': {
        const startedUs = nowUs()
        if (job.iteration < 1 || job.iteration > options.filler.iterations) return refused('iteration-out-of-range')
        const run = fillerEngine().start(job.seed, job.ticketId)
        for (let j = 1; ; j++) {
          const step = run.iterate()
          if (!step.ok) return refused(step.code)
          if (j < job.iteration) continue
          return {
            kind: 'replay',
            map: step.map,
            loss: 0,
            accuracy: 0,
            overdrive: 0,
            endModelHash: step.endModelHash,
            endResidualHash: step.endResidualHash,
            gradientHash: run.gradientHash(job.verifier),
            ...tookSince(startedUs),
          }
        }
      }
      case 'replay':
        return replayIteration(job, digest)
      case 'evaluate':
        return evaluateModel(job)
      case 'cut-batches': {
        const segments = openSegments(job.document, job.segments)
        if (!segments) return refused('bad-segment')
        const batches = cutBatches(job.taskId, segments, job.document)
        return { kind: 'cut-batches', hashes: batches.map((batch) => batch.hash), batches: batches.map((batch) => batch.bytes) }
      }
      case 'commit-data':
        return commitData(job)
    }
  }

  function replayIteration<D>(job: Job & { kind: 'replay' }, digest: Digest<D>): JobResult | Begun<D> {
    if (arithmeticMismatch(job.document)) return refused('other-arithmetic')
    const startedUs = nowUs()
    const { model, residual, sequence, maps, batch, rate } = job
    const result = replayBeside(replayTrainer(job), { startModel: model, startResidual: residual, sequence, maps, batch, rate }, digest)
    if (!result.ok) return refused(result.code)
    const { map, loss, accuracy, overdrive } = result
    return {
      hashes: [result.endModelHash, result.endResidualHash, result.gradientHash(job.verifier)],
      finish: (endModelHash, endResidualHash, gradientHash) => ({
        kind: 'replay',
        ...{ map, loss, accuracy, overdrive },
        ...{ endModelHash: endModelHash!, endResidualHash: endResidualHash!, gradientHash: gradientHash! },
        ...tookSince(startedUs),
      }),
    }
  }

  function tookSince(startedUs: number): { readonly replayUs?: number } {
    return options.nowUs ? { replayUs: nowUs() - startedUs } : {}
  }

  function replayTrainer(job: Job & { kind: 'replay' }): ReplayTrainer {
    const key = `${job.taskId}:${job.ticketId}`
    const known = replays.get(key)
    if (known) return known
    const made = createReplayTrainer(job.document, job.taskId, job.ticketId)
    replays.set(key, made)
    if (replays.size > REPLAYS_MAX) replays.delete(replays.keys().next().value!)
    return made
  }

  function openRun(job: Job & { kind: 'open-run' }): JobResult {
    if (arithmeticMismatch(job.document)) return refused('other-arithmetic')
    const trainer = createTrainer(job.document, job.taskId, job.ticketId)
    let sequence = 0
    if (job.resume) {
      const model = openModel(job.resume.model, trainer.weights.length, trainer.halves)
      const residual = openResidual(job.resume.residual, trainer.residual.length, trainer.halves)
      if (!model || !residual) return refused('bad-checkpoint')
      sequence = job.resume.sequence
      trainer.restore(sequence, model.weights, residual.residual)
    }
    runs.set(job.run, {
      trainer,
      startWeights: new Float32Array(trainer.weights.length),
      startResidual: new Float32Array(trainer.residual.length),
    })
    return {
      kind: 'open-run',
      sequence,
      modelHash: bytesToHex(sha256(modelBytes(job.taskId, job.ticketId, sequence, trainer.weights, trainer.halves))),
      residualHash: bytesToHex(sha256(residualBytes(job.taskId, job.ticketId, sequence, trainer.residual, trainer.halves))),
    }
  }

  function iterate<D>(job: Job & { kind: 'iterate' }, digest: Digest<D>): JobResult | Begun<D> {
    const run = runs.get(job.run)
    if (!run) return refused('no-such-run')
    const { trainer } = run
    if (trainer.sequence !== job.sequence - 1) return refused('sequence-gap')
    if (job.mining) {
      run.startWeights.set(trainer.weights)
      run.startResidual.set(trainer.residual)
    }
    const startedUs = nowUs()
    const result = trainer.iterateBeside({ maps: job.maps, batch: job.batch, rate: job.rate }, digest)
    if (!result.ok) return refused(result.code, result.layer)
    return {
      hashes: [result.endModelHash, result.endResidualHash],
      finish: (endModelHash, endResidualHash) =>
        finishIteration(job, run, { ...result, endModelHash: endModelHash!, endResidualHash: endResidualHash! }, startedUs),
    }
  }

  function finishIteration(job: Job & { kind: 'iterate' }, run: Run, result: Trained, startedUs: number): JobResult {
    const { trainer } = run
    const trainedUs = nowUs()
    const { map, loss, accuracy, overdrive, endModelHash, endResidualHash } = result
    const win = job.mining && map.length > 0 ? tryNonces(job, job.mining, result) : undefined
    const done: IterateResult = {
      kind: 'iterate',
      sequence: job.sequence,
      map,
      loss,
      accuracy,
      overdrive,
      endModelHash,
      endResidualHash,
      trainUs: trainedUs - startedUs,
      overheadUs: nowUs() - trainedUs,
    }
    const ids = [job.draft.taskId, job.draft.ticketId] as const
    return {
      ...done,
      ...(win && {
        win: {
          nonce: win,
          startModel: modelBytes(...ids, job.sequence - 1, run.startWeights, trainer.halves),
          startResidual: residualBytes(...ids, job.sequence - 1, run.startResidual, trainer.halves),
        },
      }),
      ...(job.checkpoint && {
        checkpoint: {
          model: modelBytes(...ids, job.sequence, trainer.weights, trainer.halves),
          residual: residualBytes(...ids, job.sequence, trainer.residual, trainer.halves),
        },
      }),
    }
  }

  function tryNonces(
    job: Job & { kind: 'iterate' },
    mining: NonNullable<(Job & { kind: 'iterate' })['mining']>,
    result: Trained,
  ): Hex | undefined {
    const messageHash = coreHash({
      ...job.draft,
      map: result.map,
      loss: result.loss,
      accuracy: result.accuracy,
      endModelHash: result.endModelHash,
      endResidualHash: result.endResidualHash,
    })
    return mineHeader(
      mining.zeroNonceHeader,
      nonceZero(result.endModelHash, result.map),
      messageHash,
      mining.historyRoot,
      mining.target,
      mining.budget,
    )
  }

  function mineFiller(job: Job & { kind: 'mine-filler' }): JobResult {
    const run = fillerEngine().start(job.seed, job.ticketId)
    const { mining } = job
    let tries = 0
    for (let j = 1; j <= options.filler.iterations; j++) {
      const step = run.iterate()
      if (!step.ok) break
      if (step.map.length === 0) continue
      const messageHash = fillerMessageHash(job.ticketId, j, step.endModelHash, step.endResidualHash, step.map)
      tries += mining.budget
      const nonce = mineHeader(
        mining.zeroNonceHeader,
        nonceZero(step.endModelHash, step.map),
        messageHash,
        mining.historyRoot,
        mining.target,
        mining.budget,
      )
      if (!nonce) continue
      const { endModelHash, endResidualHash, map } = step
      return { kind: 'mine-filler', tries, win: { iteration: j, nonce, endModelHash, endResidualHash, map, messageHash } }
    }
    return { kind: 'mine-filler', tries }
  }
}

function atOnce(...parts: Uint8Array[]): () => Hex {
  const hash = sha256Hex(...parts)
  return () => hash
}

function refused(code: string, layer?: string): JobResult {
  return { kind: 'refused', code, ...(layer !== undefined && { layer }) }
}

function openSegments(document: TaskDocument, blobs: readonly Uint8Array[]): SegmentData[] | undefined {
  const segments: SegmentData[] = []
  for (const blob of blobs) {
    const opened = openSegment(blob)
    const data = opened && decodeSegmentData(opened.data, document.ml.dataset.features, answersOf(document))
    if (!data || data.count !== segmentSamples(document) || !samplesFit(document, data)) return undefined
    segments.push(data)
  }
  return segments
}

function evaluateModel(job: Job & { kind: 'evaluate' }): JobResult {
  if (arithmeticMismatch(job.document)) return refused('other-arithmetic')
  const opened = openModel(job.model, modelNumbers(job.document), bf16Numbers(job.document))
  const segments = openSegments(job.document, job.segments)
  if (!opened || !segments) return refused(opened ? 'bad-segment' : 'bad-model')
  const evaluation = evaluate(job.document, opened.weights, segments)
  // Finite weights can be so large that what they make is not: such a model has no score that a report could hold.
  return Number.isFinite(evaluation.loss) ? { kind: 'evaluate', ...evaluation } : refused('not-finite')
}

/**
 * The client's preparation (spec 5.3): shuffle the samples, cut equal segments, salt and commit each.
 * Everything follows from `seed`, so a client that restarts publishes the same commitments.
 */
function commitData(job: Job & { kind: 'commit-data' }): JobResult {
  const { dataset } = job.document.ml
  const answers = answersOf(job.document)
  if (job.labels.length !== dataset.samples * answers || job.features.length !== dataset.samples * dataset.features)
    return refused('data-size')
  const order = shuffle(dataset.samples, sha256(utf8('POUW-CLIENT-SHUFFLE'), job.seed))
  const perSegment = segmentSamples(job.document)
  const segments: Uint8Array[] = []
  for (let s = 0; s < dataset.segments; s++) {
    const features = new Uint8Array(perSegment * dataset.features)
    const labels = new Uint8Array(perSegment * answers)
    for (let i = 0; i < perSegment; i++) {
      const sample = order[s * perSegment + i]!
      features.set(job.features.subarray(sample * dataset.features, (sample + 1) * dataset.features), i * dataset.features)
      labels.set(job.labels.subarray(sample * answers, (sample + 1) * answers), i * answers)
    }
    const salt = hkdfSha256(job.seed, new Uint8Array(0), utf8(`pouw/segment-salt/${s}`), 32)
    segments.push(segmentBytes(s, salt, encodeSegmentData({ count: perSegment, features, labels })))
  }
  return { kind: 'commit-data', segments, commitments: segments.map((segment) => bytesToHex(sha256(segment))) }
}
