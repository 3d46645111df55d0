/** Runs at most `width` of the given jobs at a time, the rest in the order they came. Errors belong to the caller of each job. */
export function createLimit(width: number): <T>(job: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (job) => {
    if (running >= width) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await job()
    } finally {
      // The place is handed on, not freed and taken again, so that nobody overtakes the queue.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
