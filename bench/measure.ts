/** Time of small works: medians of several samples, after a warm-up, side by side where they are compared. */

export type Works<Name extends string> = Readonly<Record<Name, () => unknown>>

export interface Effort {
  /** Samples of which the median is taken. */
  readonly samples: number
  /** A sample repeats a short work until it lasts about so long, ms. */
  readonly sampleMs: number
}

export const FULL: Effort = { samples: 15, sampleMs: 10 }
/** Shows that a topic runs; its figures are worth nothing. */
export const QUICK: Effort = { samples: 3, sampleMs: 0.5 }

/** Calls of each work before its first sample. */
export const WARM_UP = 3

/**
 * Median milliseconds of one call of each work. The works take turns, so that a machine whose speed changes meanwhile changes it for all.
 */
export function sideBySide<Name extends string>(works: Works<Name>, { samples, sampleMs }: Effort): Record<Name, number> {
  const runners = (Object.entries(works) as [Name, () => unknown][]).map(([name, work]) => {
    for (let i = 1; i < WARM_UP; i++) work()
    const once = elapsed(work, 1)
    return { name, work, repeat: Math.max(1, Math.round(sampleMs / Math.max(once, 1e-4))), times: [] as number[] }
  })
  for (let i = 0; i < samples; i++) for (const { work, repeat, times } of runners) times.push(elapsed(work, repeat) / repeat)
  return Object.fromEntries(runners.map(({ name, times }) => [name, median(times)])) as Record<Name, number>
}

/** Median milliseconds of one call. */
export function timeOf(work: () => unknown, effort: Effort): number {
  return sideBySide({ work }, effort).work
}

/** Times the parts of a larger work, call by call. */
export interface Stopwatch<Part extends string> {
  /** Runs the work; its time counts only while the watch is on. */
  time<T>(part: Part, work: () => T): T
  turn(on: boolean): void
  /** Median milliseconds. */
  of(part: Part): number
}

export function createStopwatch<Part extends string>(): Stopwatch<Part> {
  const spent = new Map<Part, number[]>()
  let isOn = false
  return {
    time(part, work) {
      const start = performance.now()
      const result = work()
      const ms = performance.now() - start
      const times = spent.get(part)
      if (isOn && times) times.push(ms)
      else if (isOn) spent.set(part, [ms])
      return result
    },
    turn(on) {
      isOn = on
    },
    of: (part) => median(spent.get(part)!),
  }
}

export function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b)
  return ordered[ordered.length >> 1]!
}

function elapsed(work: () => unknown, repeat: number): number {
  const start = performance.now()
  for (let i = 0; i < repeat; i++) work()
  return performance.now() - start
}
