import { bytesToHex, hexToBytes } from '@pouw/crypto'
import { encodeMap, type LossSpec, type OptimizerSpec, optimizerSchema, scheduleSchema, type TaskDocument } from '@pouw/primitives'
import { nonceZero, precursor, tryBudget } from '@pouw/protocol'
import {
  assignBatches,
  createNet,
  createProposer,
  defineModel,
  type LayerSpec,
  type Model,
  modelHash,
  type Net,
  openMap,
  quantum,
  type RateSpec,
  rateOf,
  splitSegments,
} from '@pouw/training'
import { type Input, type Json, MalformedCase } from './input.ts'
import { REFUSED, refusing, type Suite } from './suite.ts'

export const nonce: Suite = (input) => {
  const map = input.bytes('map')
  // The published vector's map is not in ascending order, so the nonce takes the bytes as they are.
  const hash = modelHash(
    input.hex('taskId', 32),
    input.hex('ticketId', 32),
    input.integer('sequence', 0xffff_ffff),
    input.floats('weights'),
  )
  const batchBytes = input.integer('batchBytes')
  const params = input.integer('params')
  const out = { modelHash: hash, precursor: bytesToHex(precursor(hash, map)), nonce0: bytesToHex(nonceZero(hash, map)) }
  if (!input.has('omegaB')) return out
  const cost = { omegaB: input.integer('omegaB', 0xffff_ffff), omegaM: input.integer('omegaM', 0xffff_ffff) }
  // Without samples only the first term counts (A27).
  if (!input.has('samples')) return { ...out, tries: tryBudget({ ...cost, flopsPerTry: 1 }, batchBytes, params) }
  const flopsPerTry = input.integer('flopsPerTry')
  if (flopsPerTry === 0) throw new MalformedCase('in.flopsPerTry: expected a positive integer')
  return { ...out, tries: tryBudget({ ...cost, flopsPerTry }, batchBytes, params, input.integer('samples')) }
}

/** A net that has at least `params` parameters and no use but its exchange of updates: one output, the bias counted. */
function flatNet(params: number): Net {
  // One dense layer of n inputs and one node has n + 1 parameters, so a list of one has a spare.
  const inputs = Math.max(1, params - 1)
  const layers = [{ id: 'flat', nodes: 1 }]
  return createNet(defineModel({ input: { kind: 'features', shape: [inputs] }, layers, loss: { type: 'softmax-cross-entropy' } }), 1)
}

export const updateMap: Suite = (input) => {
  const residual = input.floats('residual')
  const gradient = input.floats('gradient')
  if (residual.length !== gradient.length) throw new MalformedCase('in.gradient: expected as many values as in.residual')
  const tau = input.float('tau')
  if (residual.length === 0) return { residual: [], map: '' }
  const net = flatNet(residual.length)
  net.residual.set(residual)
  net.gradient.set(gradient)
  return refusing(() => {
    const { words } = net.exchange(tau, 0)
    return { residual: [...net.residual.subarray(0, residual.length)], map: bytesToHex(encodeMap(words)) }
  })
}

export const applyMap: Suite = (input) => {
  const weights = input.floats('weights')
  const maps = input.hexes('maps').map((hex) => openMap(hexToBytes(hex), weights.length))
  const rate = input.float('rate')
  const batch = input.integer('batch')
  const tau = input.float('tau')
  const words = maps.filter((map) => map !== undefined)
  if (words.length !== maps.length || batch === 0) return REFUSED
  if (weights.length === 0) return { weights: [] }
  const net = flatNet(weights.length)
  net.weights.set(weights)
  return refusing(() => {
    // peerScale is 1 unless a task says otherwise (A10), and fl(q * 1) = q.
    net.applyPeers(words, quantum(rate, batch, tau))
    return { weights: [...net.weights.subarray(0, weights.length)] }
  })
}

export const split: Suite = (input) => {
  const { training, test } = splitSegments(
    input.hex('taskBlockHash', 32),
    input.hex('taskId', 32),
    input.integer('segments', 255),
    input.integer('testSegments', 255),
  )
  return { training: [...training], test: [...test] }
}

export const ring: Suite = (input) => {
  const { owner, capacity } = assignBatches(
    input.hex('taskId', 32),
    input.hexes('tickets', 32),
    input.hexes('batchHashes', 32),
    input.integer('epsilonBp'),
  )
  return { owner: [...owner], capacity }
}

interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

function readTensor(input: Input, where: string): Tensor {
  const data = input.floats('data')
  const found = input.raw('shape')
  if (!Array.isArray(found) || !found.every((size) => Number.isSafeInteger(size) && (size as number) > 0))
    throw new MalformedCase(`${where}.shape: expected sizes`)
  const shape = found as number[]
  if (shape.reduce((product, size) => product * size, 1) !== data.length) throw new MalformedCase(`${where}: shape and data disagree`)
  return { shape, data }
}

/**
 * Models in the layer language of `packages/primitives/src/model/spec.ts`; a model that begins with an embedding takes tokens.
 * `loss` is the mean over classes wanted, or over targets, and `grads` its gradient, unless the case says `reduction: "sum"` as the
 * protocol itself does inside (9.1 step 3); `steps` of the optimiser, written as in a task document, follow the same gradient.
 */
