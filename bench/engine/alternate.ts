import { median } from '../measure.ts'

/** Something that trains one work, step by step. */
export interface Engine {
  /** The SUM loss before each step's update, and the step's milliseconds. */
  run(steps: number): Promise<{ readonly losses: readonly number[]; readonly times: readonly number[] }>
  close(): void
}

export interface Alternation<Name extends string> {
  /** Median milliseconds of a step in each turn. */
  readonly turns: Readonly<Record<Name, readonly number[]>>
  ms(name: Name): number
  /** How many times as long `slow` takes as `fast`: the median of the rounds, and (largest - smallest) / median of them. */
  ratio(slow: Name, fast: Name): { readonly value: number; readonly spread: number }
}

export interface AlternateOptions {
  readonly rounds: number
  /** Of one turn of one engine, about. A turn has at least one step. */
  readonly turnMs: number
  /** Whether losses have to agree; default true. */
  readonly sameLosses?: boolean
}

/** Losses may differ by so much of themselves: other orders of sums, other exponentials, but equal work. */
const LOSS_TOLERANCE = 1e-3
const CHECKED_STEPS = 3

/**
 * Engines train in turns, A B A B, so that a machine whose speed changes changes it for all.
 *
 * @throws Error if losses of the first steps disagree: then the engines do not do the same work
 */
export async function alternate<Name extends string>(
  engines: Readonly<Record<Name, Engine>>,
  { rounds, turnMs, sameLosses = true }: AlternateOptions,
): Promise<Alternation<Name>> {
  const names = Object.keys(engines) as Name[]
  const steps = new Map<Name, number>()
  const losses = new Map<Name, readonly number[]>()
  for (const name of names) {
    const first = await engines[name].run(1)
    // One step of a slow engine says enough; a quick one has code to warm up and more losses to compare.
    const more = first.times[0]! > turnMs ? undefined : await engines[name].run(CHECKED_STEPS - 1)
    losses.set(name, [...first.losses, ...(more?.losses ?? [])])
    steps.set(name, Math.max(1, Math.round(turnMs / (more ?? first).times.at(-1)!)))
  }
  if (sameLosses) for (const name of names) expectEqualWork(names[0]!, losses.get(names[0]!)!, name, losses.get(name)!)

  const turns = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = 0; round < rounds; round++)
    for (const name of names) turns[name].push(median((await engines[name].run(steps.get(name)!)).times))
  return {
    turns,
    ms: (name) => median(turns[name]),
    ratio(slow, fast) {
      const ratios = turns[slow].map((ms, round) => ms / turns[fast][round]!)
      const value = median(ratios)
      return { value, spread: (Math.max(...ratios) - Math.min(...ratios)) / value }
    },
  }
}

function expectEqualWork(a: string, ofA: readonly number[], b: string, ofB: readonly number[]): void {
  for (const [step, lossB] of ofB.entries()) {
    const lossA = ofA[step]
    if (lossA !== undefined && !(Math.abs(lossA - lossB) <= LOSS_TOLERANCE * Math.abs(lossA)))
      throw new Error(`step ${step}: ${a} has the loss ${lossA}, ${b} ${lossB}: these engines do not do the same work`)
  }
}
