import { sha256, shuffle, u32le, utf8 } from '@pouw/crypto'
import type { Model } from '../layers/model.ts'
import type { Net } from '../net/net.ts'

/** Samples in rows, and what is wanted of each. */
export interface TrainingData {
  /** Features `[rows, ...input shape]` of u8 or f32, or tokens i32 `[rows, length]`. */
  readonly inputs: Uint8Array | Float32Array | Int32Array
  /** A class for each row of the output, or f32 targets of the output's shape, as the loss asks. */
  readonly wanted: Uint8Array | Int32Array | Float32Array
  /** Multiplies each feature once, for instance 1 / 255. Default 1. */
  readonly scale?: number
}

/** A model's rows: how many numbers one takes and is answered with, and how many are wanted of it. */
export interface RowSizes {
  readonly input: number
  readonly output: number
  readonly wanted: number
  /** Rows of the loss in one sample: its tokens where each has a class, else 1. */
  readonly losses: number
}

export function rowSizes({ spec, declared }: Model): RowSizes {
  const size = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1)
  const output = size(declared.outputShape)
  const classes = spec.loss.type === 'softmax-cross-entropy'
  const wanted = classes ? output / declared.outputShape.at(-1)! : output
  return { input: size(declared.inputShape), output, wanted, losses: classes ? wanted : 1 }
}

/** Rows of some data. @throws RangeError "data: expected ..., received ..." if they do not fit the model */
export function countRows(model: Model, data: TrainingData, what = 'data'): number {
  const sizes = rowSizes(model)
  const tokens = model.spec.input.kind === 'tokens'
  if (tokens !== data.inputs instanceof Int32Array)
    throw new RangeError(`${what}: expected ${tokens ? 'tokens as Int32Array' : 'features as Uint8Array or Float32Array'}`)
  const rows = data.inputs.length / sizes.input
  if (!Number.isInteger(rows) || rows < 1)
    throw new RangeError(`${what}: expected rows of [${model.declared.inputShape}] = ${sizes.input} inputs, received ${data.inputs.length}`)
  const classes = model.spec.loss.type === 'softmax-cross-entropy'
  if (classes === data.wanted instanceof Float32Array)
    throw new RangeError(`${what}: expected ${classes ? 'classes as Uint8Array or Int32Array' : 'targets as Float32Array'}`)
  if (data.wanted.length !== rows * sizes.wanted)
    throw new RangeError(`${what}: expected ${rows} x ${sizes.wanted} ${classes ? 'classes' : 'targets'}, received ${data.wanted.length}`)
  return rows
}

/** Loads rows into a net, those that stand at `order[from]` up to `order[to - 1]`, or the rows themselves without an order. */
export function createLoader(net: Net, data: TrainingData): (order: readonly number[] | undefined, from: number, to: number) => void {
  const { input, wanted } = rowSizes(net.model)
  const inputs = data.inputs.slice(0, net.batch * input)
  const answers = data.wanted.slice(0, net.batch * wanted)
  return (order, from, to) => {
    for (let i = from; i < to; i++) {
      const row = order ? order[i]! : i
      inputs.set(data.inputs.subarray(row * input, (row + 1) * input), (i - from) * input)
      answers.set(data.wanted.subarray(row * wanted, (row + 1) * wanted), (i - from) * wanted)
    }
    const given = inputs.subarray(0, (to - from) * input)
    const asked = answers.subarray(0, (to - from) * wanted)
    if (given instanceof Int32Array) net.loadTokens(given, asked as Int32Array)
    else net.loadBatch(given, asked, data.scale ?? 1)
  }
}

/** The order of an epoch's rows: `shuffle` under SHA-256("POUW-TRAIN-ORDER" || u32 length of the seed || seed || u32 epoch). */
export function orderOf(seed: string, epoch: number, rows: number): number[] {
  return shuffle(rows, keyOf('POUW-TRAIN-ORDER', seed, epoch))
}

/** The key of a step's own random numbers (dropout): the first two little-endian u32 of SHA-256("POUW-TRAIN-STEP" || ... || u32 step). */
export function keyOfStep(seed: string, step: number): readonly [number, number] {
  const view = new DataView(keyOf('POUW-TRAIN-STEP', seed, step).buffer)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

function keyOf(tag: string, seed: string, number: number): Uint8Array<ArrayBuffer> {
  const bytes = utf8(seed)
  return Uint8Array.from(sha256(utf8(tag), u32le(bytes.length), bytes, u32le(number)))
}
