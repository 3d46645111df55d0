/** The rules of the house, each a function from sources to findings. What is exempt, and why, stands in `tidy.test.ts`. */
import { filesNamed, importsOf, lex, lineOf, type SourceFile } from './source-text.ts'

export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  /** What was found, in few words; exceptions are matched against it. */
  readonly what: string
}

/** Which @pouw packages the sources of each package may import: the arrows of docs/decisions/0006-layers.md. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  tensor: [],
  primitives: ['crypto'],
  training: ['tensor', 'primitives', 'crypto'],
  chain: ['primitives', 'crypto'],
  protocol: ['chain', 'training', 'primitives', 'crypto'],
  p2p: ['primitives'],
  sdk: ['primitives', 'crypto'],
  node: ['sdk', 'p2p', 'protocol', 'chain', 'training', 'tensor', 'primitives', 'crypto'],
  web: ['sdk', 'protocol', 'chain', 'training', 'tensor', 'primitives', 'crypto'],
  sim: ['node', 'protocol', 'chain', 'training', 'tensor', 'primitives', 'crypto'],
}

/** Also through protocol's door, but erased: p2p fills ports whose types protocol owns. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = { p2p: ['protocol'] }

export const CORE: readonly string[] = ['crypto', 'tensor', 'primitives', 'training', 'chain', 'protocol']

export const LINES_MAX = 700

/** `packages/chain/src/a.ts` -> `chain`; undefined outside packages. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || /^packages\/[^/]+\/test\//.test(path)
}

/** The part that runs in a node: not tests, not benches, not build scripts. */
export function isSource(path: string): boolean {
  return /^packages\/[^/]+\/(?:src|assembly)\//.test(path) && !isTest(path)
}

/** Arrows point down, and every package is entered through its door. */
export function layerFindings(file: SourceFile): Finding[] {
  const own = packageOf(file.path)
  if (own === undefined) return []
  const findings: Finding[] = []
  for (const { specifier, line, typeOnly, lazy } of importsOf(file.text)) {
    const at = (what: string) => findings.push({ rule: 'layers', path: file.path, line, what })
    const [, name, inside] = /^@pouw\/([^/]+)(\/.*)?$/.exec(specifier) ?? []
    if (name !== undefined) {
      const allowed = MAY_IMPORT[own]?.includes(name) || (typeOnly && MAY_IMPORT_TYPES[own]?.includes(name))
      if (name !== own && !allowed) at(`${own} imports ${typeOnly ? 'types of ' : ''}${specifier}${lazy ? ' lazily' : ''}`)
      if (name === own) at(`${own} imports itself by name`)
      if (inside !== undefined) at(`${specifier} is not a door`)
    } else if (specifier.startsWith('.') && packageOf(resolve(file.path, specifier)) !== own) at(`${specifier} leaves the package`)
  }
  return findings
}

/**
 * A manifest lists what its package imports, no more and no less. Of our own packages tests count too; what only tests and builds take from
 * outside is the root's.
 */
