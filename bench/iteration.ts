/** Where one iteration of a miner spends its time: training, and everything that the protocol asks for on top. */
import { sha256Hex, utf8 } from '@pouw/crypto'
import { coreHash, decodeIterationResult, encodeMap, modelParams, type TaskDocument } from '@pouw/primitives'
import { createComputer, devnetParams, type Job, type JobResult, mineHeader, nonceZero } from '@pouw/protocol'
import { createNet, initialWeights, modelBytes, modelHash, openMap, quantum, rateAt, residualBytes, residualHash } from '@pouw/training'
import { createHashing, type Hashing } from '../packages/node/src/compute/hashing.ts'
import { sealResult } from '../packages/protocol/src/envelope.ts'
import { taskBudget } from '../packages/protocol/src/verification/evidence.ts'
import { modelOf } from '../packages/training/src/model.ts'
import { type ExampleData, loadExample, readExample, TASK_ID, TICKET_ID, withBatch } from './example-task.ts'
import { createStopwatch, median, timeOf } from './measure.ts'
import { type Row, row, type Topic, type TopicOptions } from './row.ts'

/** The share of an iteration's training time that the protocol may add, by batch size. */
const OVERHEAD = { 128: { must: 50, aim: 25 }, 1024: { must: 10, aim: 5 } } as const
const TRY_US = { must: 5, aim: 2 }
const MAP_MS = { must: 0.1, aim: 0.05 }
const EXAMPLE_BATCH = 128
const REPLAY_MS = { must: 30, aim: 10 }

const SEED = new Uint8Array(32).fill(7)
const NETWORK_ID = 'be2c4000'
const HASH = sha256Hex(utf8('any hash'))
const ZERO_NONCE_HEADER = new Uint8Array(76).fill(1)
/** No hash is so small: every try of an iteration is made. */
const NEVER = 0n
/** A round of three miners: our own and two peers' maps. */
const PEERS = 2

export const iteration: Topic = async ({ effort, quick, say }) => {
  const example = await readExample()
  const rows: Row[] = []
  for (const batch of [128, 1024] as const) {
    rows.push(...(await oneSize(withBatch(example, batch), OVERHEAD[batch], { effort, quick, say })))
  }
  const tries = 1000
  const zero = nonceZero(HASH, new Uint8Array(4))
  const us = (1000 * timeOf(() => mineHeader(ZERO_NONCE_HEADER, zero, HASH, HASH, NEVER, tries), effort)) / tries
  rows.push(row('one try: SHA-256d of a header of 172 bytes', us, 'us', { atMost: TRY_US }))
  return rows
}

const TRAINING = ['load batch', 'forward and backward', 'loss and accuracy after the update'] as const
const PROTOCOL = [
  "peers' maps",
  'residual, own update, map words',
  'map bytes',
  'all numbers finite',
  'hash of the model',
  'hash of the residual',
  'IT_RES',
  'tries',
] as const
type Part = (typeof TRAINING)[number] | (typeof PROTOCOL)[number]

/**
 * Milliseconds of an iteration whose training takes more than 10 ms: pure training, and what is on top of it when a computer does the whole job, with hashes in
 * turn or beside. Without tries, which are the lottery and not the bookkeeping.
 */
export async function protocolOverhead(
  options: TopicOptions,
): Promise<{ readonly training: number; readonly inTurn: number; readonly beside: number }> {
  const document = withBatch(await readExample(), 1024)
  const hashing = createHashing()
  const { training, of, whole } = timeIteration(
    document,
    await loadExample(document),
    { inTurn: iterationJobs(document), beside: iterationJobs(document, { digest: hashing.digest }) },
    options,
  )
  hashing.close()
  const onTop = (ms: number) => ms + of('IT_RES') - training
  return { training, inTurn: onTop(whole.inTurn), beside: onTop(whole.beside) }
}

