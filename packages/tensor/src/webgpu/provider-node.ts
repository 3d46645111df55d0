/** The `webgpu` package (Dawn), if it is installed: an optional peer, since it weighs 130 MB. */
export async function findGpu(): Promise<GPU | string> {
  // A name that the type checker need not find.
  const name: string = 'webgpu'
  try {
    const { create, globals } = (await import(name)) as { create(flags: string[]): GPU; globals: object }
    Object.assign(globalThis, globals)
    return create([])
  } catch {
    return 'the package webgpu is not installed'
  }
}
