import { compileWide, inheritWide, leastMs } from '#wide'
import { threadedWideBytes, wideBytes } from '../../build/kernels.js'
import { isWorthIt, wrongTile } from './tiles.ts'

/** Tiles of products that a compiler has made of 256-bit operations, for a memory of one thread and for a shared one. */
export interface Wide {
  readonly single: WebAssembly.Module
  readonly threaded: WebAssembly.Module
}

/** What this process multiplies with beside the kernels' own tiles: found once, on its main thread, and only if it computes the same bits (decision 0027). */
export const wide: Wide | undefined = inheritWide(() => {
  const compiled = compileWide([wideBytes, threadedWideBytes])
  if (!compiled) return undefined
  const [single, threaded] = compiled as [WebAssembly.Module, WebAssembly.Module]
  const memory = new WebAssembly.Memory({ initial: 1 })
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true })
  const right = wrongTile(single, memory) === undefined && wrongTile(threaded, shared) === undefined
  return right && isWorthIt(single, memory, leastMs) ? { single, threaded } : undefined
})

/** How many bits of a row the tiles of products take at once; the bits of results are the same. */
export const tileBits = wide ? 256 : 128
