import type { Value } from '../graph/graph.ts'
import type { Plan } from './plan.ts'

/** Words of a program: instructions of code, number of words (these two included), then what the operation's `words` says. */
export function writeProgram(plan: Plan, region: number, homeOf: (value: Value) => number): Uint32Array<ArrayBuffer> {
  const at = (value: Value): number => {
    const place = plan.place(value)
    if (typeof place === 'number') return region + place
    return homeOf(place ?? value)
  }
  const words: number[] = []
  for (const node of plan.nodes) {
    if (node.op.code === 0) continue
    const body = node.op.words(node, { at, scratch: region + plan.scratch(node) })
    words.push(node.op.code, body.length + 2, ...body)
  }
  return Uint32Array.from(words)
}