async function oneSize(
  document: TaskDocument,
  bound: { readonly must: number; readonly aim: number },
  options: TopicOptions,
): Promise<Row[]> {
  const { batch } = document.ml
  const params = modelParams(document)
  const at = `batch ${batch}`
  const hashing = createHashing()
  const jobs = iterationJobs(document, { digest: hashing.digest, budget: taskBudget(devnetParams(0), document) })
  const data = await loadExample(document)
  const { of, training, protocol, whole } = timeIteration(document, data, { jobs }, options)
  const { bytes } = data.batch(0)
  const replayed = timeOf(() => jobs.replay(bytes), options.effort)
  hashing.close()
  const onTop = whole.jobs + of('IT_RES') - training
  return [
    row(`${at}: training`, training, 'ms'),
    ...TRAINING.map((part) => row(`${at}:   ${part}`, of(part), 'ms')),
    row(`${at}: protocol`, protocol, 'ms'),
    ...PROTOCOL.map((part) => row(`${at}:   ${part}`, of(part), 'ms')),
    row(`${at}: whole iteration as a node's job, hashes beside, tries included`, whole.jobs, 'ms'),
    row(`${at}: protocol overhead over training, as a node's job and IT_RES`, (100 * onTop) / training, '%', { atMost: bound }),
    row(`${at}: protocol overhead over training, one part after the other`, (100 * protocol) / training, '%'),
    // These bounds are the example's: a larger batch, the client's choice, is more arithmetic, and leaves the weights in no cache.
    row(
      `${at}: update map of ${params} parameters`,
      of('residual, own update, map words') + of('map bytes'),
      'ms',
      batch === EXAMPLE_BATCH ? { atMost: MAP_MS } : {},
    ),
    row(`${at}: replay of that iteration`, replayed, 'ms', batch === EXAMPLE_BATCH ? { atMost: REPLAY_MS } : {}),
  ]
}

/**
 * Median milliseconds of an iteration's parts, and of whole iterations as jobs. They take turns in blocks, so that a busy machine is busy for all; the first ones
 * of a block find the others' numbers in the caches, and do not count.
 */
function timeIteration<Name extends string>(
  document: TaskDocument,
  data: ExampleData,
  jobs: Readonly<Record<Name, IterationJobs>>,
  { quick, say }: TopicOptions,
) {
  const parts = iterationParts(document, data)
  const { watch, words } = parts
  const whole = new Map(Object.keys(jobs).map((name) => [name as Name, [] as number[]]))
  const [rounds, block] = quick ? [2, 4] : [14, 16]
  for (let round = 0; round < rounds; round++) {
    // What a compiler still works on is no figure yet.
    const counts = (i: number) => round >= rounds / 7 && i >= block / 4
    for (let i = 0; i < block; i++) {
      watch.turn(counts(i))
      parts.iterate()
    }
    for (const [name, times] of whole)
      for (let i = 0; i < block; i++) {
        const ms = jobs[name].iterate(data)
        if (counts(i)) times.push(ms)
      }
  }
  const sum = (names: readonly Part[]) => names.reduce((total, part) => total + watch.of(part), 0)
  say(`batch ${document.ml.batch}: ${median(words)} words in a map, ${parts.budget} tries for an iteration`)
  return {
    of: watch.of,
    training: sum(TRAINING),
    protocol: sum(PROTOCOL),
    whole: Object.fromEntries(Array.from(whole, ([name, times]) => [name, median(times)])) as Record<Name, number>,
  }
}

