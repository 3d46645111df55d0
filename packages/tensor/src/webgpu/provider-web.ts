/** The browser's own. */
export async function findGpu(): Promise<GPU | string> {
  return navigator.gpu ?? 'this browser has no WebGPU'
}
