/**
 * The training engine against others in one run: the same models, data and steps, one thread unless a row says more.
 *
 * TensorFlow.js runs in this process and PyTorch, where there is one, in a child. A step is forward pass, backward pass and w -= rate / batch * g.
 */
import { availableParallelism } from 'node:os'
import { createArena, createBackend } from '@pouw/tensor'
import { type AlternateOptions, alternate, type Engine } from './engine/alternate.ts'
import { memoryRows } from './engine/memory.ts'
import { createOurs, type Ours } from './engine/ours.ts'
import { createProduct, createTfjs, version as tfjsVersion } from './engine/tfjs.ts'
import { startTorch, type Torch } from './engine/torch.ts'
import { speedOfTwo } from './engine/two-cores.ts'
import { createWork, seeded, type Work } from './engine/works.ts'
import { protocolOverhead } from './iteration.ts'
import { median } from './measure.ts'
import { createPeakProbe } from './peak.ts'
import { type Bounds, type Row, row, skippedRow, type Topic, type TopicOptions } from './row.ts'

const SIZES = [256, 512, 1024] as const
const OF_THE_PEAK = { must: 0.85, aim: 0.95 }
const GEMM_TO_TFJS = { must: 1.3, aim: 1.45 }

/** What TensorFlow.js can train: its WebAssembly has no derivative of a convolution's filters. */
const TFJS = {
  mlp: { backend: 'wasm', bound: { must: 8, aim: 12 } },
  gpt: { backend: 'wasm', bound: { must: 10, aim: 15 } },
  cnn: { backend: 'cpu', bound: { must: 300, aim: 700 } },
} as const
const TORCH = {
  mlp: { must: 0.4, aim: 0.55 },
  cnn: { must: 0.7, aim: 1 },
  gpt: { must: 0.5, aim: 0.7 },
  resnet: { must: 0.5, aim: 0.9 },
} as const
const THREADS = { must: 1.6, aim: 1.9 }
const OVERHEAD = { must: 8, aim: 4 }
const INT8 = { must: 1.3 }

const NAMES = {
  mlp: 'mlp 784-256-10, batch 64',
  cnn: 'cnn 28x28, 3x3x16, 3x3x32, batch 32',
  gpt: 'gpt block, width 128, time 64, batch 8',
  resnet: 'resnet-18 for 32x32, batch 32',
} as const
type Raced = keyof typeof NAMES
const WORKS = ['mlp', 'cnn', 'gpt', 'resnet'] as const

export const engine: Topic = async (options) => {
  const works = Object.fromEntries(WORKS.map((name) => [name, createWork(name)])) as Record<Raced, Work>
  const torch = await startTorch(Object.values(works))
  options.say(`TensorFlow.js ${tfjsVersion}, ${typeof torch === 'string' ? torch : `PyTorch ${torch.version}`}`)
  try {
    return [
      ...(await gemmRows(options)),
      ...(await stepRows(works, torch, options)),
      ...(await threadRows(works, options)),
      ...overheadRows(await protocolOverhead(options)),
      ...(await int8Rows(options)),
      ...(await memoryRows(options)),
    ]
  } finally {
    if (typeof torch !== 'string') torch.close()
  }
}

async function gemmRows({ quick, say }: TopicOptions): Promise<Row[]> {
  const peak = createPeakProbe()
  const rows: Row[] = []
  for (const n of quick ? [256] : SIZES) {
    say(`gemm ${n}`)
    const works = { ours: ourProduct(n), theirs: await createProduct(n, seeded(n)) }
    const flops = 2 * n ** 3
    const repeat = Math.max(1, Math.round(2e9 / flops))
    const speeds = { ours: [] as number[], theirs: [] as number[] }
    const [toPeak, toTheirs]: [number[], number[]] = [[], []]
    for (const work of Object.values(works)) work()
    for (let round = 0; round < (quick ? 1 : 11); round++) {
      for (const name of ['ours', 'theirs'] as const) {
        const start = performance.now()
        for (let i = 0; i < repeat; i++) works[name]()
        speeds[name].push((flops * repeat) / (performance.now() - start) / 1e6)
      }
      // The round's own peak, so that a machine that slows down slows both.
      toPeak.push(speeds.ours.at(-1)! / peak.sample())
      toTheirs.push(speeds.ours.at(-1)! / speeds.theirs.at(-1)!)
    }
    rows.push(
      row(`gemm n=${n}`, median(speeds.ours), 'GFLOP/s', { baseline: median(speeds.theirs) }),
      ...ratioRows(`gemm n=${n}: share of the 128-bit peak`, summary(toPeak), { atLeast: OF_THE_PEAK }),
      ...ratioRows(`gemm n=${n}: speed over tfjs-wasm`, summary(toTheirs), { atLeast: GEMM_TO_TFJS }),
      row(`gemm n=${n}: the peak itself over tfjs-wasm`, median(toTheirs.map((ratio, i) => ratio / toPeak[i]!)), 'x'),
    )
  }
  return [row('peak of 128-bit multiply-then-add', peak.gflops(), 'GFLOP/s'), ...rows]
}

function ourProduct(n: number): () => void {
  const arena = createArena()
  const [x, w, y] = [0, 1, 2].map(() => arena.take(4 * n * n)) as [number, number, number]
  const scratch = arena.take(createBackend('wasm', 0).kernels.gemmScratchBytes())
  const { memory, kernels } = createBackend('wasm', arena.bytes)
  const random = seeded(n)
  for (const at of [x, w]) new Float32Array(memory, at, n * n).set(Float32Array.from({ length: n * n }, () => random() - 0.5))
  return () => kernels.gemmNT(n, n, n, x, w, y, scratch)
}

