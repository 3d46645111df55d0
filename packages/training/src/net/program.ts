import type { ModelSpec, OptimizerSpec } from '@pouw/primitives'
import {
  type Arena,
  type Backend,
  bytesOf,
  countCorrect,
  createGraph,
  differentiate,
  exchange,
  type Graph,
  type Plan,
  type Profile,
  planLike,
  planMemory,
  scaleBy,
  sizeOf,
  type Value,
  writeProgram,
} from '@pouw/tensor'
import { buildForward, buildLoss, type Forward } from '../layers/build.ts'
import { buildProposal } from '../optimizers/proposal.ts'

/** The graph of one pass for a number of rows, with the values that its owner reads and writes. */
export interface Pass {
  readonly graph: Graph
  readonly forward: Forward
  /** i32, one class a row of the output, or f32 targets of its shape. */
  readonly wanted: Value
  /** f32 [1], the SUM loss; i32 [1], the hits. */
  readonly lossSum: Value
  readonly correct: Value | undefined
  /** Gradients of the parameters, in their order; of one that nothing depends on, none. */
  readonly gradients: readonly (Value | undefined)[]
}

export interface PassOptions {
  readonly training: boolean
  readonly profile: Profile
  readonly checkpoint: boolean
  /** See `createGraph`. */
  readonly direct?: boolean
}

/** Forward pass and loss; with `training` also the gradients of the SUM loss. */
export function buildPass(spec: ModelSpec, rows: number, { training, profile, checkpoint, direct = false }: PassOptions): Pass {
  const graph = createGraph(profile, { direct })
  const forward = buildForward(graph, spec, rows, { training })
  const { output, parameters } = forward
  const { loss, sum, wanted } = buildLoss(graph, spec.loss, output, training)
  const correct = wanted.dtype === 'i32' ? countCorrect(graph, output, wanted) : undefined
  const found = training ? differentiate(graph, { loss, wanted: parameters, checkpoint }) : new Map<Value, Value>()
  return { graph, forward, wanted, lossSum: sum, correct, gradients: ownPlaces(graph, parameters, found) }
}

/**
 * Each gradient must lie in a place of its own. One that shares its memory with another's, or with a value from outside, is copied there: times 1,
 * which keeps every bit.
 */
function ownPlaces(graph: Graph, parameters: Forward['parameters'], found: ReadonlyMap<Value, Value>): (Value | undefined)[] {
  const source = new Map(graph.nodes.flatMap((node) => (node.op.code === 0 ? [[node.outputs[0]!, node.inputs[0]!] as const] : [])))
  const taken = new Set<Value>()
  return parameters.map((value) => {
    const gradient = found.get(value)
    if (!gradient) return undefined
    let root = gradient
    for (let next = source.get(root); next; next = source.get(root)) root = next
    if (root.role !== 'computed' || taken.has(root)) return scaleBy(graph, gradient, 1)
    taken.add(root)
    return gradient
  })
}

/** A pass with places and words. */
export interface Program {
  readonly pass: Pass
  readonly plan: Plan
  readonly words: Uint32Array<ArrayBuffer>
  /** Byte offset of any value of the pass. */
  at(value: Value): number
}

export function planPass(pass: Pass, threads: number): Plan {
  const fixed = new Set(pass.gradients.filter((gradient) => gradient !== undefined))
  return planMemory(pass.graph, { threads, keep: [pass.forward.output, pass.lossSum, ...(pass.correct ? [pass.correct] : [])], fixed })
}

/** A pass of fewer rows in the places of a full one. */
export function planFewer(plan: Plan, full: Pass, fewer: Pass): Plan {
  return planLike(plan, full.graph, fewer.graph)
}

/** Where the owner's arrays lie, byte offsets. */
export interface Homes {
  readonly input: number
  readonly wanted: number
  readonly key: number
  /** Zeros, one word a row. */
  readonly zeros: number
  /** Flat arrays. */
  readonly weights: number
  readonly gradient: number
  readonly states: number
  readonly region: number
}

