import { BAN_SCORE } from './limits.ts'

/** Score that comes back by itself: a peer with one bad message a minute never falls, one with five a minute does. */
const RECOVERY_PER_MS = 0.1 / 1000

export interface Reputation {
  /** 0 (no fault known) down to -100. */
  score(peerId: string): number
  /** Lower the score; tells the new score and whether this call banned the peer. */
  penalise(peerId: string, points: number): { score: number; bannedUntilMs: number | undefined }
  isBanned(peerId: string): boolean
}

export interface ReputationOptions {
  peersMax: number
  bannedMax: number
  banMs: number
  now: () => number
}

/** Scores and bans by peer id. Both tables are bounded; the oldest entry goes first. */
export function createReputation({ peersMax, bannedMax, banMs, now }: ReputationOptions): Reputation {
  const faults = new Map<string, { score: number; atMs: number }>()
  const bans = new Map<string, number>()

  function isBanned(peerId: string): boolean {
    const until = bans.get(peerId)
    if (until === undefined) return false
    if (until > now()) return true
    bans.delete(peerId)
    return false
  }

  function score(peerId: string): number {
    if (isBanned(peerId)) return BAN_SCORE
    const entry = faults.get(peerId)
    if (entry === undefined) return 0
    return Math.min(0, entry.score + (now() - entry.atMs) * RECOVERY_PER_MS)
  }

  function penalise(peerId: string, points: number) {
    if (!(points > 0 && points < Infinity)) throw new RangeError(`points: expected a positive number, received ${points}`)
    if (isBanned(peerId)) return { score: BAN_SCORE, bannedUntilMs: undefined }
    const fallen = Math.max(BAN_SCORE, score(peerId) - points)
    faults.delete(peerId)
    if (fallen > BAN_SCORE) {
      faults.set(peerId, { score: fallen, atMs: now() })
      if (faults.size > peersMax) faults.delete(faults.keys().next().value as string)
      return { score: fallen, bannedUntilMs: undefined }
    }
    const bannedUntilMs = now() + banMs
    bans.set(peerId, bannedUntilMs)
    if (bans.size > bannedMax) bans.delete(bans.keys().next().value as string)
    return { score: BAN_SCORE, bannedUntilMs }
  }

  return { score, penalise, isBanned }
}
