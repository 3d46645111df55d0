/** A priority queue by time, first in first out among equals: the order of a simulation must not depend on anything else. */
export interface Queue<T> {
  push(atMs: number, item: T): void
  pop(): { readonly atMs: number; readonly item: T } | undefined
  /** Time of the next item; undefined if there is none. */
  readonly nextMs: number | undefined
  readonly size: number
}

interface Slot<T> {
  readonly atMs: number
  readonly turn: number
  readonly item: T
}

export function createQueue<T>(): Queue<T> {
  const heap: Slot<T>[] = []
  let turns = 0

  function before(a: Slot<T>, b: Slot<T>): boolean {
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn)
  }

  return {
    push(atMs, item) {
      let at = heap.length
      heap.push({ atMs, turn: turns++, item })
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!before(heap[at]!, heap[parent]!)) break
        ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
        at = parent
      }
    },
    pop() {
      const top = heap[0]
      const last = heap.pop()
      if (!top || !last) return undefined
      if (heap.length > 0) {
        heap[0] = last
        for (let at = 0; ; ) {
          const left = 2 * at + 1
          if (left >= heap.length) break
          const child = left + 1 < heap.length && before(heap[left + 1]!, heap[left]!) ? left + 1 : left
          if (!before(heap[child]!, heap[at]!)) break
          ;[heap[at], heap[child]] = [heap[child]!, heap[at]!]
          at = child
        }
      }
      return top
    },
    get nextMs() {
      return heap[0]?.atMs
    },
    get size() {
      return heap.length
    },
  }
}
