import type { InitializerSpec, LayerSpec, Tensor } from '@pouw/primitives'
import { createBackend, createXavier } from '@pouw/tensor'
import { philoxBlock } from '../philox.ts'
import type { Model } from './model.ts'

/**
 * The weights that a model starts from, flat f32 `[params]` (docs/arithmetic/initializers.md): each tensor by its layer's `init` (vectors called `bias` by
 * `biasInit`), and Xavier's with `magnitude` where the layer names none; then scales of normalisations are 1 and biases 0.
 *
 * @param seedHash 32 bytes, of which the first eight are the key
 * @throws RangeError for a magnitude out of range, or an initialiser that does not fit its tensor, by the layer's name
 */
export function drawWeights(model: Model, seedHash: Uint8Array, magnitude: number): Float32Array {
  const weights = createXavier(model)(seedHash, magnitude)
  const view = new DataView(seedHash.buffer, seedHash.byteOffset, 8)
  const key = [view.getUint32(0, true), view.getUint32(4, true)] as const
  let number = 0
  for (const { layer, parameters } of model.declared.layers) {
    for (const tensor of parameters) {
      const init = initOf(layer, tensor)
      if (init) {
        try {
          initialize(weights.subarray(tensor.offset, tensor.offset + tensor.size), tensor.shape, init, sourceOf(key, number))
        } catch (error) {
          if (error instanceof RangeError) throw new RangeError(`layer ${layer.id}: ${error.message}`)
          throw error
        }
      }
      number++
    }
  }
  return weights
}

function initOf(layer: LayerSpec, { name, shape }: Tensor): InitializerSpec | undefined {
  if (name.endsWith('bias')) return layer.biasInit
  return shape.length > 1 ? layer.init : undefined
}

/** The random numbers of one tensor. */
interface Source {
  /** Number i, uniform in [0, 1): the upper 24 bits of word i of the tensor's stream. */
  uniform(i: number): number
  /** Number i, normal with mean 0 and variance 1. */
  normal(i: number): number
}

/** Initialises one tensor in place, row major. */
function initialize(to: Float32Array, shape: readonly number[], init: InitializerSpec, source: Source): void {
  const fill = (number: (i: number) => number) => {
    for (let i = 0; i < to.length; i++) to[i] = number(i)
  }
  switch (init.name) {
    case 'zero':
      return fill(() => 0)
    case 'one':
      return fill(() => 1)
    case 'constant':
      return fill(() => init.value)
    case 'uniform': {
      const scale = Math.fround(init.scale ?? 0.07)
      return fill((i) => (2 * source.uniform(i) - 1) * scale)
    }
    case 'normal': {
      const sigma = Math.fround(init.sigma ?? 0.01)
      return fill((i) => source.normal(i) * sigma)
    }
    case 'xavier':
    case 'msra-prelu': {
      const slope = Math.fround((init.name === 'msra-prelu' ? init.slope : undefined) ?? 0.25)
      const magnitude = init.name === 'xavier' ? Math.fround(init.magnitude ?? 3) : Math.fround(2 / (1 + slope * slope))
      const scale = Math.fround(Math.sqrt(magnitude / fans(shape, init.factor ?? 'average')))
      const normal = init.name === 'msra-prelu' || init.distribution === 'normal'
      return fill(normal ? (i) => source.normal(i) * scale : (i) => (2 * source.uniform(i) - 1) * scale)
    }
    case 'orthogonal':
      return orthogonal(to, shape, Math.fround(init.scale ?? 1414 / 1000), source)
    case 'bilinear': {
      if (shape.length < 2) throw new RangeError(`bilinear: expected a kernel, received shape [${shape}]`)
      const [height, width] = [shape.at(-2)!, shape.at(-1)!]
      const f = Math.ceil(width / 2)
      const c = (2 * f - 1 - (f % 2)) / (2 * f)
      return fill((i) => (1 - Math.abs((i % width) / f - c)) * (1 - Math.abs((Math.floor(i / width) % height) / f - c)))
    }
    case 'lstm-bias': {
      if (shape.length !== 1 || to.length % 4 !== 0) throw new RangeError(`lstm-bias: expected a vector of four gates, received [${shape}]`)
      const hidden = to.length / 4
      return fill((i) => (i >= hidden && i < 2 * hidden ? (init.forget ?? 1) : 0))
    }
    default:
      throw new RangeError(`init: expected a known initialiser, received ${String((init as { name: unknown }).name)}`)
  }
}

/** Numbers that one output reads, that read one input, or their mean. */
function fans(shape: readonly number[], factor: 'in' | 'out' | 'average'): number {
  const window = shape.slice(2).reduce((size, extent) => size * extent, 1)
  const [out, into] = [shape[0]! * window, (shape[1] ?? 1) * window]
  return factor === 'in' ? into : factor === 'out' ? out : (into + out) / 2
}

/**
 * Rows (or columns, if they are fewer) of length `scale` at right angles: normal numbers, made orthogonal to the rows before, twice, one after the other in
 * binary64 (modified Gram-Schmidt), then rounded.
 */
function orthogonal(to: Float32Array, shape: readonly number[], scale: number, { normal }: Source): void {
  if (shape.length < 2) throw new RangeError(`orthogonal: expected a matrix, received shape [${shape}]`)
  const rows = shape[0]!
  const columns = to.length / rows
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows]
  const vectors: Float64Array[] = []
  for (let v = 0; v < count; v++) {
    const vector = Float64Array.from({ length }, (_, i) => normal(v * length + i))
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const part = dot(vector, other)
        for (let i = 0; i < length; i++) vector[i] = vector[i]! - part * other[i]!
      }
    }
    const norm = Math.sqrt(dot(vector, vector))
    vectors.push(vector.map((x) => x / norm))
  }
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      to[row * columns + column] = (rows <= columns ? vectors[row]![column]! : vectors[column]![row]!) * scale
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/**
 * Uniform number i is word i mod 4 of Philox4x32-10 at counter (i div 4, 0, tensor, 0); normal ones come in pairs by Marsaglia's polar method from counters
 * (pair, attempt, tensor, 2): u = 2 w0 2^-32 - 1, v likewise, s = u u + v v, again with the next attempt unless 0 < s < 1; then m = sqrt(-2 log(s) / s) with the binary32
 * logarithm of s rounded, and the pair is u m, v m.
 */
function sourceOf([k0, k1]: readonly [number, number], tensor: number): Source {
  const words = new Uint32Array(4)
  const { memory, kernels } = createBackend('wasm', 65536)
  const place = new Float32Array(memory, 32768, 4)
  let [known, first, second] = [-1, 0, 0]
  return {
    uniform(i) {
      philoxBlock(Math.floor(i / 4), 0, tensor, 0, k0, k1, words, 0)
      return (words[i % 4]! >>> 8) / 16777216
    },
    normal(i) {
      const pair = Math.floor(i / 2)
      for (let attempt = 0; known !== pair; attempt++) {
        philoxBlock(pair, attempt, tensor, 2, k0, k1, words, 0)
        const [u, v] = [words[0]! / 2147483648 - 1, words[1]! / 2147483648 - 1]
        const s = u * u + v * v
        if (!(s > 0 && Math.fround(s) < 1)) continue
        place[0] = s
        kernels.logArray(32768, 32768, 1)
        const m = Math.sqrt((-2 * place[0]!) / s)
        ;[known, first, second] = [pair, u * m, v * m]
      }
      return i % 2 === 0 ? first : second
    },
  }
}
