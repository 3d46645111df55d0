/** What the pages in docs/ claim, and what the sources say: codes of refusals and failures, and constants that bound something. */
import { lex, lineOf, type SourceFile } from './source-text.ts'
import { isSource, packageOf } from './tidy-rules.ts'

export type CodeKind = 'verdict' | 'operation'

export interface Code {
  readonly code: string
  readonly kind: CodeKind
  readonly path: string
  readonly line: number
}

/** Functions that are given a code, and the packages in which their names mean that. */
const CALLS: readonly { readonly name: string; readonly kind: CodeKind; readonly packages: readonly string[] }[] = [
  { name: 'refuse', kind: 'verdict', packages: ['primitives', 'chain', 'protocol'] },
  { name: 'fail', kind: 'verdict', packages: ['chain', 'protocol'] },
  { name: 'unavailable', kind: 'verdict', packages: ['protocol'] },
  { name: 'punish', kind: 'verdict', packages: ['protocol'] },
  { name: 'refuseIt', kind: 'verdict', packages: ['protocol'] },
  { name: 'refused', kind: 'verdict', packages: ['protocol'] },
  { name: 'OperationError', kind: 'operation', packages: ['primitives', 'p2p', 'node', 'sim', 'training', 'chain', 'protocol'] },
  { name: 'failure', kind: 'operation', packages: ['p2p'] },
]
const ACTIONS = new Set(['drop', 'reject', 'slash'])
const CODE = /^[a-z]+(?:-[a-z]+)*$/

/** Every code that a source file hands out: in the calls above, and as the property `code` of an answer. */
export function codesIn(file: SourceFile): Code[] {
  const own = packageOf(file.path)
  if (own === undefined || !isSource(file.path)) return []
  const { code, literals } = lex(file.text)
  const found: Code[] = []
  const add = (value: string, kind: CodeKind, at: number) => {
    if (CODE.test(value) && !ACTIONS.has(value)) found.push({ code: value, kind, path: file.path, line: lineOf(file.text, at) })
  }
  for (const { name, kind, packages } of CALLS) {
    if (!packages.includes(own)) continue
    for (const match of code.matchAll(new RegExp(`(?<![\\w$.])${name}\\(`, 'g'))) {
      const from = match.index + match[0].length
      const inside = argumentsAt(code, from)
      for (const { value, at } of literals) if (inside.has(at) && !isOperand(code, at, value)) add(value, kind, at)
    }
  }
  for (const { value, at } of literals) {
    if (/\bcode: $/.test(code.slice(Math.max(0, at - 6), at)) && !isOperand(code, at, value)) add(value, 'verdict', at)
    if (/\breason: $/.test(code.slice(Math.max(0, at - 8), at)) && own === 'protocol') add(value, 'verdict', at)
  }
  return found
}

export interface VerdictCall {
  readonly code: string
  readonly action: string
  readonly check: number | undefined
  readonly path: string
  readonly line: number
}

