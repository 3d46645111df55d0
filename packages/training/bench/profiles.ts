/**
 * Test accuracy of one miner by dead reckoning in profile `f32`, with `bf16x`'s products alone (weights and residual binary32), in `bf16x` and in `int8x`: the
 * figures of docs/arithmetic/bf16x.md and int8x.md.
 *
 *   node packages/training/bench/profiles.ts --net cnn --data /usr/share/datasets/fashion-mnist --epochs 3 --seeds 3
 *
 * Without `--data` it is MNIST; with it, a folder of four gzipped files in MNIST's form.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { sha256, sha256Hex, shuffle, utf8 } from '@pouw/crypto'
import { initXavier } from '@pouw/tensor'
import { cnn, createNet, mlp, model, type Net } from '../src/index.ts'
import { type StepRules, stepKey, step as stepOf } from '../src/iteration.ts'
import { loadMnist } from './mnist.ts'

const { values } = parseArgs({
  options: {
    net: { type: 'string', default: 'mlp' },
    data: { type: 'string' },
    epochs: { type: 'string', default: '5' },
    seeds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '0.1' },
    batch: { type: 'string', default: '128' },
    tau: { type: 'string', default: '12' },
  },
})
const trained = model(values.net === 'cnn' ? cnn({ filters: [8, 16] }) : mlp({ inputs: 784, hidden: [128, 64], classes: 10 }))
const { features, labels } = values.data === undefined ? loadMnist() : readFolder(values.data)
const [trainRows, batch, rate] = [60_000, Number(values.batch), Math.fround(Number(values.rate))]
const rules: StepRules = {
  rows: batch,
  tau: Math.fround(Number(values.tau)),
  peerScale: 1,
  scale: Math.fround(1 / 255),
  answerScale: 1,
  plain: true,
}
const variants = ['f32', 'products alone', 'bf16x', 'int8x'] as const

const names = variants.map((name) => name.padStart(14)).join('')
console.log(
  `${values.net}, ${trained.params} parameters, ${values.data ?? 'MNIST'}, ${values.epochs} epochs of batch ${batch}\nseed${names}`,
)
const sums = variants.map(() => 0)
for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const found = variants.map((variant) => run(variant, seed))
  for (const [i, accuracy] of found.entries()) sums[i]! += accuracy / Number(values.seeds)
  console.log(String(seed).padStart(4) + found.map((accuracy) => (100 * accuracy).toFixed(2).padStart(14)).join(''))
}
console.log(`mean${sums.map((accuracy) => (100 * accuracy).toFixed(2).padStart(14)).join('')}`)

function run(variant: (typeof variants)[number], seed: number): number {
  const net = createNet(trained, batch, { profile: variant === 'products alone' ? 'bf16x' : variant })
  net.weights.set(initXavier(trained, sha256(utf8(`seed ${seed}`)), Math.fround(2.24)))
  const settle = variant === 'bf16x' ? net.settle : () => {}
  settle(seed, ~seed >>> 0)
  const miner: Net = { ...net, settle, forward: () => ({ lossSum: 0, correct: 0 }) }
  const [task, ticket] = [sha256Hex(utf8('task')), sha256Hex(utf8(`ticket ${seed}`))]
  let sequence = 0
  for (let epoch = 1; epoch <= Number(values.epochs); epoch++) {
    const order = shuffle(trainRows, sha256(utf8(`epoch ${epoch} of seed ${seed}`)))
    for (let first = 0; first + batch <= trainRows; first += batch) {
      sequence++
      const due = { sequence, rate, key: stepKey(task, ticket, sequence) }
      if (!stepOf(miner, rules, [], rowsOf(order.slice(first, first + batch)), due))
        throw new Error(`${variant}: not finite at ${sequence}`)
    }
  }
  let correct = 0
  for (let first = trainRows; first < labels.length; first += batch) {
    const rows = Array.from({ length: Math.min(batch, labels.length - first) }, (_, i) => first + i)
    const { features: x, labels: y } = rowsOf(rows)
    net.loadBatch(x, y, rules.scale)
    correct += net.forward().correct
  }
  return correct / (labels.length - trainRows)
}

function rowsOf(rows: ArrayLike<number>): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  const found = { features: new Uint8Array(784 * rows.length), labels: new Uint8Array(rows.length) }
  for (let i = 0; i < rows.length; i++) {
    found.features.set(features.subarray(784 * rows[i]!, 784 * (rows[i]! + 1)), 784 * i)
    found.labels[i] = labels[rows[i]!]!
  }
  return found
}

function readFolder(folder: string): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  const read = (name: string, header: number) => gunzipSync(readFileSync(join(folder, `${name}.gz`))).subarray(header)
  return {
    features: Buffer.concat(['train', 't10k'].map((part) => read(`${part}-images-idx3-ubyte`, 16))),
    labels: Buffer.concat(['train', 't10k'].map((part) => read(`${part}-labels-idx1-ubyte`, 8))),
  }
}
