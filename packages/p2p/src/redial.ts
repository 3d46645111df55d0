import type { NetworkLimits } from './limits.ts'

export interface Redial {
  /** Keep a connection to this peer from now on. */
  keep(peerId: string): void
  connected(peerId: string): void
  disconnected(peerId: string): void
  stop(): void
}

/**
 * Dial kept peers again and again until they are back, with growing, jittered pauses. The longest pause is short
 * (about a second): a refused connection costs almost nothing, and a restarted node is found while its work still counts.
 */
export function createRedial(
  limits: Pick<NetworkLimits, 'redialMsMin' | 'redialMsMax'>,
  isConnected: (peerId: string) => boolean,
  dial: (peerId: string) => Promise<unknown>,
): Redial {
  const kept = new Map<string, { attempt: number; timer: NodeJS.Timeout | undefined; dialling: boolean }>()
  let stopped = false

  function schedule(peerId: string): void {
    const entry = kept.get(peerId)
    if (entry === undefined || entry.timer !== undefined || entry.dialling || stopped) return
    const pauseMs = Math.min(limits.redialMsMax, limits.redialMsMin * 1.6 ** entry.attempt)
    entry.attempt = Math.min(entry.attempt + 1, 32)
    // Jitter keeps two hosts that lost each other from dialling in the same instant and holding two connections.
    entry.timer = setTimeout(attempt, pauseMs * (0.75 + 0.5 * Math.random()), peerId).unref()
  }

  async function attempt(peerId: string): Promise<void> {
    const entry = kept.get(peerId)
    if (entry === undefined || stopped) return
    entry.timer = undefined
    if (isConnected(peerId)) return
    entry.dialling = true
    try {
      await dial(peerId)
    } catch {
      // Counted where the dial is made; being away is what this loop is for.
    } finally {
      entry.dialling = false
    }
    if (!isConnected(peerId)) schedule(peerId)
  }

  return {
    keep(peerId) {
      if (!kept.has(peerId)) kept.set(peerId, { attempt: 0, timer: undefined, dialling: false })
      if (!isConnected(peerId)) schedule(peerId)
    },
    connected(peerId) {
      const entry = kept.get(peerId)
      if (entry === undefined) return
      entry.attempt = 0
      clearTimeout(entry.timer)
      entry.timer = undefined
    },
    disconnected: schedule,
    stop() {
      stopped = true
      for (const entry of kept.values()) clearTimeout(entry.timer)
    },
  }
}
