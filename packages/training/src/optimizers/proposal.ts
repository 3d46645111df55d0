import { type OptimizerSpec, REGISTERS } from '@pouw/primitives'
import {
  adam,
  adamw,
  clipByNorm,
  clipByValue,
  createExecutable,
  createGraph,
  type Graph,
  meanGradient,
  momentum,
  nesterov,
  rmsprop,
  type Steps,
  sgd,
  type Value,
} from '@pouw/tensor'

/** Whether dead reckoning takes the gradient itself: plain SGD, without decay and clipping. Other optimisers propose a change of the weights (A5). */
export function isPlain(spec: OptimizerSpec): boolean {
  return spec.type === 'sgd' && (spec.weightDecay ?? 0) === 0 && spec.clip === undefined
}

/** The graph of one proposal: flat arrays of all parameters, and the registers of the step. */
export interface Proposal {
  readonly graph: Graph
  /** f32 [params]: the gradient of the SUM loss, and the weights. */
  readonly gradient: Value
  readonly weights: Value
  /** f32 [4], see `stepRegisters`. */
  readonly registers: Value
  /** What the optimiser keeps, f32 [params] each. */
  readonly kept: readonly Value[]
  /** f32 [params]: the change to be added to the weights. */
  readonly change: Value
}

/**
 * From the gradient of the sum over `rows` samples to the proposed change: the mean, clipped, through the optimiser
 * (docs/arithmetic/optimizers.md).
 *
 * @throws RangeError for a number out of range
 */
export function buildProposal(spec: OptimizerSpec, params: number, rows: number): Proposal {
  const graph = createGraph()
  const gradient = graph.input('gradient', [params])
  const weights = graph.parameter('weights', [params])
  const registers = graph.input('registers', [4])
  const kept = Array.from({ length: REGISTERS[spec.type] }, (_, i) => graph.state(`kept ${i}`, [params]))
  const scale = spec.clip ? 1 : Math.fround(1 / rows)
  const steps: Steps = { gradient: clipped(graph, spec, gradient, rows), weights, registers }
  return { graph, gradient, weights, registers, kept, change: change(graph, spec, steps, kept, scale) }
}

function clipped(graph: Graph, { clip }: OptimizerSpec, gradient: Value, rows: number): Value {
  if (!clip) return gradient
  const mean = meanGradient(graph, gradient, rows)
  return clip.type === 'norm' ? clipByNorm(graph, mean, { max: clip.max }) : clipByValue(graph, mean, { max: clip.max })
}

function change(graph: Graph, spec: OptimizerSpec, steps: Steps, kept: readonly Value[], scale: number): Value {
  const common = { scale, decay: spec.weightDecay ?? 0 }
  switch (spec.type) {
    case 'sgd':
      return sgd(graph, steps, common)
    case 'momentum':
    case 'nesterov':
      return (spec.type === 'momentum' ? momentum : nesterov)(graph, steps, kept[0]!, { ...common, momentum: spec.momentum ?? 0.9 })
    case 'rmsprop':
      return rmsprop(graph, steps, kept[0]!, { ...common, rho: spec.rho ?? 0.99, epsilon: spec.epsilon ?? 1e-8 })
    case 'adam':
    case 'adamw': {
      const options = { ...common, beta1: spec.beta1 ?? 0.9, beta2: spec.beta2 ?? 0.999, epsilon: spec.epsilon ?? 1e-8 }
      return (spec.type === 'adam' ? adam : adamw)(graph, steps, { first: kept[0]!, second: kept[1]! }, options)
    }
    default:
      throw new RangeError(`optimizer: expected ${Object.keys(REGISTERS).join(', ')}, received ${String((spec as { type: unknown }).type)}`)
  }
}

/** An optimiser by itself, outside of a net: from a gradient of the sum over `rows` and the weights, both `[params]`, to the change. */
export function createProposer(
  spec: OptimizerSpec,
  params: number,
  rows: number,
): (gradient: Float32Array, weights: Float32Array, rate: number, step: number) => Float32Array {
  const { graph, change, ...values } = buildProposal(spec, params, rows)
  const executable = createExecutable(graph, { keep: [change] })
  return (gradient, weights, rate, step) => {
    executable.f32(values.gradient).set(gradient)
    executable.f32(values.weights).set(weights)
    executable.f32(values.registers).set(stepRegisters(spec, rate, step))
    executable.run()
    return executable.f32(change).slice()
  }
}

/**
 * Registers of step t, counted from 1: rate, Adam's corrections fl(1 / (1 - b^t)) of both betas, and fl(rate * decay) of decoupled decay. Powers are
 * taken in binary64 by `power`; optimisers that need no register get 0 there.
 */
export function stepRegisters(spec: OptimizerSpec, rate: number, step: number): readonly [number, number, number, number] {
  const full = Math.fround(rate)
  if (spec.type !== 'adam' && spec.type !== 'adamw') return [full, 0, 0, 0]
  const correction = (beta: number) => Math.fround(1 / (1 - power(Math.fround(beta), step)))
  return [
    full,
    correction(spec.beta1 ?? 0.9),
    correction(spec.beta2 ?? 0.999),
    spec.type === 'adamw' ? Math.fround(full * Math.fround(spec.weightDecay ?? 0)) : 0,
  ]
}

/** base^exponent for a whole exponent >= 0, binary64: squares from the lowest bit up, one rounding a product. */
export function power(base: number, exponent: number): number {
  let result = 1
  let square = base
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square
    square *= square
  }
  return result
}
