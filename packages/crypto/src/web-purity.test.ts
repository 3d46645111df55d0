import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const source = import.meta.dirname

test('nothing that a browser loads imports a node: module or a native library', () => {
  const loaded = new Set<string>()
  const outside = new Set<string>()
  const visit = (file: string) => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s+'([^']+)'/g)) {
      if (specifier === '#backend') visit(join(source, 'backend/web.ts'))
      else if (specifier!.startsWith('.')) visit(join(file, '..', specifier!))
      else outside.add(specifier!.split('/').slice(0, 2).join('/'))
    }
  }
  visit(join(source, 'index.ts'))
  expect([...outside].sort((a, b) => (a < b ? -1 : 1))).toEqual(['@noble/ciphers', '@noble/curves', '@noble/hashes'])
  const backends = readdirSync(join(source, 'backend')).filter((name) => loaded.has(join(source, 'backend', name)))
  expect(backends.sort((a, b) => (a < b ? -1 : 1))).toEqual(['backend.ts', 'noble-bls.ts', 'web.ts'])
})
