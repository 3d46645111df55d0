import { type Activation, declareModel, type LayerSpec, type ModelSpec } from '@pouw/primitives'

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === 'string'
const truth: Check = (value) => typeof value === 'boolean'
const number: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const whole: Check = (value) => Number.isSafeInteger(value)
const many =
  (one: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(one)
const pair: Check = (value) => whole(value) || (many(whole)(value) && (value as unknown[]).length === 2)
const oneOf =
  (...known: readonly unknown[]): Check =>
  (value) =>
    known.includes(value)

const activations: readonly Activation[] = ['identity', 'relu', 'leaky-relu', 'gelu', 'silu', 'tanh', 'sigmoid', 'softmax']

/** Texts and numbers by name; which ones, an initialiser says when it draws. */
const initializer: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  'name' in value &&
  text(value.name) &&
  Object.values(value).every((one) => text(one) || number(one))

/** A key means the same in every type of layer that has it. */
const KEYS = {
  id: text,
  type: text,
  inputs: many(text),
  segment: text,
  nodes: whole,
  bias: truth,
  activation: oneOf(...activations),
  tied: text,
  filters: whole,
  kernel: pair,
  stride: pair,
  dilation: pair,
  padding: (value) => value === 'same' || value === 'valid' || pair(value),
  groups: whole,
  epsilon: number,
  momentum: number,
  rate: number,
  vocabulary: whole,
  width: whole,
  kind: oneOf('learned', 'sinusoidal'),
  axis: whole,
  start: whole,
  end: whole,
  heads: whole,
  causal: truth,
  shape: many(whole),
  order: many(whole),
  slope: number,
  init: initializer,
  biasInit: initializer,
} satisfies Record<string, Check>

const common = ['id', 'type', 'inputs', 'segment', 'init', 'biasInit']
const epsilon = ['epsilon?']
/** Keys of each type; those with a question mark may be left out. */
const LAYERS: Readonly<Record<LayerSpec['type'] & string, readonly string[]>> = {
  dense: ['nodes', 'bias?', 'activation?', 'tied?'],
  conv2d: ['filters', 'kernel', 'stride?', 'padding?', 'dilation?', 'groups?', 'bias?', 'activation?'],
  'max-pool': ['kernel', 'stride?', 'padding?'],
  'average-pool': ['kernel', 'stride?', 'padding?'],
  'global-average-pool': [],
  'global-max-pool': [],
  'batch-norm': ['epsilon?', 'momentum?'],
  'layer-norm': epsilon,
  'instance-norm': epsilon,
  'rms-norm': epsilon,
  'group-norm': ['groups', 'epsilon?'],
  dropout: ['rate'],
  embedding: ['vocabulary', 'width'],
  position: ['kind?'],
  'class-token': [],
  slice: ['axis', 'start', 'end'],
  attention: ['heads', 'causal?', 'bias?'],
  add: [],
  multiply: [],
  concat: ['axis'],
  reshape: ['shape'],
  flatten: [],
  transpose: ['order'],
  relu: [],
  gelu: [],
  silu: [],
  tanh: [],
  sigmoid: [],
  softmax: [],
  'leaky-relu': ['slope?'],
}

/** A spec as JSON. @throws as `readSpec`, or if it is none */
export function parseSpec(json: string): ModelSpec {
  let plain: unknown
  try {
    plain = JSON.parse(json)
  } catch {
    throw new RangeError('model: expected JSON')
  }
  return readSpec(plain)
}

/** A spec of untrusted origin, such as a file. @throws RangeError that names the layer and the key that is missing, unknown or of another kind */
function readSpec(plain: unknown): ModelSpec {
  const { input, layers, loss } = mapOf('model', plain, ['input', 'layers', 'loss'])
  const { kind } = mapOf('input', input)
  if (kind === 'tokens') keys('input', input, { kind: text, length: whole, vocabulary: whole })
  else if (kind === 'features') keys('input', input, { kind: text, shape: many(whole) })
  else throw new RangeError(`input: expected kind features or tokens, received ${shown(kind)}`)
  const { type } = mapOf('loss', loss)
  if (!['softmax-cross-entropy', 'binary-cross-entropy', 'mean-squared-error', 'huber'].includes(type as string))
    throw new RangeError(`loss: expected a known type, received ${shown(type)}`)
  keys('loss', loss, { type: text, 'delta?': (value) => type === 'huber' && number(value) })
  if (!Array.isArray(layers)) throw new RangeError(`layers: expected a list, received ${shown(layers)}`)
  for (const [position, layer] of layers.entries()) {
    const { id, type: named = 'dense' } = mapOf(`layer ${position}`, layer)
    const title = `layer ${typeof id === 'string' ? id : position}`
    if (typeof named !== 'string' || !Object.hasOwn(LAYERS, named))
      throw new RangeError(`${title}: expected a known type of layer, received ${shown(named)}`)
    const own = [...LAYERS[named as keyof typeof LAYERS], ...common.map((key) => (key === 'id' ? key : `${key}?`))]
    keys(title, layer, Object.fromEntries(own.map((key) => [key, KEYS[key.replace('?', '') as keyof typeof KEYS]])))
  }
  const spec = plain as ModelSpec
  declareModel(spec)
  return spec
}

function keys(title: string, plain: unknown, checks: Readonly<Record<string, Check>>): void {
  const map = mapOf(title, plain)
  for (const key of Object.keys(map))
    if (!Object.hasOwn(checks, key) && !Object.hasOwn(checks, `${key}?`)) throw new RangeError(`${title}: expected no key ${shown(key)}`)
  for (const [written, check] of Object.entries(checks)) {
    const key = written.replace('?', '')
    if (key !== written && map[key] === undefined) continue
    if (!check(map[key])) throw new RangeError(`${title}: ${key}: expected another value, received ${shown(map[key])}`)
  }
}

function mapOf(title: string, plain: unknown, wanted: readonly string[] = []): Readonly<Record<string, unknown>> {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain))
    throw new RangeError(`${title}: expected a map, received ${shown(plain)}`)
  const map = plain as Readonly<Record<string, unknown>>
  if (wanted.length > 0 && (Object.keys(map).length !== wanted.length || wanted.some((key) => !Object.hasOwn(map, key))))
    throw new RangeError(`${title}: expected the keys ${wanted.join(', ')}`)
  return map
}

/** A value for a message: short, and never another failure. */
function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'a map or list' : String(value).slice(0, 60)
}
