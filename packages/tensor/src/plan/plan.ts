import { bytesOf, type Graph, type Node, type Value } from '../graph/graph.ts'

/** Where every computed value and every scratch lies, relative to the start of the activations' region. */
export interface Plan {
  /** The nodes that run, in order: those that nothing needs are gone. */
  readonly nodes: readonly Node[]
  /** Bytes of the region. */
  readonly bytes: number
  /** What one value per buffer would have cost. */
  readonly bytesWithoutReuse: number
  /** Place of a computed value; of another one, `undefined` unless it is a view of a fixed value, then that value. */
  place(value: Value): number | Value | undefined
  /** The value whose memory a view shares, through any number of views; of another value, itself. */
  root(value: Value): Value
  scratch(node: Node): number
}

export interface PlanOptions {
  readonly threads: number
  /** Computed values that somebody reads after the run. */
  readonly keep: readonly Value[]
  /** Values with a home of their own outside the region (gradients of parameters in the flat gradient array). */
  readonly fixed: ReadonlySet<Value>
}

interface Buffer {
  readonly bytes: number
  first: number
  last: number
  offset: number
}

const line = 64

/**
 * Liveness, then places: largest buffer first, each at the lowest offset where it meets nobody that lives at the same time.
 *
 * An operation that may work in place takes over a dying input's buffer; a view has its input's. Deterministic, and done once.
 */
export function planMemory(graph: Graph, { threads, keep, fixed }: PlanOptions): Plan {
  const nodes = liveNodes(graph.nodes, [...keep, ...fixed])
  const end = nodes.length

  // Views first: a value's root is whose memory it shares.
  const roots = new Map<Value, Value>()
  const rootOf = (value: Value): Value => {
    let at = value
    for (let next = roots.get(at); next; next = roots.get(at)) at = next
    return at
  }
  for (const { op, inputs, outputs } of nodes) if (op.code === 0) roots.set(outputs[0]!, rootOf(inputs[0]!))
  // A view can have a home of its own only together with the value that it looks at.
  const homes = new Set([...fixed].map(rootOf))
  const views = new Map(roots)
  const owned = (value: Value) => value.role === 'computed' && !homes.has(value)

  const last = new Map<Value, number>()
  const use = (value: Value, at: number) => last.set(rootOf(value), Math.max(at, last.get(rootOf(value)) ?? 0))
  for (const [i, node] of nodes.entries()) for (const value of [...node.inputs, ...node.outputs]) use(value, i)
  for (const value of keep) use(value, end)

  const buffers = new Map<Value, Buffer>()
  const scratches = new Map<Node, Buffer>()
  let bytesWithoutReuse = 0
  for (const [i, node] of nodes.entries()) {
    if (node.op.code === 0) continue
    for (const [o, output] of node.outputs.entries()) {
      if (!owned(output)) continue
      const bytes = bytesOf(output)
      bytesWithoutReuse += bytes
      const heir = node.op.inPlace?.find(([to, from]) => {
        if (to !== o) return false
        const root = rootOf(node.inputs[from]!)
        return owned(root) && last.get(root) === i && bytesOf(root) === bytes && buffers.has(root) && !shared(node, from, root)
      })
      if (heir) {
        const root = rootOf(node.inputs[heir[1]]!)
        const lives = last.get(output) ?? i
        roots.set(output, root)
        last.set(root, Math.max(lives, i))
        buffers.get(root)!.last = Math.max(lives, i)
      } else {
        buffers.set(output, { bytes, first: i, last: last.get(output) ?? i, offset: 0 })
      }
    }
    const scratch = node.op.scratchBytes?.(node, threads) ?? 0
    if (scratch > 0) scratches.set(node, { bytes: scratch, first: i, last: i, offset: 0 })
  }

  /** Whether another input of the node lies in the same buffer: then nobody may write into it. */
  function shared(node: Node, from: number, root: Value): boolean {
    return node.inputs.some((input, i) => i !== from && rootOf(input) === root)
  }

  const bytes = settle([...buffers.values(), ...scratches.values()])
  return {
    nodes,
    bytes,
    bytesWithoutReuse,
    place(value) {
      const root = rootOf(value)
      return buffers.get(root)?.offset ?? (root === value ? undefined : root)
    },
    root(value) {
      let at = value
      for (let next = views.get(at); next; next = views.get(at)) at = next
      return at
    },
    scratch: (node) => scratches.get(node)?.offset ?? 0,
  }
}

/**
 * The plan of one graph for another of the same structure and no larger shapes: the same model with fewer rows. Places stay where they are,
 * so they fit wherever the first plan fits.
 *
 * @throws RangeError if the structures differ
 */
export function planLike(plan: Plan, graph: Graph, smaller: Graph): Plan {
  if (graph.values.length !== smaller.values.length || graph.nodes.length !== smaller.nodes.length)
    throw new RangeError('plan: expected a graph of the same structure')
  const twins = new Map(smaller.nodes.map((node, i) => [node, graph.nodes[i]!]))
  const kept = new Set(plan.nodes)
  const here = (value: Value) => smaller.values[value.id]!
  return {
    ...plan,
    nodes: smaller.nodes.filter((node) => kept.has(twins.get(node)!)),
    place(value) {
      const place = plan.place(graph.values[value.id]!)
      return typeof place === 'object' ? here(place) : place
    },
    root: (value) => here(plan.root(graph.values[value.id]!)),
    scratch: (node) => plan.scratch(twins.get(node)!),
  }
}

/** Drops nodes whose outputs nobody reads, from the end backwards. */
function liveNodes(nodes: readonly Node[], wanted: readonly Value[]): Node[] {
  const needed = new Set(wanted)
  const live: Node[] = []
  for (const node of nodes.toReversed()) {
    if (!node.op.writes && !node.outputs.some((output) => needed.has(output))) continue
    for (const input of node.inputs) needed.add(input)
    live.push(node)
  }
  return live.reverse()
}

/** Gives every buffer its offset and answers the bytes of them all. */
function settle(buffers: readonly Buffer[]): number {
  const placed: Buffer[] = []
  let top = 0
  for (const buffer of buffers.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const size = rounded(buffer.bytes)
    const neighbours = placed.filter((other) => other.first <= buffer.last && buffer.first <= other.last)
    let at = 0
    for (const other of neighbours) {
      if (at + size <= other.offset) break
      at = Math.max(at, other.offset + rounded(other.bytes))
    }
    buffer.offset = at
    top = Math.max(top, at + size)
    // Kept in order of offset, so that the scan above meets gaps from below.
    let low = 0
    while (low < placed.length && placed[low]!.offset <= at) low++
    placed.splice(low, 0, buffer)
  }
  return top
}

const rounded = (bytes: number) => Math.ceil(bytes / line) * line
