/**
 * Holds back what leaves the machine until what was persisted before it is durable (A22), and nothing longer than that.
 *
 * Order is kept: once something waits, everything later waits behind it. While the disk works, the node goes on reading and thinking.
 */
export interface Outbox {
  /** Something was handed to the store: what leaves from now on waits for it. */
  persisted(): void
  /** Runs `act` when everything persisted before this call is durable: at once if it is already. */
  leave(act: () => void): void
  /** How many acts wait. */
  readonly size: number
}

export interface OutboxOptions {
  /** Resolves when everything handed to the store so far is durable. */
  flush(): Promise<void>
  /** The store gave up: no promise can be kept any more. */
  failed(error: unknown): void
}

export function createOutbox({ flush, failed }: OutboxOptions): Outbox {
  let handedIn = 0
  let durable = 0
  let pumping = false
  const waiting: { readonly after: number; readonly act: () => void }[] = []

  return {
    persisted() {
      handedIn++
    },
    leave(act) {
      if (durable === handedIn && waiting.length === 0) return act()
      waiting.push({ after: handedIn, act })
      if (!pumping) void pump()
    },
    get size() {
      return waiting.length
    },
  }

  async function pump(): Promise<void> {
    pumping = true
    try {
      while (waiting.length > 0) {
        const mark = handedIn
        await flush()
        durable = mark
        while (waiting.length > 0 && waiting[0]!.after <= durable) waiting.shift()!.act()
      }
      pumping = false
    } catch (error) {
      // Stays in the pumping state: nothing may leave after a failed write.
      failed(error)
    }
  }
}