export function manifestFindings(manifest: SourceFile, files: readonly SourceFile[]): Finding[] {
  const own = packageOf(manifest.path)!
  const declared = new Set(Object.keys((JSON.parse(manifest.text) as { dependencies?: Record<string, string> }).dependencies ?? {}))
  const imported = new Set<string>()
  for (const file of files) {
    if (packageOf(file.path) !== own) continue
    for (const { specifier } of importsOf(file.text)) {
      const name = /^(@[^/]+\/[^/]+|[^./#@][^/]*)/.exec(specifier)?.[0]
      if (name !== undefined && !specifier.startsWith('node:') && (isSource(file.path) || name.startsWith('@pouw/'))) imported.add(name)
    }
  }
  const finding = (what: string): Finding => ({ rule: 'manifest', path: manifest.path, line: 1, what })
  return [
    ...[...imported].filter((name) => !declared.has(name)).map((name) => finding(`${name} is imported and not declared`)),
    ...[...declared].filter((name) => !imported.has(name)).map((name) => finding(`${name} is declared and not imported`)),
  ]
}

/** ECMAScript fixes the result of these to the bit; of the rest of `Math` it leaves the last bits, or everything, to the engine. */
const EXACT_MATH = new Set(['abs', 'ceil', 'clz32', 'floor', 'fround', 'imul', 'max', 'min', 'round', 'sign', 'trunc', 'PI'])

const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w$.])Date\b/g, 'Date'],
  [/(?<![\w$.])(?:setTimeout|setInterval|setImmediate|queueMicrotask|requestAnimationFrame)\b/g, 'timer'],
  [/(?<![\w$.])performance\b(?!:)/g, 'performance'],
  [/\b(?:getRandomValues|randomUUID|randomBytes|randomSecretKey|randomPrivateKey)\b/g, 'chance'],
  [
    /(?<![\w$.])(?:process|navigator|localStorage)\s*\.|\bnew\s+(?:WebSocket|XMLHttpRequest)\b|(?:await|return|=)\s+fetch\s*\(/g,
    'the host',
  ],
  [/(?<![\w$.])console\./g, 'console'],
  [/\btoLocale\w*|\blocaleCompare\b|(?<![\w$.])Intl\b/g, 'locale'],
  [/\.(?:sort|toSorted)\(\s*\)/g, 'sort without a comparator'],
  [/(?<![\w$.])JSON\s*\./g, 'JSON'],
]

/** Equal input gives equal bits on every machine: no clock, chance, host, locale or approximate arithmetic in the core. */
export function purityFindings(file: SourceFile): Finding[] {
  const own = packageOf(file.path)
  if (own === undefined || !CORE.includes(own) || !isSource(file.path)) return []
  const { code } = lex(file.text)
  const findings: Finding[] = []
  const add = (at: number, what: string) => findings.push({ rule: 'purity', path: file.path, line: lineOf(file.text, at), what })
  for (const [pattern, what] of IMPURE) for (const match of code.matchAll(pattern)) add(match.index, what)
  for (const match of code.matchAll(/(?<![\w$.])Math\s*\.\s*(\w+)|(?<![\w$.])Math\s*\[/g)) {
    if (match[1] === undefined || !EXACT_MATH.has(match[1])) add(match.index, `Math.${match[1] ?? '[...]'}`)
  }
  for (const match of code.matchAll(/([\w$.)\]]+)\s*\*\*=?\s*([\w$.(]+)/g)) {
    // Between bigints it is exact, and a power of two written in digits is a constant.
    const [, base, exponent] = match
    if (!/^\d+n$/.test(base!) && !(base === '2' && /^\d+$/.test(exponent!))) add(match.index, `${base} ** ${exponent}`)
  }
  for (const { specifier, line } of importsOf(file.text)) {
    if (/^node:/.test(specifier)) findings.push({ rule: 'purity', path: file.path, line, what: specifier })
  }
  return findings
}

