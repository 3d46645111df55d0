import type { Log } from './log.ts'
import type { NetworkEvents } from './network.ts'

type Name = keyof NetworkEvents

/** Listeners by event name; one that throws is logged and does not keep the others from hearing. */
export function createEvents(log: Log) {
  const listeners = new Map<Name, Set<(detail: never) => void>>()

  function on<E extends Name>(event: E, listener: (detail: NetworkEvents[E]) => void): () => void {
    let set = listeners.get(event)
    if (set === undefined) {
      set = new Set()
      listeners.set(event, set)
    }
    const entry = (detail: never) => listener(detail)
    set.add(entry)
    return () => void set.delete(entry)
  }

  function emit<E extends Name>(event: E, detail: NetworkEvents[E]): void {
    for (const listener of listeners.get(event) ?? []) {
      try {
        listener(detail as never)
      } catch (error) {
        log('error', 'event listener threw', { event, error })
      }
    }
  }

  return { on, emit, clear: () => listeners.clear() }
}
