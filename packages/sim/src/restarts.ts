/** Nodes that die and come back: when, who, and for how long (a scenario's `restarts`). */
import type { World } from './world.ts'

export interface Restart {
  /** A node's name (`miner-2`, `client`), or who leads or does not lead the supervisors at that moment. */
  readonly node: string
  /** Virtual seconds after the start, or after the client saw its task enter the phase `since`. */
  readonly atS: number
  readonly since?: string
  /** Virtual seconds until it starts again. */
  readonly downS: number
  /** Dies not between two steps but in its next step with more effects than this, after so many of them. */
  readonly afterEffects?: number
}

/** The supervisor that leads, and the first that does not: known once a history has been published. */
export const LEADING_SUPERVISOR = 'leading-supervisor'
export const FOLLOWING_SUPERVISOR = 'following-supervisor'

export interface Restarts {
  /** When something is to be done next; undefined when nothing is left, or what is left waits for its phase. */
  nextMs(): number | undefined
  /** Does what is due. */
  perform(nowMs: number): void
  done(): { readonly node: string; readonly downAtS: number; readonly upAtS: number | null }[]
}

/** @throws RangeError if the world has no such node */
export function createRestarts(
  world: World,
  plan: readonly Restart[],
  startMs: number,
  phases: () => readonly { readonly state: string; readonly atS: number }[],
): Restarts {
  const symbolic = new Set([LEADING_SUPERVISOR, FOLLOWING_SUPERVISOR])
  for (const { node } of plan) {
    if (!symbolic.has(node) && !world.nodes.some(({ name }) => name === node)) throw new RangeError(`restarts: there is no node ${node}`)
  }
  const waiting = new Set(plan)
  const down: { node: string; downAtS: number; upAtS: number | null; upMs: number }[] = []

  return {
    nextMs() {
      const due = [...waiting].flatMap((restart) => dueMs(restart) ?? [])
      for (const { upAtS, upMs } of down) if (upAtS === null) due.push(upMs)
      return due.length === 0 ? undefined : Math.min(...due)
    },
    perform(nowMs) {
      for (const entry of down) {
        if (entry.upAtS !== null || entry.upMs > nowMs) continue
        // It waited for a step with enough effects, and none came.
        if (world.nodes.find(({ name }) => name === entry.node)!.isUp) world.kill(entry.node)
        world.restart(entry.node)
        entry.upAtS = (nowMs - startMs) / 1000
      }
      for (const restart of waiting) {
        const at = dueMs(restart)
        if (at === undefined || at > nowMs) continue
        waiting.delete(restart)
        const node = resolve(restart.node)
        world.kill(node, restart.afterEffects)
        down.push({ node, downAtS: (nowMs - startMs) / 1000, upAtS: null, upMs: nowMs + restart.downS * 1000 })
      }
    },
    done: () => down.map(({ node, downAtS, upAtS }) => ({ node, downAtS, upAtS })),
  }

  function dueMs({ since, atS }: Restart): number | undefined {
    const fromS = since === undefined ? 0 : phases().find(({ state }) => state === since)?.atS
    return fromS === undefined ? undefined : startMs + (fromS + atS) * 1000
  }

  function resolve(node: string): string {
    if (!symbolic.has(node)) return node
    const supervisors = world.nodes.filter(({ name }) => name.startsWith('supervisor-'))
    const leader = supervisors.find(({ emitted }) => emitted.some(({ name }) => name === 'history-published'))
    if (!leader) throw new RangeError(`restarts: nobody leads yet, so there is no ${node}; let it wait for a phase (since: TRAINING)`)
    return node === LEADING_SUPERVISOR ? leader.name : supervisors.find((other) => other !== leader)!.name
  }
}
