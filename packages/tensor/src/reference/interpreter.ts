import type { ReferenceMemory } from './memory.ts'
import { convolution } from './ops/convolution.ts'
import { elementwise } from './ops/elementwise.ts'
import { int8 } from './ops/int8.ts'
import { losses } from './ops/losses.ts'
import { matmul } from './ops/matmul.ts'
import { movement } from './ops/movement.ts'
import { normalization } from './ops/normalization.ts'
import { random } from './ops/random.ts'
import { update } from './ops/update.ts'

const families: readonly (((code: number, args: Uint32Array, memory: ReferenceMemory) => void) | undefined)[] = [
  undefined,
  matmul,
  convolution,
  elementwise,
  normalization,
  losses,
  random,
  update,
  int8,
  movement,
]

/** The interpreter of programs (assembly/interpreter.ts), one thread, one instruction after the other. */
export function interpret(memory: ReferenceMemory, from: number, to: number): void {
  const words = memory.u32(from, (to - from) / 4)
  for (let at = 0; at < words.length; at += words[at + 1]!) {
    const family = families[words[at]! >> 8]
    if (!family) throw new RangeError(`program: unknown operation ${words[at]}`)
    family(words[at]!, words.subarray(at + 2, at + words[at + 1]!), memory)
  }
}
