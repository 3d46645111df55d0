/** How the weights follow the gradient: what changes them, and at what rate. */

/** Bounds the mean gradient of a step: its L2 norm over all parameters, or each number. */
export type ClipSpec = { readonly type: 'norm' | 'value'; readonly max: number }

/** What is not given has the default that stands beside it. */
export type OptimizerSpec = {
  /** L2 decay, added to the gradient; of `adamw` decoupled from it. Default 0. */
  readonly weightDecay?: number | undefined
  readonly clip?: ClipSpec | undefined
} & (
  | { readonly type: 'sgd' }
  /** Default 0.9. */
  | { readonly type: 'momentum' | 'nesterov'; readonly momentum?: number | undefined }
  /** Defaults 0.99 and 1e-8. */
  | { readonly type: 'rmsprop'; readonly rho?: number | undefined; readonly epsilon?: number | undefined }
  /** Defaults 0.9, 0.999 and 1e-8. */
  | {
      readonly type: 'adam' | 'adamw'
      readonly beta1?: number | undefined
      readonly beta2?: number | undefined
      readonly epsilon?: number | undefined
    }
)

/** The rate of a step, counted from 1, as a factor on the full rate; a linear warm-up multiplies it further. */
export type ScheduleSpec =
  | { readonly type: 'constant' }
  /** factor^floor((step - 1) / every) */
  | { readonly type: 'step'; readonly every: number; readonly factor: number }
  /** From 1 along half a cosine to `final` (default 0) at step `steps`, and `final` from there on. */
  | { readonly type: 'cosine'; readonly steps: number; readonly final?: number | undefined }

/** Arrays of one number a parameter that an optimiser keeps from step to step. */
export const REGISTERS: Readonly<Record<OptimizerSpec['type'], number>> = {
  sgd: 0,
  momentum: 1,
  nesterov: 1,
  rmsprop: 1,
  adam: 2,
  adamw: 2,
}
