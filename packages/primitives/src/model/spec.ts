/**
 * What a model is, as people and task documents write it: an input, layers by id, a loss.
 *
 * A layer works on the layer before it unless `inputs` names others (ids, or `input` for the model's own), so a list of layers is a
 * graph. Images are NCHW, sequences [batch, time, width]; shapes below leave the batch out. Parameters are named `<id>.weight`, `<id>.bias`.
 */
export interface ModelSpec {
  readonly input: InputSpec
  readonly layers: readonly LayerSpec[]
  readonly loss: LossSpec
}

export type InputSpec =
  | { readonly kind: 'features'; readonly shape: readonly number[] }
  /** A sequence of `length` numbers below `vocabulary`. */
  | { readonly kind: 'tokens'; readonly length: number; readonly vocabulary: number }

export type LossSpec =
  /** Labels: one class a row; a row is a sample, or a token of a sequence. */
  | { readonly type: 'softmax-cross-entropy' }
  /** Targets: one number an output, 0 to 1, against logits. */
  | { readonly type: 'binary-cross-entropy' }
  | { readonly type: 'mean-squared-error' }
  | { readonly type: 'huber'; readonly delta?: number }

export type Activation = 'identity' | 'relu' | 'leaky-relu' | 'gelu' | 'silu' | 'tanh' | 'sigmoid' | 'softmax'

/** docs/arithmetic/initializers.md */
export type InitializerSpec =
  | { readonly name: 'zero' | 'one' | 'bilinear' }
  | { readonly name: 'constant'; readonly value: number }
  /** Default 0.07. */
  | { readonly name: 'uniform'; readonly scale?: number }
  /** Default 0.01. */
  | { readonly name: 'normal'; readonly sigma?: number }
  /** Default 1.414. */
  | { readonly name: 'orthogonal'; readonly scale?: number }
  /** Defaults 3, average and uniform. */
  | {
      readonly name: 'xavier'
      readonly magnitude?: number
      readonly factor?: 'in' | 'out' | 'average'
      readonly distribution?: 'uniform' | 'normal'
    }
  /** He et al. 2015, normal. Defaults 0.25 and average. */
  | { readonly name: 'msra-prelu'; readonly slope?: number; readonly factor?: 'in' | 'out' | 'average' }
  /** Default 1. */
  | { readonly name: 'lstm-bias'; readonly forget?: number }

interface Common {
  readonly id: string
  /** Ids of earlier layers, or `input`. Default: the layer before. */
  readonly inputs?: readonly string[]
  /** What its weights start from, vectors apart. Default: Xavier's, with the task's or run's magnitude. */
  readonly init?: InitializerSpec
  /** What its bias starts from. Default 0. */
  readonly biasInit?: InitializerSpec
  /** Layers of one segment are computed again on the way back where a task asks for checkpointing. */
  readonly segment?: string
}

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number]

export type LayerSpec = Common &
  (
    | {
        /** y = activation(x Wᵀ + b) over the last axis; weight [nodes, inputs]. The default type. */
        readonly type?: 'dense'
        readonly nodes: number
        readonly bias?: boolean
        readonly activation?: Activation
        /** Id of an embedding whose table is this layer's weight. */
        readonly tied?: string
      }
    | {
        /** Weight [filters, channels / groups, kernel height, kernel width]. */
        readonly type: 'conv2d'
        readonly filters: number
        readonly kernel: Pair
        readonly stride?: Pair
        /** Default `valid`: none. `same`: as many zeros as give ceil(extent / stride), the odd one below and right. */
        readonly padding?: Pair | 'same' | 'valid'
        readonly dilation?: Pair
        readonly groups?: number
        readonly bias?: boolean
        readonly activation?: Activation
      }
    | { readonly type: 'max-pool' | 'average-pool'; readonly kernel: Pair; readonly stride?: Pair; readonly padding?: Pair }
    | { readonly type: 'global-average-pool' | 'global-max-pool' }
    | { readonly type: 'batch-norm'; readonly epsilon?: number; readonly momentum?: number }
    | { readonly type: 'layer-norm' | 'instance-norm' | 'rms-norm'; readonly epsilon?: number }
    | { readonly type: 'group-norm'; readonly groups: number; readonly epsilon?: number }
    | { readonly type: 'dropout'; readonly rate: number }
    /** Tokens to rows of a table, weight [vocabulary, width]. */
    | { readonly type: 'embedding'; readonly vocabulary: number; readonly width: number }
    /** Adds a row for each position of a sequence: learned (weight [time, width]) or the sines of Vaswani et al. 2017. */
    | { readonly type: 'position'; readonly kind?: 'learned' | 'sinusoidal' }
    /** Puts one learned row (weight [1, width]) before the rows of a sequence, as in Dosovitskiy et al. 2020. */
    | { readonly type: 'class-token' }
    /** Rows `start` up to, not including, `end` along an axis of the shape without the batch. */
    | { readonly type: 'slice'; readonly axis: number; readonly start: number; readonly end: number }
    /** Multi-head self-attention: weights `in` [3 width, width] and `out` [width, width], with biases. */
    | { readonly type: 'attention'; readonly heads: number; readonly causal?: boolean; readonly bias?: boolean }
    | { readonly type: 'add' | 'multiply' }
    /** Axis of the shape without the batch. */
    | { readonly type: 'concat'; readonly axis: number }
    | { readonly type: 'reshape'; readonly shape: readonly number[] }
    | { readonly type: 'flatten' }
    /** Order of the axes without the batch. */
    | { readonly type: 'transpose'; readonly order: readonly number[] }
    | { readonly type: 'relu' | 'gelu' | 'silu' | 'tanh' | 'sigmoid' | 'softmax' }
    | { readonly type: 'leaky-relu'; readonly slope?: number }
  )
