import { installTiles, type Widened } from '../wide/tiles.ts'

/** All that a thread needs to join: the compiled kernels, tiles for them if there are some, their shared memory, which one it is and of how many. */
export interface ThreadStart {
  readonly module: WebAssembly.Module
  readonly wide: WebAssembly.Module | undefined
  readonly memory: WebAssembly.Memory
  readonly thread: number
  readonly threads: number
}

/** Instantiates the kernels on this thread and serves until they are dismissed; `ready` is called just before. */
export function serveThread({ module, wide, memory, thread, threads }: ThreadStart, ready: () => void): void {
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Widened & {
    serve(thread: number, threads: number): void
  }
  if (wide) installTiles(exports, wide, memory)
  ready()
  exports.serve(thread, threads)
}
