import { createArena } from '../arena.ts'
import { createBackend } from '../backend.ts'
import { bytesOf, type Graph, type Value } from '../graph/graph.ts'
import type { Backend, BackendName } from '../kernels.ts'
import { planMemory } from '../plan/plan.ts'
import { writeProgram } from '../plan/program.ts'
import { createThreadedBackend } from '../wasm-backend.ts'

/** A graph made ready to run, with a memory of its own: write what goes in, run, read what comes out. */
export interface Executable {
  /** Bytes of the memory, all of them. */
  readonly bytes: number
  /** Bytes of activations and scratch, and what they would be if no place were used twice. */
  readonly activationBytes: number
  readonly activationBytesWithoutReuse: number
  /** A live view of an input, a parameter, a state or a kept value. @throws RangeError for another value */
  f32(value: Value): Float32Array
  i32(value: Value): Int32Array
  u8(value: Value): Uint8Array
  i8(value: Value): Int8Array
  /** All nodes, in order. */
  run(): void
  close(): void
}

export interface ExecutableOptions {
  /** Computed values to be read after a run. */
  readonly keep: readonly Value[]
  readonly backend?: BackendName
}

/** @throws RangeError if the memory does not fit */
export function createExecutable(graph: Graph, { keep, backend = 'wasm' }: ExecutableOptions): Executable {
  const layout = layExecutable(graph, keep, 1)
  return openExecutable(graph, keep, layout, createBackend(backend, layout.bytes))
}

/** The same on several threads. */
export async function createThreadedExecutable(graph: Graph, options: { keep: readonly Value[]; threads: number }): Promise<Executable> {
  const layout = layExecutable(graph, options.keep, options.threads)
  return openExecutable(graph, options.keep, layout, await createThreadedBackend(layout.bytes, options.threads))
}

/** Places and program of a graph for this many threads. */
export function layExecutable(graph: Graph, keep: readonly Value[], threads: number) {
  const plan = planMemory(graph, { threads, keep, fixed: new Set() })
  const arena = createArena()
  const homes = new Map<Value, number>()
  for (const value of graph.values) if (value.role !== 'computed') homes.set(value, arena.take(bytesOf(value)))
  const region = arena.take(plan.bytes)
  const home = (value: Value) => {
    const at = homes.get(value)
    if (at === undefined) throw new RangeError(`value ${value.name}: expected an input, a parameter, a state or a kept value`)
    return at
  }
  const words = writeProgram(plan, region, home)
  const program = arena.take(words.byteLength)
  const at = (value: Value): number => {
    const place = plan.place(value)
    return typeof place === 'number' ? region + place : home(place ?? value)
  }
  return { plan, words, program, at, bytes: arena.bytes }
}

/** The layout in a backend's memory. */
export function openExecutable(
  graph: Graph,
  keep: readonly Value[],
  layout: ReturnType<typeof layExecutable>,
  { memory, kernels, threads, close }: Backend,
): Executable {
  const { plan, words, program, at } = layout
  new Uint32Array(memory, program, words.length).set(words)
  const visible = new Set(keep)
  const checked = (value: Value, dtype: Value['dtype']) => {
    if (graph.values[value.id] !== value || (value.role === 'computed' && !visible.has(value)))
      throw new RangeError(`value ${value.name}: expected an input, a parameter, a state or a kept value of this graph`)
    if (value.dtype !== dtype) throw new RangeError(`value ${value.name}: expected dtype ${dtype}, received ${value.dtype}`)
    return at(value)
  }
  return {
    bytes: layout.bytes,
    activationBytes: plan.bytes,
    activationBytesWithoutReuse: plan.bytesWithoutReuse,
    f32: (value) => new Float32Array(memory, checked(value, 'f32'), bytesOf(value) / 4),
    i32: (value) => new Int32Array(memory, checked(value, 'i32'), bytesOf(value) / 4),
    i8: (value) => new Int8Array(memory, checked(value, 'i8'), bytesOf(value)),
    u8: (value) => new Uint8Array(memory, checked(value, 'u8'), bytesOf(value)),
    run: () => kernels.run(program, program + words.byteLength, threads),
    close,
  }
}
