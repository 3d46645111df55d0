import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Profile, tileBits } from '@pouw/tensor'
import { expect, test } from 'vitest'
import { RECIPES } from './digests/recipes.ts'
import { MARKS, record } from './digests/record.ts'

const committed = JSON.parse(readFileSync(new URL('./digests/digests.json', import.meta.url), 'utf8')) as Record<
  string,
  Record<string, Record<string, string>>
>

// The whole matrix is `npm run digests`. A difference here needs a decision and a new profile number (docs/digests.md).
for (const [profile, nets] of Object.entries(committed) as [Profile, (typeof committed)[string]][]) {
  for (const name of RECIPES.filter((recipe) => nets[recipe])) {
    test(`${profile}, ${name}: ten recorded steps have the committed digests, on one thread, on two, and by the definition`, async () => {
      const { 3: third, 10: tenth } = nets[name]!
      expect(await record({ name, profile, steps: 10, on: 1 }), 'one thread').toEqual({ 3: third, 10: tenth })
      expect(await record({ name, profile, steps: 10, on: 2 }), 'two threads').toEqual({ 3: third, 10: tenth })
      expect(await record({ name, profile, steps: 3, on: 'reference' }), 'plain TypeScript').toEqual({ 3: third })
    })
  }
}

test.skipIf(tileBits === 128).each(Object.keys(committed))(
  '%s: tiles of 128 bits, which this process does not use, have the same digests',
  (profile) => {
    const run = fileURLToPath(new URL('../../../bench/digests/run.ts', import.meta.url))
    const { found } = JSON.parse(
      execFileSync(process.execPath, ['--no-experimental-wasm-revectorize', run, '1', '10', profile], { encoding: 'utf8' }),
    )
    for (const [name, marks] of Object.entries(committed[profile]!)) expect(found[name], name).toEqual({ 3: marks[3], 10: marks[10] })
  },
)

test('every recipe has a digest at every mark, and no two are alike', () => {
  expect(Object.keys(committed.f32!)).toEqual([...RECIPES])
  const all = Object.values(committed).flatMap((nets) => Object.values(nets).flatMap((digests) => MARKS.map((mark) => digests[mark])))
  for (const digest of all) expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(new Set(all).size).toBe(all.length)
})
