/** Reads what the rules judge: every TypeScript source and manifest of the packages, and the pages. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { SourceFile } from './source-text.ts'

export const ROOT = fileURLToPath(new URL('../', import.meta.url))

const SKIPPED = new Set(['node_modules', 'build', 'dist', 'vectors'])

export function readSources(): SourceFile[] {
  return walk('packages', /\.(?:ts|js|mjs)$/)
}

/** What is not shipped: these rules, and the benches over several packages. */
export function readTooling(): SourceFile[] {
  return ['tools', 'bench'].flatMap((folder) => (existsSync(ROOT + folder) ? walk(folder, /\.(?:ts|js|mjs)$/) : []))
}

export function readManifests(): SourceFile[] {
  return readdirSync(`${ROOT}packages`).map((name) => readText(`packages/${name}/package.json`))
}

export function readPages(): SourceFile[] {
  const front = readdirSync(ROOT)
    .filter((name) => name.endsWith('.md'))
    .map(readText)
  return [...front, ...walk('docs', /\.md$/), ...walk('packages', /\.md$/)]
}

export function readText(path: string): SourceFile {
  return { path, text: readFileSync(ROOT + path, 'utf8') }
}

function walk(folder: string, wanted: RegExp): SourceFile[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(path, wanted)
    return entry.isFile() && wanted.test(entry.name) ? [readText(path)] : []
  })
}