/** Only syntax that erases, and every public name written down where it leaves. */
export function syntaxFindings(file: SourceFile): Finding[] {
  const { code } = lex(file.text)
  const findings: Finding[] = []
  const rules: readonly (readonly [RegExp, string])[] = [
    [/(?<![\w$.])export\s*\*/g, 'export *'],
    [/(?<![\w$.])(?:const\s+|declare\s+)?enum\s+[A-Za-z_$][\w$]*\s*\{/g, 'enum'],
    [/(?<![\w$.])(?:namespace|module)\s+[A-Za-z_$][\w$.]*\s*\{/g, 'namespace'],
  ]
  for (const [pattern, what] of rules) {
    for (const match of code.matchAll(pattern))
      findings.push({ rule: 'syntax', path: file.path, line: lineOf(file.text, match.index), what })
  }
  return findings
}

/** Work that is left for later is said in FEATURES.md, not in the margin. */
export function leftoverFindings(file: SourceFile): Finding[] {
  return [...file.text.matchAll(/\b(?:TO[D]O|FIX[M]E|XX[X])\b/g)].map((match) => ({
    rule: 'leftover',
    path: file.path,
    line: lineOf(file.text, match.index),
    what: match[0],
  }))
}

export function lengthFindings(file: SourceFile): Finding[] {
  const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0)
  return lines > LINES_MAX ? [{ rule: 'length', path: file.path, line: LINES_MAX + 1, what: `${lines} lines` }] : []
}

/**
 * The rooms of a package are layers too. A room is a folder of `src`; a file that lies in `src` itself is a room of its own.
 * Imports of types count: a reader has to follow them as well. One finding per knot (strongly connected set of rooms).
 */
export function roomCycleFindings(files: readonly SourceFile[]): Finding[] {
  return knotsOf(files, roomOf, true).map((knot) => ({
    rule: 'room-cycles',
    path: knot[0]!,
    line: 1,
    what: knot.map(shortName).join(' <-> '),
  }))
}

/** Files whose values need each other: what loads first would see the other half made. Types are erased and do not count. */
export function fileCycleFindings(files: readonly SourceFile[]): Finding[] {
  return knotsOf(files, (path) => path, false).map((knot) => ({
    rule: 'file-cycles',
    path: knot[0]!,
    line: 1,
    what: knot.map(shortName).join(' <-> '),
  }))
}

function knotsOf(files: readonly SourceFile[], nodeOf: (path: string) => string, typesCount: boolean): string[][] {
  const arrows = new Map<string, Set<string>>()
  for (const file of files) {
    if (!isSource(file.path)) continue
    const from = nodeOf(file.path)
    const targets = arrows.get(from) ?? new Set()
    arrows.set(from, targets)
    for (const { specifier, typeOnly } of importsOf(file.text)) {
      if (!specifier.startsWith('.') || (typeOnly && !typesCount)) continue
      const to = nodeOf(resolve(file.path, specifier))
      if (to !== from) targets.add(to)
    }
  }
  const reach = new Map([...arrows.keys()].map((node) => [node, reachable(arrows, node)]))
  const knots = new Map<string, string[]>()
  for (const [node, seen] of reach) {
    if (!seen.has(node)) continue
    const knot = [...seen].filter((other) => reach.get(other)?.has(node)).sort(byText)
    knots.set(knot.join(), knot)
  }
  return [...knots.values()]
}

/** `packages/protocol/src/mining` -> `mining`. */
function shortName(path: string): string {
  return path.replace(/^packages\/[^/]+\/(?:src|assembly)\//, '')
}

function roomOf(path: string): string {
  const match = /^(packages\/[^/]+\/(?:src|assembly)\/)([^/]+)(\/.*)?$/.exec(path)
  return match ? match[1]! + match[2]! : path
}

function reachable(arrows: ReadonlyMap<string, ReadonlySet<string>>, from: string): Set<string> {
  const seen = new Set<string>()
  const open = [...(arrows.get(from) ?? [])]
  for (let room = open.pop(); room !== undefined; room = open.pop()) {
    if (seen.has(room)) continue
    seen.add(room)
    open.push(...(arrows.get(room) ?? []))
  }
  return seen
}

/**
 * Files that nothing imports or names. Reading starts at tests, benches, what manifests name (doors, programs, backends) and `entryPoints`.
 */
export function deadFindings(files: readonly SourceFile[], manifests: readonly SourceFile[], entryPoints: ReadonlySet<string>): Finding[] {
  const used = new Set<string>()
  for (const { path, text } of [...files, ...manifests]) {
    for (const { specifier } of importsOf(text)) {
      // AssemblyScript imports without an ending.
      if (specifier.startsWith('.')) used.add(resolve(path, /\.\w+$/.test(specifier) ? specifier : `${specifier}.ts`))
    }
    for (const name of filesNamed(text)) used.add(resolve(path, name))
  }
  return files
    .filter(({ path }) => packageOf(path) !== undefined && !path.endsWith('.test.ts') && !/^packages\/[^/]+\/bench\//.test(path))
    .filter(({ path }) => !entryPoints.has(path) && !used.has(path))
    .map(({ path }) => ({ rule: 'dead', path, line: 1, what: 'nothing imports it' }))
}

/** A relative specifier as a path from the root. */
export function resolve(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
