/** Trains a small convolutional net on Fashion-MNIST without any chain, and draws how it learned. `node examples/fashion-mnist.ts --help` says more. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { cnn, exportOnnx, lineChart, model, type Progress, saveModel, type TrainingData, train } from '@pouw/training'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: '/usr/share/datasets/fashion-mnist' },
    epochs: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    profile: { type: 'string', default: 'f32' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (options.help) {
  console.log(`node examples/fashion-mnist.ts [--data FOLDER] [--epochs 3] [--threads 2] [--profile f32|bf16x|int8x]
Writes fashion-mnist.svg (the curve), fashion-mnist.onnx and fashion-mnist.safetensors (the model) to the working folder. Ctrl-C ends with what was learned.
FOLDER holds the four *-ubyte.gz files of Fashion-MNIST; Debian has them: apt install dataset-fashion-mnist`)
  process.exit()
}

/** The bytes of a gzipped IDX file behind its header. */
function idx(name: string, header: number): Uint8Array {
  const file = join(options.data, name)
  try {
    return new Uint8Array(gunzipSync(readFileSync(file)).subarray(header))
  } catch {
    console.error(`cannot read ${file}; --help says where the data come from`)
    process.exit(1)
  }
}

function load(part: string): TrainingData {
  return { inputs: idx(`${part}-images-idx3-ubyte.gz`, 16), wanted: idx(`${part}-labels-idx1-ubyte.gz`, 8), scale: 1 / 255 }
}

const started = performance.now()
const percent = (share: number) => `${(100 * share).toFixed(1)} %`

function bar({ step, steps, epoch, epochs, loss, accuracy }: Progress): string {
  const done = Math.round((24 * step) / steps)
  const left = (((performance.now() - started) / step) * (steps - step)) / 1000
  return `${'█'.repeat(done)}${'░'.repeat(24 - done)} epoch ${epoch}/${epochs}  loss ${loss.toFixed(3)}  ${percent(accuracy)}  ${left.toFixed(0)} s left`
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

const learned = { training: [] as [number, number][], test: [] as [number, number][] }
const run = await train(model(cnn()), {
  data: load('train'),
  validation: load('t10k'),
  epochs: Number(options.epochs),
  threads: Number(options.threads),
  profile: options.profile as 'f32' | 'bf16x' | 'int8x',
  batch: 64,
  optimizer: { type: 'adamw', weightDecay: 0.01 },
  rate: 0.002,
  warmup: 100,
  schedule: { type: 'cosine', steps: 938 * Number(options.epochs), final: 0.05 },
  signal: interrupted.signal,
  async onProgress(progress) {
    if (progress.step % 20 !== 0) return
    learned.training.push([progress.step, 100 * progress.accuracy])
    if (process.stdout.isTTY) process.stdout.write(`\r${bar(progress)} `)
    await setImmediate()
  },
  onEpoch({ epoch, step, loss, validation }) {
    learned.test.push([step, 100 * validation!.accuracy])
    console.log(
      `${process.stdout.isTTY ? '\r\x1b[K' : ''}epoch ${epoch}: loss ${loss.toFixed(4)}, on the test set ${percent(validation!.accuracy)}`,
    )
  },
})

const series = [
  { name: 'training, mean of the epoch so far', points: learned.training },
  { name: 'test set', points: learned.test },
].filter(({ points }) => points.length > 0)
if (series.length > 0)
  writeFileSync('fashion-mnist.svg', lineChart({ title: 'Fashion-MNIST', xLabel: 'step', yLabel: 'right answers, %', series }))
writeFileSync('fashion-mnist.safetensors', saveModel(run))
writeFileSync('fashion-mnist.onnx', exportOnnx(run.model, { weights: run.weights, states: run.statistics }))
console.log(`${run.stopped ? 'stopped' : 'done'} after ${run.state.step} steps; wrote fashion-mnist.svg, .onnx and .safetensors`)
