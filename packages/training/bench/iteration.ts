/**
 * Where one iteration spends its time: the spec's task at several batch sizes, by part, median of many.
 *
 *   node packages/training/bench/iteration.ts [batch ...]
 */
import { sha256Hex, utf8 } from '@pouw/crypto'
import { decodeMap, encodeMap } from '@pouw/primitives'
import { createNet } from '@pouw/tensor'
import {
  batchBytes,
  createReplayTrainer,
  createTrainer,
  initialWeights,
  modelBytes,
  modelHash,
  quantum,
  replay,
  residualBytes,
  residualHash,
} from '../src/index.ts'
import { modelOf } from '../src/model.ts'
import { loadMnist } from './mnist.ts'
import { mnistTask } from './task.ts'

const WARM = 60
const MEASURED = 200
const task = sha256Hex(utf8('task'))
const ticket = sha256Hex(utf8('ticket'))
const data = loadMnist()
const sizes = process.argv.slice(2).map(Number)

for (const batch of sizes.length > 0 ? sizes : [128, 1024]) {
  const tau = (12 * batch) / 128
  const doc = mnistTask({ rate: 0.15, tau, batch, epochs: 1, warmup: 0, peerScale: 1, contrast: 2, magnitude: 2.24, miners: 3 })
  const { features: width, scale } = doc.ml.dataset
  const { rate } = doc.ml.optimizer
  const net = createNet(modelOf(doc), batch)
  net.weights.set(initialWeights(doc))
  const q = quantum(rate, batch, tau)
  const spent = new Map<string, number[]>()
  let words = 0
  let last: Uint8Array = new Uint8Array(0)
  const batchOf = (i: number) => {
    const first = (i * batch) % (60_000 - batch)
    return [data.features.subarray(first * width, (first + batch) * width), data.labels.subarray(first, first + batch)] as const
  }

  for (let i = 0; i < WARM + MEASURED; i++) {
    const [features, labels] = batchOf(i)
    const time = <T>(part: string, work: () => T): T => {
      const start = performance.now()
      const result = work()
      if (i >= WARM) spent.set(part, [...(spent.get(part) ?? []), performance.now() - start])
      return result
    }
    // Two peers whose maps are as long as our own last one.
    const peers = time('decode maps', () => [decodeMap(last)!, decodeMap(last)!])
    time('load batch', () => net.loadBatch(features, labels, scale))
    time('peers', () => net.applyPeers(peers, 0))
    time('backward', () => net.backward())
    const exchanged = time('exchange', () => net.exchange(tau, q))
    time('forward', () => net.forward())
    time('finite check', () => net.isFinite())
    last = time('encode map', () => encodeMap(exchanged.words))
    time('model hash', () => modelHash(task, ticket, i + 1, net.weights))
    time('residual hash', () => residualHash(task, ticket, i + 1, net.residual))
    if (i >= WARM) words += exchanged.words.length
  }
  const total = [...spent.values()].reduce((sum, times) => sum + median(times), 0)
  console.log(`batch ${batch}: ${total.toFixed(3)} ms in parts, ${(words / MEASURED).toFixed(0)} words per map`)
  for (const [part, times] of spent)
    console.log(`  ${part.padEnd(14)} ${median(times).toFixed(3)} ms  ${((100 * median(times)) / total).toFixed(1).padStart(5)} %`)

  const trainer = createTrainer(doc, task, ticket)
  const kept = createReplayTrainer(doc, task, ticket)
  const [features, labels] = batchOf(0)
  const bytes = batchBytes(task, 0, features, labels)
  const startModel = modelBytes(task, ticket, 0, trainer.weights)
  const startResidual = residualBytes(task, ticket, 0, trainer.residual)
  const whole = repeat(() => trainer.iterate({ maps: [last, last], batch: bytes, rate }))
  const again = repeat(() => replay(kept, { sequence: 1, startModel, startResidual, maps: [last, last], batch: bytes, rate }))
  console.log(`  whole iterate  ${whole.toFixed(3)} ms; replay ${again.toFixed(3)} ms`)
}

function repeat(work: () => unknown): number {
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const start = performance.now()
    work()
    times.push(performance.now() - start)
  }
  return median(times)
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1]!
}
