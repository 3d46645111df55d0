/** Where one iteration of a miner spends its time: training, and everything that the protocol asks for on top. */
import { sha256Hex, utf8 } from '@pouw/crypto'
import { coreHash, decodeIterationResult, encodeMap, modelParams, type TaskDocument } from '@pouw/primitives'
import { createComputer, devnetParams, mineHeader, nonceZero } from '@pouw/protocol'
import { createNet, initialWeights, modelBytes, modelHash, openMap, quantum, rateAt, residualBytes, residualHash } from '@pouw/training'
import { createHashing, type Hashing } from '../packages/node/src/compute/hashing.ts'
import { sealResult } from '../packages/protocol/src/envelope.ts'
import { taskBudget } from '../packages/protocol/src/verification/evidence.ts'
import { modelOf } from '../packages/training/src/model.ts'
import { loadExample, readExample, TASK_ID, TICKET_ID, withBatch } from './example-task.ts'
import { createStopwatch, type Effort, median, timeOf } from './measure.ts'
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
  const { training, of, lastMap, firstBatch } = await timeParts(document, options)
  const hashing = createHashing()
  const computers = {
    inTurn: iterationJobs(document, firstBatch, lastMap),
    beside: iterationJobs(document, firstBatch, lastMap, hashing.digest),
  }
  const times: Readonly<Record<keyof typeof computers, number[]>> = { inTurn: [], beside: [] }
  const [blocks, block] = options.quick ? [1, 8] : [12, 16]
  // In blocks by turns, so that a busy machine is busy for both; the first ones of a block find the other's numbers in the caches.
  for (let round = 0; round < blocks; round++) {
    for (const name of ['inTurn', 'beside'] as const) {
      const { computer, next } = computers[name]
      for (let i = 0; i < block; i++) {
        const job = next()
        const start = performance.now()
        const result = computer.run(job)
        if (result.kind !== 'iterate') throw new Error(`an iteration was refused: ${JSON.stringify(result)}`)
        if (i >= block / 4) times[name].push(performance.now() - start)
      }
    }
  }
  hashing.close()
  const onTop = (whole: number[]) => median(whole) + of('IT_RES') - training
  return { training, inTurn: onTop(times.inTurn), beside: onTop(times.beside) }
}

async function oneSize(
  document: TaskDocument,
  bound: { readonly must: number; readonly aim: number },
  options: TopicOptions,
): Promise<Row[]> {
  const { batch } = document.ml
  const params = modelParams(document)
  const { of, training, protocol, lastMap, budget, firstBatch } = await timeParts(document, options)
  const at = `batch ${batch}`
  const { whole, replayed } = wholeJobs(document, firstBatch, lastMap, budget, options.effort)
  const onTop = whole + of('IT_RES') - training
  return [
    row(`${at}: training`, training, 'ms'),
    ...TRAINING.map((part) => row(`${at}:   ${part}`, of(part), 'ms')),
    row(`${at}: protocol`, protocol, 'ms'),
    ...PROTOCOL.map((part) => row(`${at}:   ${part}`, of(part), 'ms')),
    row(`${at}: whole iteration as a node's job, hashes beside, tries included`, whole, 'ms'),
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

async function timeParts(document: TaskDocument, { quick, say }: TopicOptions) {
  const { batch, dataset, optimizer } = document.ml
  const data = await loadExample(document)
  const budget = taskBudget(devnetParams(0), document)
  const params = modelParams(document)
  const net = createNet(modelOf(document), batch)
  net.weights.set(initialWeights(document))
  const [warm, measured] = quick ? [3, 5] : [60, 200]
  const watch = createStopwatch<Part>()
  const { time, of } = watch
  const words: number[] = []
  let lastMap = new Uint8Array(0) as Uint8Array

  for (let i = 0; i < warm + measured; i++) {
    const { features, labels } = data.batch(i)
    const sequence = i + 1
    const rate = rateAt(document, sequence)
    const q = quantum(rate, batch, optimizer.tau)
    if (i === warm) watch.turnOn()
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
    if (i >= warm) words.push(moved.length)
  }

  const sum = (parts: readonly Part[]) => parts.reduce((total, part) => total + of(part), 0)
  const training = sum(TRAINING)
  const protocol = sum(PROTOCOL)
  say(`batch ${batch}: ${median(words)} words in a map, ${budget} tries for an iteration`)
  return { of, training, protocol, lastMap, budget, firstBatch: data.batch(0).bytes }
}

/** The same iteration through the door that nodes use, and its replay by a verifier. */
function wholeJobs(document: TaskDocument, batch: Uint8Array, map: Uint8Array, budget: number, effort: Effort) {
  const weights = initialWeights(document)
  const zero = new Float32Array(weights.length)
  const [model, residual] = [modelBytes(TASK_ID, TICKET_ID, 0, weights), residualBytes(TASK_ID, TICKET_ID, 0, zero)]
  const hashing = createHashing()
  const { computer, next, maps, rate } = iterationJobs(document, batch, map, hashing.digest)
  const mining = { zeroNonceHeader: ZERO_NONCE_HEADER, historyRoot: HASH, target: NEVER, budget }
  const whole = timeOf(() => {
    const result = computer.run({ ...next(), mining })
    if (result.kind !== 'iterate') throw new Error(`an iteration was refused: ${JSON.stringify(result)}`)
  }, effort)
  const replayed = timeOf(() => {
    const result = computer.run({
      kind: 'replay',
      document,
      taskId: TASK_ID,
      ticketId: TICKET_ID,
      sequence: 1,
      model,
      residual,
      maps,
      batch,
      rate,
      verifier: TICKET_ID,
    })
    if (result.kind !== 'replay') throw new Error(`a replay was refused: ${JSON.stringify(result)}`)
  }, effort)
  hashing.close()
  return { whole, replayed }
}

/** A computer with an open run, and one iteration of it after the other. */
function iterationJobs(document: TaskDocument, batch: Uint8Array, map: Uint8Array, digest?: Hashing['digest']) {
  const computer = createComputer({ filler: devnetParams(0).filler, ...(digest && { digest }) })
  const maps = Array.from({ length: PEERS }, () => map)
  computer.run({ kind: 'open-run', run: 'bench', document, taskId: TASK_ID, ticketId: TICKET_ID })
  const rate = rateAt(document, 1)
  let sequence = 0
  const next = () => {
    sequence++
    return { kind: 'iterate', run: 'bench', sequence, maps, batch, rate, draft: draft(document, sequence, rate) } as const
  }
  return { computer, next, maps, rate }
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
