/** Whether large models fit, and what forgetting activations saves and costs. */
import { freemem, totalmem } from 'node:os'
import { createNet, defineModel, gpt } from '@pouw/training'
import { type Row, row, skippedRow, type TopicOptions } from '../row.ts'
import { alternate } from './alternate.ts'
import { createOurs, type Ours } from './ours.ts'
import { type Sample, seeded, startWeights } from './works.ts'

/** 202.6 million parameters. */
const LARGE = { layers: 16, heads: 16, width: 1024, time: 64, vocabulary: 1024 }
/** Blocks enough that what lies between them is little beside what lies in them. */
const DEEP = { layers: 12, heads: 4, width: 128, time: 128, vocabulary: 64 }
const DEEP_BATCH = 8
const SAVING = { must: 4 }
const SLOWDOWN = { must: 1.4 }
/** So coarse that a map of so many parameters stays small. */
const LARGE_TAU = 1
const LARGE_Q = 0.01
const MB = 1e6

export async function memoryRows(options: TopicOptions): Promise<Row[]> {
  return [...(await checkpointRows(options)), ...(options.quick ? [] : largeRows(options))]
}

async function checkpointRows({ quick, say }: TopicOptions): Promise<Row[]> {
  const { layers, width, time } = DEEP
  const name = `gpt of ${layers} blocks, width ${width}, time ${time}, batch ${DEEP_BATCH}`
  say(`checkpoints: ${name}`)
  const sample = tokens(DEEP, DEEP_BATCH)
  const engines: Record<'all' | 'checkpointed', Ours> = {
    all: await createOurs(sample),
    checkpointed: await createOurs(sample, { checkpoint: true }),
  }
  const { all, checkpointed } = engines
  const raced = await alternate(engines, { rounds: quick ? 1 : 5, turnMs: 500 })
  const { value, spread } = raced.ratio('checkpointed', 'all')
  return [
    row(`${name}: bytes of activations`, all.activationBytes / MB, 'MB'),
    row(`${name}: bytes of activations with checkpoints`, checkpointed.activationBytes / MB, 'MB'),
    row(`${name}: saved by checkpoints`, all.activationBytes / checkpointed.activationBytes, 'x', { atLeast: SAVING }),
    row(`${name}: step`, raced.ms('all'), 'ms'),
    row(`${name}: step with checkpoints`, raced.ms('checkpointed'), 'ms'),
    row(`${name}: time with checkpoints over time without`, value, 'x', { atMost: SLOWDOWN }),
    row(`${name}: time with checkpoints over time without, spread`, 100 * spread, '%'),
  ]
}

/** A step as the protocol wants it: weights, residual and gradient, the exchange after the backward pass. */
function largeRows({ say }: TopicOptions): Row[] {
  const model = defineModel(gpt(LARGE))
  const name = `gpt with ${(model.params / MB).toFixed(1)} M parameters`
  const needed = 5 * 4 * model.params
  if (freemem() < needed) {
    const why = `expected ${(needed / MB).toFixed(0)} MB of free memory, received ${(freemem() / MB).toFixed(0)}`
    return [skippedRow(`${name}: training step`, 'ms', why), skippedRow(`${name}: memory of the net`, 'MB', why)]
  }
  say(`${name}: preparing`)
  const net = createNet(model, 1)
  startWeights(model, seeded(9), net.weights)
  const { features, wanted } = data(LARGE, 1)
  net.loadTokens(features, wanted)
  const losses: number[] = []
  const times: number[] = []
  // The first step meets memory that nobody has touched yet.
  for (const step of ['the first step', 'another step']) {
    say(`${name}: ${step}`)
    const start = performance.now()
    losses.push(net.backward().lossSum)
    const { words } = net.exchange(LARGE_TAU, LARGE_Q)
    times.push(performance.now() - start)
    say(`${name}: ${(times.at(-1)! / 1000).toFixed(1)} s, SUM loss ${losses.at(-1)!.toFixed(3)}, ${words.length} words in the map`)
  }
  const after = net.forward().lossSum
  if (!(after < losses[0]! && net.isFinite()))
    throw new Error(`${name}: expected steps that lower the loss, received ${losses[0]}, then ${after}`)
  return [
    row(`${name}: training step`, times.at(-1)!, 'ms'),
    row(`${name}: memory of the net`, net.bytes / MB, 'MB', { atMost: { must: Math.round(totalmem() / MB) } }),
    row(`${name}: largest resident size of the whole bench`, (1024 * process.resourceUsage().maxRSS) / MB, 'MB'),
  ]
}

function tokens(shape: typeof DEEP, batch: number): Sample {
  const model = defineModel(gpt(shape))
  return { model, batch, rate: 0.01, weights: startWeights(model, seeded(9)), ...data(shape, batch) }
}

function data({ time, vocabulary }: typeof DEEP, batch: number) {
  const random = seeded(4)
  const draw = () => Int32Array.from({ length: batch * time }, () => Math.floor(random() * vocabulary))
  return { features: draw(), wanted: draw() }
}
