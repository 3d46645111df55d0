import type { ScheduleSpec } from '@pouw/primitives'
import { power } from './proposal.ts'

/** What a rate follows: the full rate, steps of linear warm-up, a schedule. */
export interface RateSpec {
  readonly rate: number
  readonly warmup?: number | undefined
  readonly schedule?: ScheduleSpec | undefined
}

/**
 * The rate of a step, counted from 1, binary32 (A10): fl(fl(rate f) fl(min(1, step / warmup))), each factor of 1 left out, f the schedule's factor:
 * constant 1; step fl(factor^floor((step - 1) / every)); cosine fl(final + (1 - final) (1 + cos(pi t)) / 2) with t = min(1, (step - 1) / steps).
 *
 * Factors are taken in binary64 and rounded once; powers and cosines are the functions of this package, so all machines agree.
 */
export function rateOf({ rate, warmup = 0, schedule }: RateSpec, step: number): number {
  const factor = scheduleFactor(schedule, step)
  const full = factor === 1 ? Math.fround(rate) : Math.fround(Math.fround(rate) * factor)
  return step >= warmup ? full : Math.fround(full * Math.fround(step / warmup))
}

function scheduleFactor(schedule: ScheduleSpec | undefined, step: number): number {
  switch (schedule?.type) {
    case undefined:
    case 'constant':
      return 1
    case 'step':
      return Math.fround(power(Math.fround(schedule.factor), Math.floor((step - 1) / schedule.every)))
    case 'cosine': {
      const final = Math.fround(schedule.final ?? 0)
      return Math.fround(final + ((1 - final) * (1 + cosineOfPi(Math.min(1, (step - 1) / schedule.steps)))) / 2)
    }
    default:
      throw new RangeError(`schedule: expected constant, step or cosine, received ${String((schedule as { type: unknown }).type)}`)
  }
}

/**
 * cos(pi t) for 0 <= t <= 1 in binary64, of products and sums only: below 1/4 the Taylor series of the cosine, above 3/4 minus that of 1 - t, between
 * them the series of the sine at pi (1/2 - t); up to the 18th and 19th power, from the last term inwards. Error below 2^-50.
 */
export function cosineOfPi(t: number): number {
  if (t > 0.75) return -cosineOfPi(1 - t)
  const sine = t > 0.25
  const x = Math.PI * (sine ? 0.5 - t : t)
  const square = x * x
  let sum = 1
  for (let n = sine ? 19 : 18; n >= 2; n -= 2) sum = 1 - (square / (n * (n - 1))) * sum
  return sine ? x * sum : sum
}