/** Iterations one part after the other, by a stopwatch. */
function iterationParts(document: TaskDocument, data: ExampleData) {
  const { batch, dataset, optimizer } = document.ml
  const budget = taskBudget(devnetParams(0), document)
  const params = modelParams(document)
  const net = createNet(modelOf(document), batch)
  net.weights.set(initialWeights(document))
  const watch = createStopwatch<Part>()
  const { time } = watch
  const words: number[] = []
  let lastMap = new Uint8Array(0) as Uint8Array
  let sequence = 0

  function iterate(): void {
    const { features, labels } = data.batch(sequence)
    sequence++
    const rate = rateAt(document, sequence)
    const q = quantum(rate, batch, optimizer.tau)
    time('load batch', () => net.loadBatch(features, labels, dataset.scale))
    // Two peers with maps like our own last one, applied with step 0: their cost, not their effect.
    time("peers' maps", () =>
      net.applyPeers(
        Array.from({ length: PEERS }, () => openMap(lastMap, params)!),
        0,
      ),
    )
    time('forward and backward', () => net.backward())
    const { words: moved, overdrive } = time('residual, own update, map words', () => net.exchange(optimizer.tau, q))
    const { lossSum, correct } = time('loss and accuracy after the update', () => net.forward())
    time('all numbers finite', () => net.isFinite())
    lastMap = time('map bytes', () => encodeMap(moved))
    const endModelHash = time('hash of the model', () => modelHash(TASK_ID, TICKET_ID, sequence, net.weights))
    const endResidualHash = time('hash of the residual', () => residualHash(TASK_ID, TICKET_ID, sequence, net.residual))
    const message = {
      ...draft(document, sequence, rate),
      map: lastMap,
      loss: Math.fround(lossSum / batch),
      accuracy: Math.fround(correct / batch),
      endModelHash,
      endResidualHash,
    }
    const core = time('tries', () => {
      const hash = coreHash(message)
      mineHeader(ZERO_NONCE_HEADER, nonceZero(endModelHash, lastMap), hash, HASH, NEVER, budget)
      return hash
    })
    // As a miner does it: encode, sign, hash what the next message and a block refer to.
    const sealed = time('IT_RES', () => {
      const { bytes, message: made } = sealResult(NETWORK_ID, { ...message, overdrive, startedMs: 1, finishedMs: 2 }, SEED)
      return { bytes, core: coreHash(made) }
    })
    if (sealed.core !== core || coreHash(decodeIterationResult(sealed.bytes)!) !== core)
      throw new Error('the sealed message has another core hash')
    words.push(moved.length)
  }

  return { iterate, watch, words, budget }
}

interface IterationJobs {
  /** Does the next iteration; answers its milliseconds. */
  iterate(data: ExampleData): number
  /** Does an iteration from the first state, as a verifier does. */
  replay(batch: Uint8Array): void
}

/** The same iteration through the door that nodes use: with tries if a budget is given. */
function iterationJobs(
  document: TaskDocument,
  options: { readonly digest?: Hashing['digest']; readonly budget?: number } = {},
): IterationJobs {
  const { digest, budget } = options
  const computer = createComputer({ filler: devnetParams(0).filler, ...(digest && { digest }) })
  computer.run({ kind: 'open-run', run: 'bench', document, taskId: TASK_ID, ticketId: TICKET_ID })
  const mining = budget && { zeroNonceHeader: ZERO_NONCE_HEADER, historyRoot: HASH, target: NEVER, budget }
  const weights = initialWeights(document)
  const start = {
    model: modelBytes(TASK_ID, TICKET_ID, 0, weights),
    residual: residualBytes(TASK_ID, TICKET_ID, 0, new Float32Array(weights.length)),
  }
  let sequence = 0
  let maps: readonly Uint8Array[] = []

  function done(job: Job): Extract<JobResult, { readonly map: Uint8Array }> {
    const result = computer.run(job)
    if (!('map' in result)) throw new Error(`a job was refused: ${JSON.stringify(result)}`)
    return result
  }

  return {
    iterate(data) {
      const batch = data.batch(sequence).bytes
      sequence++
      const rate = rateAt(document, sequence)
      const from = performance.now()
      const result = done({
        kind: 'iterate',
        run: 'bench',
        sequence,
        maps,
        batch,
        rate,
        draft: draft(document, sequence, rate),
        ...(mining && { mining }),
      })
      const ms = performance.now() - from
      // Two peers who found what we found.
      maps = Array.from({ length: PEERS }, () => result.map)
      return ms
    },
    replay(batch) {
      done({
        kind: 'replay',
        document,
        taskId: TASK_ID,
        ticketId: TICKET_ID,
        sequence: 1,
        ...start,
        maps,
        batch,
        rate: rateAt(document, 1),
        verifier: TICKET_ID,
      })
    },
  }
}

function draft(document: TaskDocument, sequence: number, rate: number) {
  return {
    taskId: TASK_ID,
    ticketId: TICKET_ID,
    sequence,
    epoch: 1,
    batchIndex: 0,
    batchHash: HASH,
    startModelHash: HASH,
    startResidualHash: HASH,
    peerCut: 1,
    peerHash: HASH,
    rate,
    tau: document.ml.optimizer.tau,
    commitment: HASH,
    previousHash: HASH,
  }
}