/** Calls of `refuse` that say everything themselves: code, action (reject if left out), check. */
export function verdictsIn(file: SourceFile): VerdictCall[] {
  if (!isSource(file.path)) return []
  return [...file.text.matchAll(/\brefuse\('([a-z-]+)'(?:, '([a-z]+)'(?:, \{ check: (\d+))?)?/g)].map((match) => ({
    code: match[1]!,
    action: match[2] ?? 'reject',
    check: match[3] === undefined ? undefined : Number(match[3]),
    path: file.path,
    line: lineOf(file.text, match.index),
  }))
}

/** Positions from behind an opening parenthesis to its end that lie in no deeper bracket. */
function argumentsAt(code: string, from: number): Set<number> {
  const inside = new Set<number>()
  for (let at = from, depth = 0; at < code.length; at++) {
    if ('([{'.includes(code[at]!)) depth++
    else if (')]}'.includes(code[at]!) && --depth < 0) break
    if (depth === 0) inside.add(at)
  }
  return inside
}

/** A text that is compared with is a condition, not an answer. */
function isOperand(code: string, at: number, value: string): boolean {
  return (
    /[=!]==\s*$/.test(code.slice(Math.max(0, at - 5), at)) ||
    /^\s*(?:[=!]==|in\b)/.test(code.slice(at + value.length + 2, at + value.length + 8))
  )
}

export interface Constant {
  /** `NAME`, or `object.property` for a property of an object literal that has a name. */
  readonly name: string
  readonly value: number
  readonly path: string
}

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Number constants of a file, and the number properties of its named top-level objects. */
export function constantsIn(file: SourceFile): Constant[] {
  const { code } = lex(file.text)
  const found: Constant[] = []
  const add = (name: string, expression: string) => {
    const value = numberOf(expression)
    if (value !== undefined) found.push({ name, value, path: file.path })
  }
  for (const match of code.matchAll(/^(?:export )?const (\w+)(?:: [^=\n]+)? = ([^\n{[]+)$/gm)) add(match[1]!, match[2]!)
  for (const match of code.matchAll(/^(?:export )?const (\w+)(?:: [^=\n]+)? = \{\n([\s\S]*?)\n\}/gm)) {
    for (const property of match[2]!.matchAll(/^ {2}(\w+): ([^\n{[]+),$/gm)) add(`${match[1]}.${property[1]}`, property[2]!)
  }
  // A function that answers a literal: network parameters.
  for (const match of code.matchAll(/^export function (\w+)\([^)]*\)[^{]*\{\n {2}return \{\n([\s\S]*?)\n {2}\}/gm)) {
    for (const property of match[2]!.matchAll(/^ {4}(\w+): ([^\n{[]+),$/gm)) add(`${match[1]}.${property[1]}`, property[2]!)
  }
  return found
}

/** Value of a literal or of sums, products, powers and shifts of such; undefined for anything else. */
export function numberOf(expression: string): number | undefined {
  const text = expression.replace(/\/\/.*$/, '').trim()
  const combine = (pattern: RegExp, act: (a: number, b: number) => number): number | undefined => {
    const parts = text.split(pattern).map((part) => numberOf(part))
    return parts.some((part) => part === undefined) ? undefined : (parts as number[]).reduce(act)
  }
  if (/ \+ /.test(text)) return combine(/ \+ /, (a, b) => a + b)
  if (/\d - \d/.test(text)) return combine(/ - /, (a, b) => a - b)
  if (/ << /.test(text)) return combine(/ << /, (a, b) => a * 2 ** b)
  if (/ \* /.test(text)) return combine(/ \* /, (a, b) => a * b)
  if (/ \*\* /.test(text)) return combine(/ \*\* /, (a, b) => a ** b)
  if (UNITS[text]) return UNITS[text]
  return /^-?(?:0x[\da-f_]+|[\d_]+)n?$/.test(text) ? Number(text.replace(/[_n]/g, '')) : undefined
}

export interface Row {
  readonly cells: readonly string[]
  readonly line: number
}

/** Rows of all tables of a page, heads and rules left out. */
export function tableRows(text: string): Row[] {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (!line.startsWith('|') || /^\|[\s:|-]+\|$/.test(line) || /^\|[\s:|-]+\|$/.test(lines[index + 1] ?? '')) return []
    return [
      {
        cells: line
          .slice(1, -1)
          .split(' | ')
          .map((cell) => cell.trim()),
        line: index + 1,
      },
    ]
  })
}

/** `4 MiB`, `5,000`, `-100`, `2^62`, `10,000 ms`: the number that a cell says. */
export function writtenValue(cell: string): number | undefined {
  const [, base, exponent, unit] = /^(-?[\d,]+)(?:\^(\d+))?(?: (KiB|MiB|GiB))?(?: |$)/.exec(cell) ?? []
  if (base === undefined) return undefined
  return Number(base.replaceAll(',', '')) ** Number(exponent ?? 1) * (unit === undefined ? 1 : UNITS[unit]!)
}
