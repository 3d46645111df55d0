/**
 * A static graph: values with fixed shapes, and the operations between them in the order they will run.
 *
 * Shapes are inferred and checked as the graph is built, so a model that does not fit is refused before anything runs, by
 * the name of its layer. Nothing here holds numbers: `plan` gives every value a place, `program` writes the instructions.
 */
export type Shape = readonly number[]
export type DType = 'f32' | 'i32' | 'u8' | 'i8'

/** How a value comes to be: by its owner between runs, from the flat arrays of the miner's state, or by a node. */
export type Role = 'input' | 'parameter' | 'state' | 'computed'

export interface Value {
  /** Position in `graph.values`. */
  readonly id: number
  readonly name: string
  readonly shape: Shape
  readonly dtype: DType
  readonly role: Role
}

export type Attributes = Readonly<Record<string, number | boolean | string | readonly number[]>>

/** What an operation makes: f32 unless it says otherwise. */
export interface Result {
  readonly shape: Shape
  readonly dtype?: DType
}

/** Where things lie, for the words of an instruction. */
export interface Places {
  /** Byte offset of a value. */
  at(value: Value): number
  /** Byte offset of the node's scratch, 0 if it asked for none. */
  readonly scratch: number
}

/**
 * One kind of instruction: what it makes, what it needs, how it is differentiated. Equal words give equal bits on every
 * backend and for every number of threads.
 */
export interface Op<A extends Attributes = Attributes> {
  readonly name: string
  /** family << 8 | number; 0 for a view, which runs nothing: its output is its input under another shape. */
  readonly code: number
  /** @throws RangeError saying what was expected and received; the graph puts the layer's name before it */
  infer(inputs: readonly Value[], attributes: A): readonly Result[]
  /**
   * Appends the nodes of the backward pass; answers a gradient for each input, `undefined` where there is none. `gradients`
   * has one entry an output, `undefined` where nothing downstream asks; a loss is called with none at all and stands for 1.
   */
  gradient?(graph: Graph, node: Node<A>, gradients: readonly (Value | undefined)[]): readonly (Value | undefined)[]
  /** The instruction's words after code and length: offsets, sizes, bits of floats (`floatBits`). */
  words(node: Node<A>, places: Places): readonly number[]
  /** Bytes of scratch for all threads together. */
  scratchBytes?(node: Node<A>, threads: number): number
  /** [output, input]: the output may take over the input's memory, if the input has equal size and nobody needs it later. */
  readonly inPlace?: readonly (readonly [number, number])[]
  /** Inputs that the operation changes (running statistics, optimiser state). Such a node is always kept, and never run twice. */
  readonly writes?: readonly number[]
}

export interface Node<A extends Attributes = Attributes> {
  readonly op: Op<A>
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  readonly attributes: A
  /** The layer that asked for it, for messages to people. */
  readonly layer: string
  /** Checkpointing segment, 0 for none: see `differentiate`. */
  readonly segment: number
}

/** One of the profiles of docs/arithmetic.md; operations with products of matrices look at it. */
export type Profile = (typeof PROFILES)[number]
const PROFILES = ['f32', 'bf16x', 'int8x'] as const

export interface Graph {
  readonly profile: Profile
  readonly direct: boolean
  readonly values: readonly Value[]
  readonly nodes: readonly Node[]
  /** Written by the owner before a run. */
  input(name: string, shape: Shape, dtype?: DType): Value
  /** A trained tensor; parameters lie in the flat weight array in the order of their creation. */
  parameter(name: string, shape: Shape): Value
  /** i32 [2]: the key of a step's random numbers, an input that is made when the first node asks for it. */
  key(): Value
  /** That input, if anybody asked. */
  readonly madeKey: Value | undefined
  /** Numbers that a step changes and the next one needs, like running statistics. */
  state(name: string, shape: Shape): Value
  /** Appends one node. @throws RangeError with the layer's name if the operation refuses its inputs */
  apply<A extends Attributes>(op: Op<A>, inputs: readonly Value[], attributes: A): readonly Value[]
  /** `apply` for operations with one output. */
  one<A extends Attributes>(op: Op<A>, inputs: readonly Value[], attributes: A): Value
  /** Runs `build` under a layer's name. */
  layer<T>(name: string, build: () => T): T
  /** Runs `build` as one checkpointing segment. Segments do not nest: an inner one belongs to the outer. */
  segment<T>(build: () => T): T
}

