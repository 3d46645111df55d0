import { bitsFloat, type ReferenceMemory } from '../memory.ts'
import { philox } from '../philox.ts'

/** Family 6. */
export function random(code: number, args: Uint32Array, memory: ReferenceMemory): void {
  if (code === 0x601) embedding(args, memory)
  else if (code === 0x602) embeddingGradient(args, memory)
  else if (code === 0x603) dropout(args, memory)
  else throw new RangeError(`random: unknown operation ${code}`)
}

function embedding(args: Uint32Array, memory: ReferenceMemory): void {
  const [rows, width, vocabulary, ...at] = Array.from(args) as [number, number, number, number, number, number]
  const table = memory.f32(at[0]!, vocabulary * width)
  const tokens = memory.i32(at[1]!, rows)
  const y = memory.f32(at[2]!, rows * width)
  for (let i = 0; i < rows; i++) {
    const token = tokens[i]!
    for (let j = 0; j < width; j++) y[i * width + j] = token >= 0 && token < vocabulary ? table[token * width + j]! : Number.NaN
  }
}

function embeddingGradient(args: Uint32Array, memory: ReferenceMemory): void {
  const [rows, width, vocabulary, ...at] = Array.from(args) as [number, number, number, number, number, number]
  const d = memory.f32(at[0]!, rows * width)
  const tokens = memory.i32(at[1]!, rows)
  const sums = memory.f32(at[2]!, vocabulary * width)
  sums.fill(0)
  for (let i = 0; i < rows; i++) {
    const token = tokens[i]!
    if (token < 0 || token >= vocabulary) continue
    for (let j = 0; j < width; j++) sums[token * width + j]! += d[i * width + j]!
  }
}

function dropout(args: Uint32Array, memory: ReferenceMemory): void {
  const [n, from, keyAt, to, threshold, scaleBits, tensor] = Array.from(args) as [number, number, number, number, number, number, number]
  const x = memory.f32(from, n)
  const y = memory.f32(to, n)
  const [key0, key1] = memory.u32(keyAt, 2)
  const scale = bitsFloat(scaleBits)
  for (let i = 0; i < n; i++) {
    const word = philox([Math.floor(i / 4), 0, tensor, 1], key0!, key1!)[i % 4]!
    y[i] = word >= threshold ? x[i]! * scale : 0
  }
}
