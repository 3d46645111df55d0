import type { Wide } from './wide.ts'

/** A page cannot tell its compiler anything. */
export function compileWide(_sources: readonly Uint8Array<ArrayBuffer>[]): readonly WebAssembly.Module[] | undefined {
  return undefined
}

export function inheritWide(find: () => Wide | undefined): Wide | undefined {
  return find()
}

/** No clock is asked: nothing is compiled. */
export function leastMs(): number {
  return 0
}