/** Wide enough for every size in an instruction word, and small enough that byte counts of one value stay exact. */
const elementsMax = 2 ** 30

export interface GraphOptions {
  /** For a device that makes products: in profile `int8x` convolutions, in `bf16x` also attention, are products of matrices in the graph. The same bits. Default false. */
  readonly direct?: boolean
}

/** @throws RangeError for an unknown profile */
export function createGraph(profile: Profile = 'f32', { direct = false }: GraphOptions = {}): Graph {
  if (!PROFILES.includes(profile)) throw new RangeError(`profile: expected ${PROFILES.join(', ')}, received ${String(profile)}`)
  const values: Value[] = []
  const nodes: Node[] = []
  let layer = ''
  let segment = 0
  let segments = 0
  let madeKey: Value | undefined

  function value(name: string, shape: Shape, dtype: DType, role: Role): Value {
    assertShape(name, shape)
    const made = { id: values.length, name, shape: [...shape], dtype, role }
    values.push(made)
    return made
  }

  const graph: Graph = {
    profile,
    direct,
    values,
    nodes,
    input: (name, shape, dtype = 'f32') => value(name, shape, dtype, 'input'),
    parameter: (name, shape) => value(name, shape, 'f32', 'parameter'),
    key: () => (madeKey ??= value('key', [2], 'i32', 'input')),
    get madeKey() {
      return madeKey
    },
    state: (name, shape) => value(name, shape, 'f32', 'state'),
    apply(op, inputs, attributes) {
      let results: readonly Result[]
      try {
        results = op.infer(inputs, attributes)
      } catch (error) {
        if (error instanceof RangeError && layer !== '') throw new RangeError(`layer ${layer}: ${error.message}`)
        throw error
      }
      const outputs = results.map((result) => value(layer === '' ? op.name : layer, result.shape, result.dtype ?? 'f32', 'computed'))
      nodes.push({ op: op as unknown as Op, inputs, outputs, attributes, layer, segment })
      return outputs
    },
    one: (op, inputs, attributes) => graph.apply(op, inputs, attributes)[0]!,
    layer(name, build) {
      const outer = layer
      layer = name
      try {
        return build()
      } finally {
        layer = outer
      }
    },
    segment(build) {
      if (segment !== 0) return build()
      segment = ++segments
      try {
        return build()
      } finally {
        segment = 0
      }
    },
  }
  return graph
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, extent) => size * extent, 1)
}

export function bytesOf(value: Value): number {
  return sizeOf(value.shape) * (value.dtype === 'u8' || value.dtype === 'i8' ? 1 : 4)
}

/** The 32 bits of a number rounded once to binary32, as an instruction word. */
export function floatBits(value: number): number {
  floatView[0] = value
  return wordView[0]!
}
const floatView = new Float32Array(1)
const wordView = new Uint32Array(floatView.buffer)

/** @throws RangeError "expected ..., received ..." unless the shapes are equal */
export function expectShape(what: string, value: Value, shape: Shape): void {
  if (!sameShape(value.shape, shape)) throw new RangeError(`${what}: expected shape [${shape}], received [${value.shape}]`)
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i])
}

function assertShape(name: string, shape: Shape): void {
  for (const extent of shape)
    if (!Number.isSafeInteger(extent) || extent < 1) throw new RangeError(`${name}: expected positive whole extents, received [${shape}]`)
  if (sizeOf(shape) > elementsMax) throw new RangeError(`${name}: expected at most ${elementsMax} elements, received [${shape}]`)
}