export const tensor: Suite = (input) => {
  const profile = input.text('profile') as TaskDocument['profile']
  const reduction = input.has('reduction') ? input.text('reduction') : 'mean'
  if (reduction !== 'mean' && reduction !== 'sum') throw new MalformedCase(`reduction ${reduction} is not implemented`)

  input.list('layers')
  const layers = input.raw('layers') as unknown as readonly LayerSpec[]
  const x = readTensor(input.object('x'), 'in.x')
  const rows = x.shape[0]!
  const first = layers[0]
  const tokens = first?.type === 'embedding' ? first.vocabulary : undefined
  const model = readModel(layers, x.shape, tokens, readLoss(input))
  const wanted = readWanted(input, model)
  const net = made('in', () => createNet(model, rows, { profile }))
  const given = input.object('params')
  for (const { name, shape, offset } of model.tensors) {
    const value = readTensor(given.object(name), `in.params.${name}`)
    if (value.shape.join() !== shape.join()) throw new MalformedCase(`in.params.${name}: expected shape ${shape.join(' x ')}`)
    net.weights.set(value.data, offset)
  }
  try {
    if (tokens === undefined) net.loadBatch(x.data, wanted, 1)
    else net.loadTokens(Int32Array.from(x.data), wanted)
  } catch (error) {
    if (error instanceof RangeError) return REFUSED
    throw error
  }

  // The mean squared error and Huber's loss of a row are means over its outputs already.
  const perRow = model.spec.loss.type === 'mean-squared-error' || model.spec.loss.type === 'huber'
  const share = reduction === 'sum' ? 1 : perRow ? rows : wanted.length
  const start = net.backward()
  const out = {
    output: [...net.logits()],
    loss: Math.fround(start.lossSum / share),
    grads: named((offset, size) => [...net.gradient.subarray(offset, offset + size)].map((value) => Math.fround(value / share))),
  }
  if (!input.has('steps')) return out
  const optimizer = input.object('optimizer')
  const spec = optimizerOf(optimizer)
  const rate = rateSpec(optimizer)
  const follow = made('in.optimizer', () => createProposer(spec, model.params, share))
  for (let step = 1; step <= input.integer('steps'); step++) {
    if (step > 1) net.backward()
    const change = follow(net.gradient, net.weights, rateOf(rate, step), step)
    for (const [i, moved] of change.entries()) net.weights[i] = net.weights[i]! + moved
  }
  return { ...out, params: named((offset, size) => [...net.weights.subarray(offset, offset + size)]) }

  function named(read: (offset: number, size: number) => Json): { [name: string]: Json } {
    return Object.fromEntries(model.tensors.map(({ name, offset, size }) => [name, read(offset, size)]))
  }
}

/** What a builder refuses is a malformed case. */
function made<T>(where: string, build: () => T): T {
  try {
    return build()
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new MalformedCase(`${where}: ${error.message}`)
    throw error
  }
}

function readModel(layers: readonly LayerSpec[], shape: readonly number[], vocabulary: number | undefined, loss: LossSpec): Model {
  const input =
    vocabulary === undefined
      ? ({ kind: 'features', shape: shape.slice(1) } as const)
      : ({ kind: 'tokens', length: shape[1] ?? 1, vocabulary } as const)
  return made('in.layers', () => defineModel({ input, layers, loss }))
}

const LOSSES = ['softmax-cross-entropy', 'binary-cross-entropy', 'mean-squared-error', 'huber'] as const

function readLoss(input: Input): LossSpec {
  const type = LOSSES.find((name) => name === input.text('loss'))
  if (!type) throw new MalformedCase(`in.loss: expected ${LOSSES.join(', ')}, received ${input.text('loss')}`)
  return type === 'huber' && input.has('delta') ? { type, delta: input.float('delta') } : { type }
}

/** The keys of a task document's optimiser, but for those of the rate and of dead reckoning. */
function optimizerOf(input: Input): OptimizerSpec {
  const apart = ['rate', 'warmup', 'schedule', 'tau', 'peerScale']
  const spec = Object.fromEntries(input.keys().flatMap((key) => (apart.includes(key) ? [] : [[key, input.raw(key)]])))
  return made('in', () => optimizerSchema(spec, 'optimizer'))
}

function rateSpec(input: Input): RateSpec {
  return {
    rate: input.float('rate'),
    warmup: input.has('warmup') ? input.integer('warmup') : 0,
    schedule: input.has('schedule') ? made('in', () => scheduleSchema(input.raw('schedule'), 'optimizer.schedule')) : undefined,
  }
}

function readWanted(input: Input, model: Model): Int32Array | Float32Array {
  const found = input.raw('y')
  const list = Array.isArray(found) ? found : (input.object('y').raw('data') as readonly Json[])
  const classes = model.spec.loss.type === 'softmax-cross-entropy'
  const fits = (value: Json) => typeof value === 'number' && (!classes || (Number.isInteger(value) && value >= 0 && value < 2 ** 31))
  if (!Array.isArray(list) || !list.every(fits)) throw new MalformedCase(`in.y: expected ${classes ? 'class labels' : 'numbers'}`)
  return classes ? Int32Array.from(list as number[]) : Float32Array.from(list as number[])
}
