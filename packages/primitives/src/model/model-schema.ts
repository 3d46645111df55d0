import { binary32, type Check, either, integer, list, literal, object, optional, text, truth, variant } from '../schema.ts'
import type { ClipSpec, OptimizerSpec, ScheduleSpec } from './optimizer.ts'
import type { Activation, InitializerSpec, LayerSpec, Pair } from './spec.ts'

// Keys and ranges of the layer language as canonical documents hold it. Whether layers fit each other is `declareModel`'s business.

const extent = integer(1, 2 ** 24)
const id = text(1, 64)
const pair: Check<Pair> = either('one whole number or two', integer(0, 65_535), list(integer(0, 65_535), 2, 2) as unknown as Check<Pair>)
const padding = either('same, valid, or whole numbers', literal('same', 'valid'), pair)
const activation: Check<Activation> = literal('identity', 'relu', 'leaky-relu', 'gelu', 'silu', 'tanh', 'sigmoid', 'softmax')
const small = binary32(1e-12, 1)
const fraction = binary32(0, 1)

const positive = binary32(1e-12, 1e6)
const factor = optional(literal('in', 'out', 'average'))
const named = (name: InitializerSpec['name'], own: Record<string, Check<unknown>> = {}): readonly [string, Check<InitializerSpec>] => [
  name,
  object<Record<string, unknown>>({ name: literal(name), ...own }) as unknown as Check<InitializerSpec>,
]
const initializers: { readonly [name: string]: Check<InitializerSpec> } = Object.fromEntries([
  named('zero'),
  named('one'),
  named('bilinear'),
  named('constant', { value: binary32(-1e6, 1e6) }),
  named('uniform', { scale: optional(positive) }),
  named('normal', { sigma: optional(positive) }),
  named('orthogonal', { scale: optional(positive) }),
  named('xavier', { magnitude: optional(positive), factor, distribution: optional(literal('uniform', 'normal')) }),
  named('msra-prelu', { slope: optional(binary32(0, 1e6)), factor }),
  named('lstm-bias', { forget: optional(binary32(-1e6, 1e6)) }),
])
const init: Check<InitializerSpec> = (value, path) => {
  const name = (value as { name?: unknown } | null)?.name
  if (typeof name !== 'string' || !Object.hasOwn(initializers, name))
    throw new TypeError(`${path}.name: expected one of ${Object.keys(initializers).join(', ')}, received ${String(name)}`)
  return initializers[name]!(value, path)
}

const common = { init: optional(init), biasInit: optional(init), id, inputs: optional(list(id, 1, 64)), segment: optional(id) }
const biased = { bias: optional(truth), activation: optional(activation) }

/** A layer with these keys beside those that every layer has. */
const one = (type: LayerSpec['type'], own: Record<string, Check<unknown>> = {}): Check<LayerSpec> =>
  object<Record<string, unknown>>({
    ...common,
    type: type === 'dense' ? optional(literal(type)) : literal(type!),
    ...own,
  }) as unknown as Check<LayerSpec>

const pool = { kernel: pair, stride: optional(pair), padding: optional(pair) }
const epsilon = { epsilon: optional(small) }

export const layerSchema: Check<LayerSpec> = variant<LayerSpec>(
  Object.fromEntries([
    ...(
      [
        ['dense', { nodes: extent, tied: optional(id), ...biased }],
        [
          'conv2d',
          {
            filters: extent,
            kernel: pair,
            stride: optional(pair),
            padding: optional(padding),
            dilation: optional(pair),
            groups: optional(extent),
            ...biased,
          },
        ],
        ['max-pool', pool],
        ['average-pool', pool],
        ['batch-norm', { ...epsilon, momentum: optional(fraction) }],
        ['layer-norm', epsilon],
        ['instance-norm', epsilon],
        ['rms-norm', epsilon],
        ['group-norm', { groups: extent, ...epsilon }],
        ['dropout', { rate: fraction }],
        ['embedding', { vocabulary: extent, width: extent }],
        ['position', { kind: optional(literal('learned', 'sinusoidal')) }],
        ['slice', { axis: integer(0, 7), start: integer(0, 2 ** 24), end: extent }],
        ['attention', { heads: extent, causal: optional(truth), bias: optional(truth) }],
        ['concat', { axis: integer(0, 7) }],
        ['reshape', { shape: list(extent, 1, 8) }],
        ['transpose', { order: list(integer(0, 7), 1, 8) }],
        ['leaky-relu', { slope: optional(fraction) }],
      ] as const
    ).map(([type, own]) => [type, one(type, own)]),
    ...(
      [
        'global-average-pool',
        'global-max-pool',
        'class-token',
        'add',
        'multiply',
        'flatten',
        'relu',
        'gelu',
        'silu',
        'tanh',
        'sigmoid',
        'softmax',
      ] as const
    ).map((type) => [type, one(type)]),
  ]),
  'dense',
)

const clip: Check<ClipSpec> = object<ClipSpec>({ type: literal('norm', 'value'), max: binary32(1e-12, 1e12) })
const decay = { weightDecay: optional(fraction), clip: optional(clip) }
const betas = { beta1: optional(binary32(0, 0.9999)), beta2: optional(binary32(0, 0.999999)), ...epsilon }

/** The keys of each optimiser, for a map that has others beside them. */
export const optimizerKeys: { readonly [type in OptimizerSpec['type']]: Record<string, Check<unknown>> } = {
  sgd: decay,
  momentum: { ...decay, momentum: optional(binary32(0, 0.9999)) },
  nesterov: { ...decay, momentum: optional(binary32(0, 0.9999)) },
  rmsprop: { ...decay, rho: optional(binary32(0, 0.999999)), ...epsilon },
  adam: { ...decay, ...betas },
  adamw: { ...decay, ...betas },
}

/** An optimiser by itself. */
export const optimizerSchema: Check<OptimizerSpec> = variant<OptimizerSpec>(
  Object.fromEntries(
    Object.entries(optimizerKeys).map(([type, keys]) => [
      type,
      object<Record<string, unknown>>({ type: literal(type), ...keys }) as unknown as Check<OptimizerSpec>,
    ]),
  ),
)

export const scheduleSchema: Check<ScheduleSpec> = variant<ScheduleSpec>({
  constant: object<{ type: 'constant' }>({ type: literal('constant') }),
  step: object<{ type: 'step'; every: number; factor: number }>({
    type: literal('step'),
    every: integer(1, 2 ** 24),
    factor: fraction,
  }),
  cosine: object<{ type: 'cosine'; steps: number; final?: number | undefined }>({
    type: literal('cosine'),
    steps: integer(1, 2 ** 24),
    final: optional(fraction),
  }),
})
