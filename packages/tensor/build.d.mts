/** Compiles assembly/ to a WebAssembly module, for one thread or for several; equal sources give equal bytes. */
export function compileKernels(build?: 'single' | 'threaded' | 'wide' | 'threadedWide'): Promise<Uint8Array>
