/** The pages in docs/ say what the sources say. */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Code, codesIn, constantsIn, numberOf, tableRows, verdictsIn, writtenValue } from './doc-facts.ts'
import { importsOf } from './source-text.ts'
import { ROOT, readPages, readSources, readText } from './sources.ts'
import { isSource, resolve } from './tidy-rules.ts'

const sources = readSources().filter((file) => isSource(file.path))
const pages = readPages()
const page = (name: string) => pages.find(({ path }) => path === name)!.text

describe('docs/errors.md', () => {
  const given = sources.flatMap(codesIn)
  const rows = tableRows(page('docs/errors.md'))
  const listed = (section: RegExp, cells: number) =>
    rows
      .filter((row) => row.cells.length === cells && /^`[a-z-]+`$/.test(row.cells[0]!) && section.test(row.cells[1]!))
      .map((row) => row.cells[0]!.slice(1, -1))
  const verdicts = listed(/^(drop|reject|slash|-)$/, 4)
  const operations = listed(/^(yes|no)$/, 3)

  test.each([
    ['verdict', verdicts],
    ['operation', operations],
  ] as const)('lists every %s code once, and no other', (kind, codes) => {
    expect(duplicates(codes)).toEqual([])
    const known = given.filter((code) => code.kind === kind)
    const missing = known.filter(({ code }) => !codes.includes(code)).map(({ code, path, line }) => `${code} of ${path}:${line}`)
    expect(missing).toEqual([])
    expect(codes.filter((code) => !known.some((other) => other.code === code))).toEqual([])
  })

  test('tells the action and the check that the source gives', () => {
    const wrong: string[] = []
    for (const { code, action, check, path, line } of sources.flatMap(verdictsIn)) {
      const row = rows.find(({ cells }) => cells[0] === `\`${code}\``)
      const said = row?.cells.join(' ') ?? ''
      if (!new RegExp(`\\b${action}\\b`).test(said) || (check !== undefined && !new RegExp(`\\b${check}\\b`).test(said))) {
        wrong.push(`${path}:${line} ${code}: ${action}, check ${check ?? '-'}; the page says: ${said}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('lists the retryable operations as the class has them', () => {
    const text = readText('packages/primitives/src/operation-error.ts').text
    const retryable = [.../RETRYABLE[^=]*= new Set\(\[([^\]]*)\]/.exec(text)![1]!.matchAll(/'([a-z-]+)'/g)].map((match) => match[1]!)
    const said = rows.filter((row) => row.cells.length === 3 && row.cells[1] === 'yes').map((row) => row.cells[0]!.slice(1, -1))
    expect(said.toSorted(byText)).toEqual(retryable.toSorted(byText))
  })

  test('would notice', () => {
    const found = (text: string) => codesIn({ path: 'packages/chain/src/new.ts', text }).map(({ code, kind }: Code) => `${kind} ${code}`)
    expect(found("return refuse('fee-odd', 'drop')")).toEqual(['verdict fee-odd'])
    expect(found("return refuse(a < b ? 'too-low' : 'too-high')")).toEqual(['verdict too-low', 'verdict too-high'])
    expect(found("return refuse(kind === 'x' ? 'is-x' : 'no-x')")).toEqual(['verdict is-x', 'verdict no-x'])
    expect(found("return { ok: false, code: 'odd', action: 'reject' }")).toEqual(['verdict odd'])
    expect(found("throw new OperationError('io', 'cannot read')")).toEqual(['operation io'])
    expect(found("// refuse('never')")).toEqual([])
    const file = { path: 'packages/chain/src/new.ts', text: "refuse('a')\nrefuse('b', 'slash', { check: 9 })" }
    expect(verdictsIn(file).map(({ code, action, check, line }) => [code, action, check, line])).toEqual([
      ['a', 'reject', undefined, 1],
      ['b', 'slash', 9, 2],
    ])
  })
})

describe('docs/limits.md', () => {
  const rows = tableRows(page('docs/limits.md')).map(({ cells, line }) => ({
    name: cells[0]!.replaceAll('`', ''),
    value: writtenValue(cells[1]!),
    path: resolve('docs/limits.md', /\((.*)\)/.exec(cells[2]!)?.[1] ?? ''),
    line,
  }))
  const constants = sources.flatMap(constantsIn)

  test('names constants that exist, with their values', () => {
    const wrong = rows.flatMap(({ name, value, path, line }) => {
      const constant = constants.find((one) => one.path === path && one.name === name)
      if (constant && constant.value === value) return []
      return [`docs/limits.md:${line} ${name} = ${value}; ${path} has ${constant?.value ?? 'no such constant'}`]
    })
    expect(wrong).toEqual([])
    expect(duplicates(rows.map(({ name, path }) => `${name} ${path}`))).toEqual([])
  })

  test('leaves out no bound', () => {
    const isBound = ({ name, path }: { name: string; path: string }) =>
      /_MAX$|[a-z]Max$|_AT_ONCE$|_MS_MIN$|_MS_MAX$/.test(name) || (/\/limits\.ts$/.test(path) && /\./.test(name))
    const missing = constants.filter((one) => isBound(one) && !rows.some(({ name, path }) => name === one.name && path === one.path))
    expect(missing.map(({ name, path }) => `${name} of ${path}`)).toEqual([])
  })

  test('would notice', () => {
    const text = 'const A_MAX = 4 * 1024\nexport const LIMITS: X = {\n  a: 2 * MiB,\n  b: f(1),\n} as const\nconst C = [1]\n'
    expect(constantsIn({ path: 'packages/p2p/src/new.ts', text }).map(({ name, value }) => [name, value])).toEqual([
      ['A_MAX', 4096],
      ['LIMITS.a', 2_097_152],
    ])
    expect(['64 << 20', '2 ** 31 - 1', '1n << 62n', '1024 * 1024 + 512', '0xff', '(1)'].map(numberOf)).toEqual([
      67_108_864,
      2_147_483_647,
      2 ** 62,
      1_049_088,
      255,
      undefined,
    ])
    expect(['4 MiB', '5,000', '-100', '2^62', '10,000 ms', 'many'].map(writtenValue)).toEqual([
      4_194_304,
      5000,
      -100,
      2 ** 62,
      10_000,
      undefined,
    ])
  })
})

describe('all pages', () => {
  test('link to files that exist', () => {
    const broken = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1]!)
        .filter((target) => !existsSync(ROOT + resolve(path, target)))
        .map((target) => `${path}: ${target}`),
    )
    expect(broken).toEqual([])
  })

  test('every package tells what it is', () => {
    const folders = [...new Set(readSources().map(({ path }) => /^packages\/[^/]+/.exec(path)![0]))]
    expect(folders.filter((folder) => !existsSync(`${ROOT}${folder}/README.md`))).toEqual([])
  })

  test('decisions are numbered without gaps', () => {
    const numbers = pages.flatMap(({ path }) => /^docs\/decisions\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1] ?? []).map(Number)
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1))
    for (const { path, text } of pages.filter((one) => one.path.startsWith('docs/decisions/')))
      for (const part of ['Context', 'Decision', 'Consequences']) expect(text, path).toContain(`**${part}.**`)
  })
})

test('docs/glossary.md: each word has a definition, in order', () => {
  const words = tableRows(page('docs/glossary.md')).map(({ cells }) => cells[0]!)
  expect(words.length).toBeGreaterThan(40)
  expect(duplicates(words)).toEqual([])
  expect(words).toEqual(words.toSorted((a, b) => byText(a.toLowerCase(), b.toLowerCase())))
})

test('the rules of this folder import nothing but each other', () => {
  for (const name of ['doc-facts.ts', 'source-text.ts', 'tidy-rules.ts'])
    for (const { specifier } of importsOf(readText(`tools/${name}`).text)) expect(specifier, name).toMatch(/^\.\//)
})

function duplicates(list: readonly string[]): string[] {
  return list.filter((entry, index) => list.indexOf(entry) !== index)
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
