/**
 * What one thread of this machine can do at best: 128-bit multiply, then add, on values that never leave the registers.
 *
 * The kernels are WebAssembly, so the probe is too: a loop of independent chains x = x * a + b, each of four binary32 lanes. Too few chains
 * wait for each other, too many spill; which number is best depends on the processor, so several are tried.
 */
import { median } from './measure.ts'

const CHAINS = [8, 12, 14, 16]
const UNROLLED = 8

export interface PeakProbe {
  /** One sample of each variant; answers the best, GFLOP/s. */
  sample(): number
  /** The best variant's median, GFLOP/s. */
  gflops(): number
}

export function createPeakProbe(): PeakProbe {
  const variants = CHAINS.map((chains) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(probe(chains)))
    return { chains, run: exports.run as (turns: number, a: number, b: number) => number, speeds: [] as number[] }
  })
  const turns = 200_000
  // Values settle at 1, so no lane ever becomes subnormal or infinite.
  for (const { run } of variants) for (let i = 0; i < 3; i++) run(turns, 0.999, 0.001)
  return {
    sample() {
      for (const { chains, run, speeds } of variants) {
        const start = performance.now()
        run(turns, 0.999, 0.001)
        speeds.push((turns * UNROLLED * chains * 4 * 2) / (performance.now() - start) / 1e6)
      }
      return Math.max(...variants.map(({ speeds }) => speeds.at(-1)!))
    },
    gflops: () => Math.max(...variants.map(({ speeds }) => median(speeds))),
  }
}

/** A module with run(turns, a, b) -> f32; the sum it answers keeps the compiler from dropping the work. */
function probe(chains: number): Uint8Array<ArrayBuffer> {
  const get = (index: number) => [0x20, index]
  const set = (index: number) => [0x21, index]
  const splat = [0xfd, 0x13]
  const mul = [0xfd, 0xe6, 0x01]
  const add = [0xfd, 0xe4, 0x01]
  const [turns, a, b, va, vb, first] = [0, 1, 2, 3, 4, 5]
  const all = Array.from({ length: chains }, (_, chain) => first! + chain)
  const turn = all.flatMap((x) => [...get(x), ...get(va!), ...mul, ...get(vb!), ...add, ...set(x)])
  const code = [
    ...[...get(a!), ...splat, ...set(va!), ...get(b!), ...splat, ...set(vb!)],
    ...all.flatMap((x) => [...get(a!), ...splat, ...set(x)]),
    ...[0x03, 0x40],
    ...Array.from({ length: UNROLLED }, () => turn).flat(),
    // turns - 1, again if not zero.
    ...[...get(turns!), 0x41, 0x01, 0x6b, 0x22, turns!, 0x0d, 0x00, 0x0b],
    ...get(first!),
    ...all.slice(1).flatMap((x) => [...get(x), ...add]),
    ...[0xfd, 0x1f, 0x00, 0x0b],
  ]
  const body = [0x01, ...leb(2 + chains), 0x7b, ...code]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [0x01, 0x60, 0x03, 0x7f, 0x7d, 0x7d, 0x01, 0x7d]),
    ...section(3, [0x01, 0x00]),
    ...section(7, [0x01, 0x03, 0x72, 0x75, 0x6e, 0x00, 0x00]),
    ...section(10, [0x01, ...leb(body.length), ...body]),
  ])
}

function section(id: number, bytes: readonly number[]): number[] {
  return [id, ...leb(bytes.length), ...bytes]
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]
}
