/** Runs a file of published cases through the production code. */
import { type Difference, firstDifference, type Tolerance } from './compare.ts'
import { type Json, MalformedCase, openInput } from './input.ts'
import type { Suite } from './suite.ts'

export interface CaseResult {
  readonly id: string
  readonly ok: boolean
  readonly got: Json
  readonly difference?: Difference
}

export interface SuiteResult {
  readonly suite: string
  readonly passed: number
  readonly failed: number
  readonly cases: readonly CaseResult[]
}

/** @throws MalformedCase if the file is not what is documented, or a case asks for what the suite does not know */
export function runSuite(name: string, suite: Suite, file: unknown): SuiteResult {
  const whole = openInput(file as Json, 'file')
  if (whole.text('suite') !== name) throw new MalformedCase(`the file holds suite ${whole.text('suite')}, not ${name}`)
  const raw = whole.raw('cases')
  if (!Array.isArray(raw) || raw.length === 0) throw new MalformedCase('file.cases: expected a list of at least one case')
  const cases = whole.list('cases').map((item, i): CaseResult => {
    const id = item.text('id')
    const expected = item.raw('out')
    if (typeof expected !== 'object' || expected === null || Array.isArray(expected) || Object.keys(expected).length === 0) {
      throw new MalformedCase(`case ${id}: out: expected an object that names at least one field`)
    }
    const tolerance: Tolerance = { rtol: toleranceOf('rtol'), atol: toleranceOf('atol') }
    let got: Json
    try {
      got = suite(openInput(item.raw('in'), 'in'), expected)
    } catch (error) {
      if (error instanceof MalformedCase) throw new MalformedCase(`case ${id}: ${error.message}`)
      throw new Error(`case ${id} (number ${i}) crashed: ${(error as Error).message}`, { cause: error })
    }
    const difference = firstDifference(expected, got, tolerance)
    return difference ? { id, ok: false, got, difference } : { id, ok: true, got }

    function toleranceOf(key: string): number {
      if (!item.has(key)) return 0
      const value = item.raw(key)
      if (typeof value !== 'number' || !(value >= 0)) throw new MalformedCase(`case ${id}: ${key}: expected a number that is not negative`)
      return value
    }
  })
  const passed = cases.filter(({ ok }) => ok).length
  return { suite: name, passed, failed: cases.length - passed, cases }
}
