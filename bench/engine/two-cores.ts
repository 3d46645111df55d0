/** What this machine gives to two threads that share nothing: two cores of a cloud machine can be one that is shared, or somebody else's. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { createPeakProbe } from '../peak.ts'

const TURN_MS = 60

/** How many times the speed of one thread two threads have together, in the best turns. */
export async function speedOfTwo(turns: number): Promise<number> {
  const probe = createPeakProbe()
  const other = new Worker(new URL('./two-cores-worker.ts', import.meta.url))
  await once(other, 'online')
  const [alone, both]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < turns; turn++) {
    alone.push(sustained(probe.sample, TURN_MS))
    const theirs = once(other, 'message')
    other.postMessage(TURN_MS)
    const own = sustained(probe.sample, TURN_MS)
    both.push(own + ((await theirs)[0] as number))
  }
  await other.terminate()
  return Math.max(...both) / Math.max(...alone)
}

/** Mean of the samples of so many milliseconds. */
export function sustained(sample: () => number, ms: number): number {
  const end = performance.now() + ms
  let [sum, count] = [0, 0]
  while (performance.now() < end) {
    sum += sample()
    count++
  }
  return sum / count
}
