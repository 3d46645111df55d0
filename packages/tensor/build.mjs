/**
 * Compiles assembly/ to WebAssembly modules and writes them as build/kernels.js (bytes, and the SHA-256 of the kernels).
 * Skipped when the inputs have not changed since the last build. Same inputs, same bytes: the hash is a protocol value.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const home = dirname(fileURLToPath(import.meta.url))
const assembly = join(home, 'assembly')
const output = join(home, 'build')

/**
 * Strict SIMD only: no relaxed operations, no allocator. Bytes 0 to 511 are the control block of threads, static data follows.
 * The single build has its own memory and imports nothing; the threaded one is given a shared memory.
 */
const options = ['--outFile', 'kernels.wasm', '-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert', '--use', 'abort=']
const shared = ['--enable', 'threads', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536']
/** @type {Record<'single' | 'threaded' | 'wide' | 'threadedWide', string[]>} */
const builds = {
  single: ['index.ts', '--memoryBase', '512', '--exportTable', '--initialMemory', '1'],
  threaded: ['index.ts', '--memoryBase', '512', '--exportTable', ...shared],
  wide: ['wide.ts', '--importMemory'],
  threadedWide: ['wide.ts', ...shared],
}

/**
 * @param {keyof typeof builds} build
 * @returns {Promise<Uint8Array>} the module
 */
export async function compileKernels(build = 'single') {
  const { default: asc } = await import('assemblyscript/asc')
  const files = new Map(sources().map((name) => [name, readFileSync(join(assembly, name), 'utf8')]))
  let bytes
  const { error, stderr } = await asc.main([...builds[build], ...options], {
    readFile: (name) => files.get(name) ?? null,
    writeFile: (_name, contents) => {
      bytes = contents
    },
    listFiles: () => [],
  })
  if (error || !bytes) throw new Error(`kernels do not compile: ${error?.message}\n${stderr.toString()}`)
  return new Uint8Array(bytes)
}

function sources() {
  return readdirSync(assembly, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
}

function inputHash() {
  const require = createRequire(import.meta.url)
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  hash.update(require('assemblyscript/package.json').version)
  for (const name of sources()) hash.update(`\n${name}\n`).update(readFileSync(join(assembly, name)))
  return hash.digest('hex')
}

async function build() {
  const inputs = inputHash()
  const target = join(output, 'kernels.js')
  const stamp = `// inputs ${inputs}\n`
  if (existsSync(target) && existsSync(join(output, 'kernels.d.ts')) && readFileSync(target, 'utf8').startsWith(stamp)) return
  const [bytes, threaded, wide, threadedWide] = await Promise.all(Object.keys(builds).map(compileKernels))
  const [version, threadedVersion] = [bytes, threaded].map((module) => createHash('sha256').update(module).digest('hex'))
  mkdirSync(output, { recursive: true })
  const bytesOf = 'Uint8Array<ArrayBuffer>'
  replace(
    join(output, 'kernels.d.ts'),
    `/** The compiled kernels, a WebAssembly module without imports. */\nexport const kernelBytes: ${bytesOf}\n/** The same kernels for threads; imports env.memory, which is shared. */\nexport const threadedKernelBytes: ${bytesOf}\n/** Tiles of products alone (assembly/wide.ts); imports env.memory. */\nexport const wideBytes: ${bytesOf}\n/** The same for shared memory. */\nexport const threadedWideBytes: ${bytesOf}\n/** SHA-256 of kernelBytes, lower-case hex. */\nexport const kernelVersion: string\n/** SHA-256 of threadedKernelBytes. */\nexport const threadedKernelVersion: string\n`,
  )
  replace(
    target,
    `${stamp}const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))\nexport const kernelVersion = '${version}'\nexport const threadedKernelVersion = '${threadedVersion}'\nexport const kernelBytes = decode('${base64(bytes)}')\nexport const threadedKernelBytes = decode('${base64(threaded)}')\nexport const wideBytes = decode('${base64(wide)}')\nexport const threadedWideBytes = decode('${base64(threadedWide)}')\n`,
  )
  console.log(`kernels: ${bytes.length} bytes, ${version}; for threads ${threaded.length} bytes, ${threadedVersion}`)
}

const base64 = (bytes) => Buffer.from(bytes).toString('base64')

/** A reader sees the old file or the new one, never a part. */
function replace(path, text) {
  const part = `${path}.${process.pid}`
  writeFileSync(part, text)
  renameSync(part, path)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await build()
