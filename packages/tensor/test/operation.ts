import { expect } from 'vitest'
import { differentiate } from '../src/autograd/differentiate.ts'
import { createGraph, type DType, type Graph, type Profile, type Shape, sizeOf, type Value } from '../src/graph/graph.ts'
import { createExecutable, createThreadedExecutable, type Executable } from '../src/machine/executable.ts'
import { seeded } from './seeded.ts'

export interface OperandSpec {
  readonly shape: Shape
  readonly dtype?: DType
  /** Values to fill in; random in [-1, 1) without. */
  readonly data?: ArrayLike<number>
  /** false: no gradient is asked for (labels, masks). */
  readonly differentiate?: boolean
}

export interface OperationCase {
  readonly operands: readonly OperandSpec[]
  /** Builds the operation under test; its last value is what is differentiated. */
  readonly build: (graph: Graph, ...operands: Value[]) => Value | readonly Value[]
  readonly profile?: Profile
  /** The result is a loss operation's output: gradients of its sum. */
  readonly loss?: boolean
  /** Step and tolerance of the finite difference: |difference - inner product| <= tolerance * (1 + |inner product|). */
  readonly h?: number
  readonly tolerance?: number
  readonly seed?: number
  /** The graph is one for a graphics processor, see `createGraph`. */
  readonly direct?: boolean
  /** A profile that rounds is a staircase: its gradients are held to differences of the function that profile `f32` computes. */
  readonly smooth?: boolean
}

/**
 * Holds one operation, forward and backward, to everything that operations promise: the plain reference, one thread, two and
 * three threads give the same bits, and the gradients are those of central differences of the function itself (along a random direction, with sums in
 * binary64). Answers the outputs for further expectations.
 */
export async function checkOperation(given: OperationCase): Promise<readonly Float32Array[]> {
  const { operands, profile = 'f32', h = 1 / 128, tolerance = 5e-3, seed = 1 } = given
  const random = seeded(seed)
  const data = operands.map((operand) => operand.data ?? Array.from({ length: sizeOf(operand.shape) }, () => random() * 2 - 1))

  const graph = createGraph(profile, { direct: given.direct ?? false })
  const inputs = operands.map((operand, i) => graph.input(`operand ${i}`, operand.shape, operand.dtype))
  const built = given.build(graph, ...inputs)
  const outputs: readonly Value[] = Array.isArray(built) ? built : [built as Value]
  const result = outputs.at(-1)!
  const wanted = inputs.filter((input, i) => input.dtype === 'f32' && operands[i]!.differentiate !== false)
  const upstream = graph.input('upstream', result.shape)
  const upstreamData = Array.from({ length: sizeOf(result.shape) }, () => (given.loss ? 1 : random() * 2 - 1))
  const gradients = differentiate(graph, given.loss ? { loss: result, wanted } : { seeds: new Map([[result, upstream]]), wanted })
  for (const value of wanted) expect(gradients.get(value)?.shape, `gradient of ${value.name}`).toEqual(value.shape)
  const keep = [...outputs, ...gradients.values()]

  const fill = (executable: Executable, values: readonly ArrayLike<number>[]) => {
    for (const [i, input] of inputs.entries()) executable[input.dtype](input).set(values[i]!)
    executable.f32(upstream).set(upstreamData)
  }
  const read = (executable: Executable) => {
    fill(executable, data)
    executable.run()
    // Twice: what a first run leaves in memory must not reach the second.
    fill(executable, data)
    executable.run()
    const found = keep.map((value) => executable[value.dtype](value).slice())
    executable.close()
    return found
  }
  const single = read(createExecutable(graph, { keep }))
  const others = {
    reference: read(createExecutable(graph, { keep, backend: 'reference' })),
    'two threads': read(await createThreadedExecutable(graph, { keep, threads: 2 })),
    'three threads': read(await createThreadedExecutable(graph, { keep, threads: 3 })),
  }
  const bits = (found: readonly (Float32Array | Int32Array | Uint8Array | Int8Array)[]) =>
    found.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex'))
  for (const [name, found] of Object.entries(others)) expect(bits(found), `${name} against one thread`).toEqual(bits(single))

  // Central differences along one random direction for each operand.
  const smooth = given.smooth ? plain(given) : { graph, inputs, result }
  const forward = createExecutable(smooth.graph, { keep: [smooth.result] })
  const value = (values: readonly ArrayLike<number>[]) => {
    for (const [i, input] of smooth.inputs.entries()) forward[input.dtype](input).set(values[i]!)
    forward.run()
    return forward.f32(smooth.result).reduce((sum, y, i) => sum + y * upstreamData[i]!, 0)
  }
  for (const [g, input] of [...gradients.keys()].entries()) {
    const place = inputs.indexOf(input)
    const direction = Array.from({ length: sizeOf(input.shape) }, () => random() * 2 - 1)
    const moved = (step: number) => data.map((values, i) => (i === place ? Array.from(values, (v, j) => v + step * direction[j]!) : values))
    const difference = (value(moved(h)) - value(moved(-h))) / (2 * h)
    const gradient = single[outputs.length + g]!
    const product = direction.reduce((sum, d, j) => sum + d * gradient[j]!, 0)
    expect(
      Math.abs(difference - product),
      `gradient of ${input.name}: difference ${difference}, inner product ${product}`,
    ).toBeLessThanOrEqual(tolerance * (1 + Math.abs(product)))
  }
  return single.slice(0, outputs.length) as Float32Array[]
}

/** The same operation in profile `f32`. */
function plain({ operands, build }: OperationCase): { readonly graph: Graph; readonly inputs: readonly Value[]; readonly result: Value } {
  const graph = createGraph()
  const inputs = operands.map((operand, i) => graph.input(`operand ${i}`, operand.shape, operand.dtype))
  const built = build(graph, ...inputs)
  return { graph, inputs, result: Array.isArray(built) ? built.at(-1) : (built as Value) }
}
