/** Records every recipe in this process and prints one JSON line: `node run.ts ON STEPS [PROFILE]`, ON a number of threads or `reference`. */
import type { Profile } from '@pouw/tensor'
import { RECIPES } from '../../packages/training/test/digests/recipes.ts'
import { type Digests, record } from '../../packages/training/test/digests/record.ts'

const [on, steps, profile = 'f32'] = process.argv.slice(2) as [string, string, Profile?]
const found: Record<string, Digests> = {}
for (const name of RECIPES) found[name] = await record({ name, steps: Number(steps), on: on === 'reference' ? on : Number(on), profile })
process.stdout.write(`${JSON.stringify({ found, version: process.version, v8: process.versions.v8 })}\n`)