async function stepRows(works: Readonly<Record<Raced, Work>>, torch: Torch | string, options: TopicOptions): Promise<Row[]> {
  const rows: Row[] = []
  for (const name of options.quick ? (['mlp'] as const) : WORKS) {
    options.say(NAMES[name])
    const work = works[name]
    const tfjs = name === 'resnet' ? undefined : TFJS[name]
    const engines: Record<'ours' | 'tfjs' | 'torch', Engine | undefined> = {
      ours: await createOurs(work),
      torch: typeof torch === 'string' ? undefined : torch.engine(work),
      tfjs: tfjs && (await createTfjs(work, tfjs.backend)),
    }
    const step = `step of ${NAMES[name]}`
    // A step of the slow engine takes seconds, so it gets rounds of its own, with a net of ours that starts anew.
    const slow = tfjs?.backend === 'cpu'
    const both = await race({ ours: engines.ours, torch: engines.torch, ...(slow ? {} : { tfjs: engines.tfjs }) }, pace(name, options))
    const far = slow
      ? await race({ ours: await createOurs(work), tfjs: engines.tfjs }, { rounds: options.quick ? 1 : 2, turnMs: 100 })
      : both
    rows.push(row(`${step}: ours`, both.ms('ours'), 'ms'))
    if (tfjs) {
      rows.push(row(`${step}: tfjs-${tfjs.backend}`, far.ms('tfjs'), 'ms'))
      rows.push(...ratioRows(`${step}: speed over tfjs-${tfjs.backend}`, far.ratio('tfjs', 'ours'), { atLeast: tfjs.bound }))
    }
    if (typeof torch === 'string') rows.push(skippedRow(`${step}: speed over PyTorch`, 'x', torch))
    else {
      rows.push(row(`${step}: PyTorch`, both.ms('torch'), 'ms'))
      rows.push(...ratioRows(`${step}: speed over PyTorch`, both.ratio('torch', 'ours'), { atLeast: TORCH[name] }))
    }
    for (const one of Object.values(engines)) one?.close()
  }
  return rows
}

/** Those of the engines that there are. */
function race(engines: Readonly<Record<string, Engine | undefined>>, options: AlternateOptions) {
  return alternate<string>(Object.fromEntries(Object.entries(engines).filter(([, one]) => one)) as Record<string, Engine>, options)
}

function pace(name: Raced, { quick }: TopicOptions): AlternateOptions {
  return quick ? { rounds: 1, turnMs: 5 } : { rounds: name === 'resnet' ? 3 : 9, turnMs: 250 }
}

async function threadRows(works: Readonly<Record<Raced, Work>>, { quick, say }: TopicOptions): Promise<Row[]> {
  const title = (name: Raced) => `step of ${NAMES[name]}: 2 threads over 1, best turns`
  const names = ['cnn', 'gpt'] as const
  if (availableParallelism() < 2) return names.map((name) => skippedRow(title(name), 'x', 'this machine has one core'))
  say('2 threads')
  const given = await speedOfTwo(quick ? 1 : 20)
  const rows = [row('128-bit peak: 2 threads over 1, best turns', given, 'x')]
  for (const name of names) {
    say(`2 threads: ${NAMES[name]}`)
    const engines: Record<'one' | 'two', Ours> = { one: await createOurs(works[name]), two: await createOurs(works[name], { threads: 2 }) }
    const { turns } = await alternate(engines, { rounds: quick ? 1 : 40, turnMs: quick ? 5 : 60 })
    // Whoever else runs takes the second core from two threads and not from one, so that only the best turns speak of the engine.
    const value = Math.min(...turns.one) / Math.min(...turns.two)
    const hopeless = `this machine gives two threads ${given.toFixed(2)} times the speed of one, and ours reach ${value.toFixed(2)}`
    rows.push(given < THREADS.must ? skippedRow(title(name), 'x', hopeless) : row(title(name), value, 'x', { atLeast: THREADS }))
    for (const one of Object.values(engines)) one.close()
  }
  return rows
}

function overheadRows({ training, inTurn, beside }: Awaited<ReturnType<typeof protocolOverhead>>): Row[] {
  const title = 'protocol overhead (hashes, residual, map, signed message) over a training step of 10 ms and more'
  return [
    row(title, (100 * beside) / training, '%', { atMost: OVERHEAD }),
    row(`${title}, hashes in turn instead of beside`, (100 * inTurn) / training, '%'),
  ]
}

const NEARLY_ALL_PRODUCTS = { wide: 'mlp 1024-1024-1024-10, batch 256', resnet: NAMES.resnet } as const

/** Steps that are nearly all products of matrices. */
async function int8Rows({ quick, say }: TopicOptions): Promise<Row[]> {
  const rows: Row[] = []
  for (const name of quick ? (['wide'] as const) : (['wide', 'resnet'] as const)) {
    say(`int8x ${name}`)
    const work = createWork(name)
    const engines = { f32: await createOurs(work), int8x: await createOurs(work, { profile: 'int8x' }) }
    // Other numbers, so their losses are not compared.
    const raced = await alternate(engines, { rounds: quick ? 1 : name === 'wide' ? 7 : 3, turnMs: 150, sameLosses: false })
    rows.push(row(`step of ${NEARLY_ALL_PRODUCTS[name]}: int8x over f32`, raced.ratio('f32', 'int8x').value, 'x', { atLeast: INT8 }))
  }
  return rows
}

interface Summary {
  readonly value: number
  readonly spread: number
}

function summary(ratios: readonly number[]): Summary {
  const value = median(ratios)
  return { value, spread: (Math.max(...ratios) - Math.min(...ratios)) / value }
}

function ratioRows(name: string, { value, spread }: Summary, bounds: Bounds): Row[] {
  return [row(name, value, 'x', bounds), row(`${name}, spread`, 100 * spread, '%')]
}
