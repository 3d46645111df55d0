/** Compiles assembly/ to a WebAssembly module; equal sources give equal bytes. */
export function compileKernels(): Promise<Uint8Array>
