import type { Effort } from './measure.ts'

/** One line of the table. */
export interface Row {
  readonly name: string
  /** `null` if the row was skipped. */
  readonly value: number | null
  readonly unit: string
  /** The same thing done another way, measured in the same run; in the row's unit. */
  readonly baseline: number | null
  /** value / baseline. */
  readonly ratio: number | null
  /** The bound that has to hold, and the one we would like; which side is good is `better`. */
  readonly must: number | null
  readonly aim: number | null
  /** Whether `must` holds; `null` without a bound or a value. */
  readonly met: boolean | null
  /** Why there is no value. */
  readonly skipped: string | null
  readonly better: 'more' | 'less' | undefined
}

export interface Bounds {
  readonly baseline?: number
  /** Bounds from below. */
  readonly atLeast?: { readonly must?: number; readonly aim?: number }
  /** Bounds from above. */
  readonly atMost?: { readonly must?: number; readonly aim?: number }
}

export function row(name: string, value: number, unit: string, { baseline, atLeast, atMost }: Bounds = {}): Row {
  const { must = null, aim = null } = atLeast ?? atMost ?? {}
  return {
    name,
    value,
    unit,
    baseline: baseline ?? null,
    ratio: baseline === undefined ? null : value / baseline,
    must,
    aim,
    met: must === null ? null : atLeast ? value >= must : value <= must,
    skipped: null,
    better: atLeast ? 'more' : atMost ? 'less' : undefined,
  }
}

export function skippedRow(name: string, unit: string, why: string): Row {
  return { name, value: null, unit, baseline: null, ratio: null, must: null, aim: null, met: null, skipped: why, better: undefined }
}

export interface TopicOptions {
  readonly effort: Effort
  /** Fewer iterations, hosts, blocks as well as fewer samples. */
  readonly quick: boolean
  /** Progress for people. */
  readonly say: (text: string) => void
}

export type Topic = (options: TopicOptions) => Promise<readonly Row[]>
