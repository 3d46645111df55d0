/**
 * Test accuracy per epoch of several miners that exchange maps with a fixed delay: the figures behind the example task.
 *
 *   node packages/training/bench/convergence.ts --rate 0.3 --batch 128 --tau 6 --epochs 12 --warmup 300 --delay 2
 *
 * `delay` is the number of iterations until a peer's map is applied (1 = the next one). Miners run in step until each has done what is due.
 */
import { parseArgs } from 'node:util'
import { sha256, sha256Hex, shuffle, utf8 } from '@pouw/crypto'
import { segmentSamples } from '@pouw/primitives'
import {
  assignBatches,
  createSchedule,
  createTrainer,
  cutBatches,
  evaluate,
  openModel,
  type SegmentData,
  splitSegments,
  type Trainer,
} from '../src/index.ts'
import { loadMnist } from './mnist.ts'
import { mnistTask } from './task.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '0.3' },
    tau: { type: 'string', default: '6' },
    batch: { type: 'string', default: '128' },
    epochs: { type: 'string', default: '12' },
    warmup: { type: 'string', default: '300' },
    delay: { type: 'string', default: '2' },
    miners: { type: 'string', default: '3' },
    contrast: { type: 'string', default: '1' },
    magnitude: { type: 'string', default: '2.24' },
    'peer-scale': { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
  },
})
const delay = Number(values.delay)
const doc = mnistTask({
  rate: Number(values.rate),
  tau: Number(values.tau),
  batch: Number(values.batch),
  epochs: Number(values.epochs),
  warmup: Number(values.warmup),
  peerScale: Number(values['peer-scale']),
  contrast: Number(values.contrast),
  magnitude: Number(values.magnitude),
  miners: Number(values.miners),
})
const id = (text: string) => sha256Hex(utf8(`${text}/${values.seed}`))
const taskId = id('task')
const block = id('block')
const tickets = Array.from({ length: doc.workers.miners }, (_, i) => id(`ticket ${i}`))

const segments = cutSegments()
const split = splitSegments(block, taskId, doc.ml.dataset.segments, doc.ml.dataset.testSegments)
const batches = cutBatches(
  taskId,
  split.training.map((s) => segments[s]!),
  doc,
)
const test = split.test.map((s) => segments[s]!)
const { owner } = assignBatches(
  taskId,
  tickets,
  batches.map((batch) => batch.hash),
  doc.workers.epsilonBp,
)

const miners = tickets.map((ticket, i) => ({
  trainer: createTrainer(doc, taskId, ticket),
  schedule: createSchedule(doc, block, ticket, owner, i),
  maps: [] as Uint8Array[],
}))
const longest = Math.max(...miners.map((miner) => miner.schedule.iterations))
const perEpoch = longest / doc.ml.epochs
const started = performance.now()
let trainingMs = 0
let words = 0
let maps = 0

for (let step = 0; step < longest; step++) {
  const before = performance.now()
  for (const miner of miners) {
    if (step >= miner.schedule.iterations) continue
    const { batchIndex, rate } = miner.schedule.at(step + 1)
    const peers = miners.flatMap((peer) => (peer === miner ? [] : peer.maps.slice(step - delay, step - delay + 1)))
    const result = miner.trainer.iterate({ maps: step < delay ? [] : peers, batch: batches[batchIndex]!.bytes, rate })
    if (!result.ok) throw new Error(`iteration ${step + 1}: ${result.code}`)
    miner.maps.push(result.map)
    words += result.map.length / 4
    maps++
  }
  trainingMs += performance.now() - before
  if ((step + 1) % perEpoch === 0)
    print(
      `epoch ${String((step + 1) / perEpoch).padStart(2)}  iteration ${step + 1}`,
      miners.map((miner) => accuracyOf(miner.trainer)),
    )
}
print(
  'final models',
  miners.map((miner) => finalAccuracy(miner)),
)
console.log(
  `iterations per miner ${miners.map((miner) => miner.schedule.iterations).join(' ')}, all ${maps}; ` +
    `${(words / maps).toFixed(0)} words per map; training ${(trainingMs / 1000).toFixed(1)} s = ${(trainingMs / maps).toFixed(3)} ms per iteration; ` +
    `wall ${((performance.now() - started) / 1000).toFixed(1)} s`,
)

function print(label: string, accuracies: readonly number[]): void {
  console.log(`${label}  ${accuracies.map((accuracy) => (100 * accuracy).toFixed(2)).join('  ')} %`)
}

function accuracyOf(trainer: Trainer): number {
  return evaluate(doc, trainer.weights, test).accuracy
}

/** What a miner hands in: its weights with every map of the peers that it has not applied yet (A20). */
function finalAccuracy(miner: (typeof miners)[number]): number {
  const applied = Math.max(0, miner.schedule.iterations - delay)
  const rest = miners.flatMap((peer) => (peer === miner ? [] : peer.maps.slice(applied)))
  const opened = openModel(miner.trainer.finalModel(rest).bytes, miner.trainer.weights.length)
  if (!opened) throw new Error('the final model is not finite')
  return evaluate(doc, opened.weights, test).accuracy
}

/** The client's preparation: shuffle the samples with a seed, cut equal segments. */
function cutSegments(): SegmentData[] {
  const { features, labels } = loadMnist()
  const order = shuffle(labels.length, sha256(utf8(`shuffle/${values.seed}`)))
  const count = segmentSamples(doc)
  const width = doc.ml.dataset.features
  return Array.from({ length: doc.ml.dataset.segments }, (_, s) => {
    const segment = { count, features: new Uint8Array(count * width), labels: new Uint8Array(count) }
    for (let i = 0; i < count; i++) {
      const sample = order[s * count + i]!
      segment.features.set(features.subarray(sample * width, (sample + 1) * width), i * width)
      segment.labels[i] = labels[sample]!
    }
    return segment
  })
}