/** The instructions of a pass for memory laid out as `homes` says. */
export function linkPass(pass: Pass, plan: Plan, homes: Homes): Program {
  const places = new Map<Value, number>([
    [pass.forward.inputs.data, homes.input],
    [pass.wanted, homes.wanted],
  ])
  const { zeros } = pass.forward.inputs
  const key = pass.graph.madeKey
  if (key) places.set(key, homes.key)
  if (zeros) places.set(zeros, homes.zeros)
  let [weight, gradient] = [homes.weights, homes.gradient]
  for (const [i, value] of pass.forward.parameters.entries()) {
    places.set(value, weight)
    const made = pass.gradients[i]
    if (made) places.set(plan.root(made), gradient)
    weight += bytesOf(value)
    gradient += bytesOf(value)
  }
  let state = homes.states
  for (const value of pass.forward.states) {
    places.set(value, state)
    state += bytesOf(value)
  }
  const home = (value: Value): number => {
    const at = places.get(value)
    if (at === undefined) throw new RangeError(`value ${value.name} has no place`)
    return at
  }
  return {
    pass,
    plan,
    words: writeProgram(plan, homes.region, home),
    at(value) {
      const place = plan.place(value)
      return typeof place === 'number' ? homes.region + place : home(place ?? value)
    },
  }
}

/**
 * Runs a program instruction by instruction and answers the first layer one of whose results is NaN or infinite, for a message to people.
 *
 * @param from byte offset of the program
 */
export function firstNonFinite({ plan, words, at }: Program, from: number, { kernels, threads }: Backend): string | undefined {
  let position = 0
  for (const node of plan.nodes) {
    if (node.op.code === 0) continue
    const next = position + words[position + 1]!
    kernels.run(from + 4 * position, from + 4 * next, threads)
    position = next
    for (const output of node.outputs)
      if (output.dtype === 'f32' && kernels.allFinite(at(output), sizeOf(output.shape)) === 0) return node.layer || node.op.name
  }
  return undefined
}

/** The program of `exchange` over flat arrays at these byte offsets; what it needs besides is taken from the arena. */
export function exchangeProgram(
  params: number,
  threads: number,
  arena: Arena,
  homes: { readonly residual: number; readonly step: number; readonly weights: number; readonly words: number },
) {
  const graph = createGraph()
  const residual = graph.state('residual', [params])
  const step = graph.input('step', [params])
  const weights = graph.parameter('weights', [params])
  const quanta = graph.input('quanta', [2])
  const { words, counts } = exchange(graph, { residual, step, weights, quanta })
  const plan = planMemory(graph, { threads, keep: [], fixed: new Set([words, counts]) })
  const own = { quanta: arena.take(8), counts: arena.take(8), region: arena.take(plan.bytes) }
  const places = new Map<Value, number>([
    [residual, homes.residual],
    [step, homes.step],
    [weights, homes.weights],
    [words, homes.words],
    [quanta, own.quanta],
    [counts, own.counts],
  ])
  const program = writeProgram(plan, own.region, (value) => places.get(value)!)
  const from = arena.take(program.byteLength)
  return { ...own, words: program, from, to: from + program.byteLength }
}

/** The program of an optimiser's proposal; `words` writes it for a mean over this many rows, always as long. */
export function proposalPrograms(
  spec: OptimizerSpec,
  params: number,
  rows: number,
  threads: number,
  arena: Arena,
  homes: { readonly gradient: number; readonly weights: number; readonly kept: readonly number[]; readonly change: number },
) {
  const link = (count: number, own: { readonly registers: number; readonly region: number } | undefined) => {
    const { graph, gradient, weights, registers, kept, change } = buildProposal(spec, params, count)
    const plan = planMemory(graph, { threads, keep: [], fixed: new Set([change]) })
    const placed = own ?? { registers: arena.take(16), region: arena.take(plan.bytes) }
    const places = new Map<Value, number>([
      [gradient, homes.gradient],
      [weights, homes.weights],
      [change, homes.change],
      [registers, placed.registers],
      ...kept.map((value, i) => [value, homes.kept[i]!] as const),
    ])
    return { ...placed, words: writeProgram(plan, placed.region, (value) => places.get(value)!) }
  }
  const first = link(rows, undefined)
  const from = arena.take(first.words.byteLength)
  return { registers: first.registers, from, to: from + first.words.byteLength, words: (count: number) => link(count, first).words }
}
