/** Records every recipe in this process and prints one JSON line: `node run.ts ON STEPS PROFILE`, ON a number of threads or `reference`. */
import type { Profile } from '@pouw/tensor'
import { recordAll } from '../../packages/training/test/digests/record.ts'

const [on, steps, profile] = process.argv.slice(2) as [string, string, Profile]
const found = await recordAll({ steps: Number(steps), on: on === 'reference' ? on : Number(on), profile })
process.stdout.write(`${JSON.stringify({ found, version: process.version })}\n`)
