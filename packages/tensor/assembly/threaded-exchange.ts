import { barrier, share } from './threads'
import { exchange } from './update-map'

/**
 * `exchange` on all threads: each moves its own coordinates and lists them where they would stand if all moved; thread 0 then closes the gaps.
 * Ranges ascend with the threads, so the words are those of one thread.
 *
 * Words: n, residual, step, weights, quanta [tau, q], words, counts [words, overdrive], scratch (two u32 a thread).
 */
export function threadedExchange(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const quanta = <usize>load<u32>(at, 16)
  const words = <usize>load<u32>(at, 20)
  const counts = <usize>load<u32>(at, 24)
  const scratch = <usize>load<u32>(at, 28)
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  const o = <usize>first << 2
  const own = scratch + (<usize>thread << 3)
  const found = exchange(
    <usize>load<u32>(at, 4) + o,
    <usize>load<u32>(at, 8) + o,
    <usize>load<u32>(at, 12) + o,
    words + o,
    own + 4,
    load<f32>(quanta),
    load<f32>(quanta, 4),
    end - first,
  )
  // The kernel counts from its own first coordinate.
  if (first > 0) {
    for (let i: u32 = 0; i < found; i++) {
      const word = words + o + (<usize>i << 2)
      store<u32>(word, load<u32>(word) + first)
    }
  }
  store<u32>(own, found)
  barrier(thread, threads)
  if (thread != 0) return
  let total = found
  let overdrive = load<u32>(scratch, 4)
  for (let t: u32 = 1; t < threads; t++) {
    const count = load<u32>(scratch + (<usize>t << 3))
    overdrive += load<u32>(scratch + (<usize>t << 3), 4)
    memory.copy(words + (<usize>total << 2), words + (<usize>share(n, 16, t, threads) << 2), <usize>count << 2)
    total += count
  }
  store<u32>(counts, total)
  store<u32>(counts, overdrive, 4)
}
