/** The clock of the machine as the node uses it; tests hand in their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back after about `delayMs`; returns a function that cancels. */
  after(delayMs: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs)
    return () => clearTimeout(handle)
  },
}

export interface Timers {
  /** Fires once at `atMs` or soon after; a later `set` with the same id replaces the earlier one. */
  set(id: string, atMs: number): void
  clear(): void
}

/** Longest delay that setTimeout takes; longer waits are cut in pieces. */
const DELAY_MS_MAX = 2 ** 31 - 1

export function createTimers(clock: Clock, fire: (id: string) => void): Timers {
  const armed = new Map<string, () => void>()

  const arm = (id: string, atMs: number) => {
    const delayMs = Math.min(Math.max(Math.ceil(atMs - clock.now()), 0), DELAY_MS_MAX)
    armed.set(
      id,
      clock.after(delayMs, () => {
        // Timers of the machine may be a little early, and the protocol would find nothing due.
        if (clock.now() < atMs) return arm(id, atMs)
        armed.delete(id)
        fire(id)
      }),
    )
  }

  return {
    set(id, atMs) {
      armed.get(id)?.()
      arm(id, atMs)
    },
    clear() {
      for (const cancel of armed.values()) cancel()
      armed.clear()
    },
  }
}
