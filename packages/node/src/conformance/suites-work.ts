import { bytesToHex, hexToBytes } from '@pouw/crypto'
import { encodeMap } from '@pouw/primitives'
import { nonceZero, precursor, tryBudget } from '@pouw/protocol'
import {
  assignBatches,
  createNet,
  defineModel,
  type LayerSpec,
  type Model,
  modelHash,
  type Net,
  openMap,
  quantum,
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
 * Models of profile `f32` in the layer language of `packages/primitives/src/model/spec.ts`; a model that begins with an embedding takes tokens.
 * `loss` is the mean over the rows of the output and `grads` its gradient, unless the case says `reduction: "sum"` as the
 * protocol itself does inside (9.1 step 3); `steps` of plain SGD follow the same gradient.
 */
export const tensor: Suite = (input) => {
  if (input.text('profile') !== 'f32') throw new MalformedCase(`profile ${input.text('profile')} is not implemented`)
  const loss = input.text('loss')
  if (loss !== 'softmax-cross-entropy') throw new MalformedCase(`loss ${loss} is not implemented`)
  const reduction = input.has('reduction') ? input.text('reduction') : 'mean'
  if (reduction !== 'mean' && reduction !== 'sum') throw new MalformedCase(`reduction ${reduction} is not implemented`)

  input.list('layers')
  const layers = input.raw('layers') as unknown as readonly LayerSpec[]
  const x = readTensor(input.object('x'), 'in.x')
  const rows = x.shape[0]!
  const first = layers[0]
  const tokens = first?.type === 'embedding' ? first.vocabulary : undefined
  const model = readModel(layers, x.shape, tokens)
  const labels = readLabels(input)
  const net = createNet(model, rows)
  const given = input.object('params')
  for (const { name, shape, offset } of model.tensors) {
    const value = readTensor(given.object(name), `in.params.${name}`)
    if (value.shape.join() !== shape.join()) throw new MalformedCase(`in.params.${name}: expected shape ${shape.join(' x ')}`)
    net.weights.set(value.data, offset)
  }
  try {
    if (tokens === undefined) net.loadBatch(x.data, labels, 1)
    else net.loadTokens(Int32Array.from(x.data), labels)
  } catch (error) {
    if (error instanceof RangeError) return REFUSED
    throw error
  }

  const share = reduction === 'mean' ? labels.length : 1
  const start = net.backward()
  const out = {
    output: [...net.logits()],
    loss: Math.fround(start.lossSum / share),
    grads: named((offset, size) => [...net.gradient.subarray(offset, offset + size)].map((value) => Math.fround(value / share))),
  }
  if (!input.has('steps')) return out
  const optimizer = input.object('optimizer')
  if (optimizer.text('type') !== 'sgd') throw new MalformedCase(`optimizer ${optimizer.text('type')} is not implemented`)
  if (optimizer.has('momentum') && optimizer.float('momentum') !== 0) throw new MalformedCase('momentum is not implemented')
  const rate = optimizer.float('rate')
  for (let step = 0; step < input.integer('steps'); step++) {
    if (step > 0) net.backward()
    net.weights.forEach((weight, i) => {
      net.weights[i] = weight - Math.fround(rate * Math.fround(net.gradient[i]! / share))
    })
  }
  return { ...out, params: named((offset, size) => [...net.weights.subarray(offset, offset + size)]) }

  function named(read: (offset: number, size: number) => Json): { [name: string]: Json } {
    return Object.fromEntries(model.tensors.map(({ name, offset, size }) => [name, read(offset, size)]))
  }
}

function readModel(layers: readonly LayerSpec[], shape: readonly number[], vocabulary: number | undefined): Model {
  const input =
    vocabulary === undefined
      ? ({ kind: 'features', shape: shape.slice(1) } as const)
      : ({ kind: 'tokens', length: shape[1] ?? 1, vocabulary } as const)
  try {
    return defineModel({ input, layers, loss: { type: 'softmax-cross-entropy' } })
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedCase(`in.layers: ${error.message}`)
    throw error
  }
}

function readLabels(input: Input): Int32Array {
  const found = input.raw('y')
  const list = Array.isArray(found) ? found : (input.object('y').raw('data') as readonly Json[])
  if (!Array.isArray(list) || !list.every((label) => Number.isInteger(label) && (label as number) >= 0 && (label as number) < 2 ** 31))
    throw new MalformedCase('in.y: expected class labels')
  return Int32Array.from(list as number[])
}
