/**
 * Compiles assembly/ to one WebAssembly module and writes it as build/kernels.js (bytes and their SHA-256).
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

/** Strict SIMD only: no relaxed operations, no imports, no allocator, pages from memory.grow. */
const options = ['index.ts', '--outFile', 'kernels.wasm', '-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert', '--use', 'abort=', '--initialMemory', '1']

/** @returns {Promise<Uint8Array>} the module */
export async function compileKernels() {
  const { default: asc } = await import('assemblyscript/asc')
  const files = new Map(sources().map((name) => [name, readFileSync(join(assembly, name), 'utf8')]))
  let bytes
  const { error, stderr } = await asc.main(options, {
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
  return readdirSync(assembly)
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
  const bytes = await compileKernels()
  const version = createHash('sha256').update(bytes).digest('hex')
  mkdirSync(output, { recursive: true })
  replace(
    join(output, 'kernels.d.ts'),
    `/** The compiled kernels, a WebAssembly module without imports. */\nexport const kernelBytes: Uint8Array<ArrayBuffer>\n/** SHA-256 of kernelBytes, lower-case hex. */\nexport const kernelVersion: string\n`,
  )
  replace(
    target,
    `${stamp}export const kernelVersion = '${version}'\nexport const kernelBytes = Uint8Array.from(atob('${Buffer.from(bytes).toString('base64')}'), (c) => c.charCodeAt(0))\n`,
  )
  console.log(`kernels: ${bytes.length} bytes, ${version}`)
}

/** A reader sees the old file or the new one, never a part. */
function replace(path, text) {
  const part = `${path}.${process.pid}`
  writeFileSync(part, text)
  renameSync(part, path)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await build()
