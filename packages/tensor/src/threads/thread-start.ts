/** All that a thread needs to join: the compiled kernels, their shared memory, which one it is and of how many. */
export interface ThreadStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly thread: number
  readonly threads: number
}

/** Instantiates the kernels on this thread and serves until they are dismissed; `ready` is called just before. */
export function serveThread({ module, memory, thread, threads }: ThreadStart, ready: () => void): void {
  const { serve } = new WebAssembly.Instance(module, { env: { memory } }).exports as { serve(thread: number, threads: number): void }
  ready()
  serve(thread, threads)
}
