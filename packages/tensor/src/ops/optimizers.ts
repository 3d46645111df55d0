import { expectShape, floatBits, type Graph, type Op, sizeOf, type Value } from '../graph/graph.ts'

/**
 * Optimisers over the flat arrays of all parameters: from the gradient g and the weights w (read for decay only) the proposed change P, to be
 * added to the weights. What changes from step to step comes in `registers`, f32 [4]: rate, the two bias corrections of Adam, and the rate of
 * decoupled decay. State arrays are changed in place.
 *
 * All numbers given are rounded to binary32 once. First of all d = fl(g scale), then, where decay is not 0 (and for Adam not apart), d = fl(d + fl(decay w)).
 */
interface Common {
  /** Multiplies the gradient; 1 leaves its bits. */
  readonly scale: number
  readonly decay: number
}
type CommonAttributes = { readonly scale: number; readonly decay: number }

export const registerCount = 4

/** Inputs: g, w, registers, then the state arrays. */
function optimizer<A extends CommonAttributes>(
  name: string,
  code: number,
  states: number,
  own: (attributes: A) => readonly number[],
): Op<A> {
  return {
    name,
    code,
    infer([g, w, registers, ...arrays], attributes) {
      for (const [key, value] of Object.entries(attributes))
        if (!Number.isFinite(Math.fround(value as number)))
          throw new RangeError(`${name}: expected a number that binary32 holds for ${key}, received ${value}`)
      expectShape(`${name}: registers`, registers!, [registerCount])
      if (arrays.length !== states) throw new RangeError(`${name}: expected ${states} state arrays, received ${arrays.length}`)
      for (const array of [w!, ...arrays]) expectShape(`${name}: ${array.name}`, array, g!.shape)
      return [{ shape: g!.shape }]
    },
    words({ inputs: [g, w, registers, ...arrays], outputs: [p], attributes }, { at }) {
      // Rounded before anything is taken from them: 1 - beta is that of the beta the kernel multiplies with, or the mean would be off.
      const rounded = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, Math.fround(value)])) as A
      const { scale, decay } = rounded
      const places = [g!, w!, p!, registers!].map(at)
      return [sizeOf(g!.shape), ...places, floatBits(scale), floatBits(decay), ...arrays.map(at), ...own(rounded).map(floatBits)]
    },
    inPlace: [[0, 0]],
    ...(states > 0 && { writes: Array.from({ length: states }, (_, i) => 3 + i) }),
  }
}

type Momentum = CommonAttributes & { readonly momentum: number }
type RmsProp = CommonAttributes & { readonly rho: number; readonly epsilon: number }
type Adam = CommonAttributes & { readonly beta1: number; readonly beta2: number; readonly epsilon: number }

const adamWords = ({ beta1, beta2, epsilon }: Adam) => [beta1, 1 - beta1, beta2, 1 - beta2, epsilon]

export const sgdOp = optimizer<CommonAttributes>('sgd', 0x705, 0, () => [])
export const momentumOp = optimizer<Momentum>('momentum', 0x706, 1, ({ momentum: mu }) => [mu])
export const nesterovOp = optimizer<Momentum>('nesterov', 0x707, 1, ({ momentum: mu }) => [mu])
export const rmspropOp = optimizer<RmsProp>('rmsprop', 0x708, 1, ({ rho, epsilon }) => [rho, 1 - rho, epsilon])
export const adamOp = optimizer<Adam>('adam', 0x709, 2, adamWords)
export const adamwOp = optimizer<Adam>('adamw', 0x70a, 2, adamWords)

/** What every optimiser reads: flat f32 arrays of one shape, and the registers of the step. */
export interface Steps {
  readonly gradient: Value
  readonly weights: Value
  readonly registers: Value
}

/** P = -fl(rate d) */
export function sgd(graph: Graph, { gradient, weights, registers }: Steps, { scale, decay }: Common): Value {
  return graph.one(sgdOp, [gradient, weights, registers], { scale, decay })
}

export interface MomentumOptions extends Common {
  readonly momentum: number
}

/** v = fl(fl(mu v) + d); P = -fl(rate v) */
export function momentum(graph: Graph, { gradient, weights, registers }: Steps, velocity: Value, options: MomentumOptions): Value {
  return graph.one(momentumOp, [gradient, weights, registers, velocity], { ...options })
}

/** v = fl(fl(mu v) + d); P = -fl(rate fl(d + fl(mu v))) */
export function nesterov(graph: Graph, { gradient, weights, registers }: Steps, velocity: Value, options: MomentumOptions): Value {
  return graph.one(nesterovOp, [gradient, weights, registers, velocity], { ...options })
}

export interface RmsPropOptions extends Common {
  readonly rho: number
  readonly epsilon: number
}

/** s = fl(fl(rho s) + fl(fl(1 - rho) fl(d d))); P = -fl(rate fl(d / fl(fl(sqrt s) + epsilon))) */
export function rmsprop(graph: Graph, { gradient, weights, registers }: Steps, squares: Value, options: RmsPropOptions): Value {
  return graph.one(rmspropOp, [gradient, weights, registers, squares], { ...options })
}

export interface AdamOptions extends Common {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
}

/** The running means of Adam. */
export interface Moments {
  readonly first: Value
  readonly second: Value
}

/**
 * m = fl(fl(b1 m) + fl(fl(1 - b1) d)); v = fl(fl(b2 v) + fl(fl(1 - b2) fl(d d)));
 * P = -fl(rate fl(fl(m k1) / fl(fl(sqrt(fl(v k2))) + epsilon))), k1 and k2 from the registers.
 */
export function adam(graph: Graph, { gradient, weights, registers }: Steps, moments: Moments, options: AdamOptions): Value {
  return graph.one(adamOp, [gradient, weights, registers, moments.first, moments.second], { ...options })
}

/** Adam on d = fl(g scale); where decay is not 0, P = -fl(a + fl(r w)) with Adam's change a and r, the last register. */
export function adamw(graph: Graph, { gradient, weights, registers }: Steps, moments: Moments, options: AdamOptions): Value {
  return graph.one(adamwOp, [gradient, weights, registers, moments.first, moments.second], { ...options })
}
