import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, expect, test } from 'vitest'
import {
  createExecutable,
  createGpuExecutable,
  createGraph,
  differentiate,
  type Gpu,
  type GpuProfile,
  type Graph,
  matmul,
  openGpu,
  relu,
  type Value,
} from '../src/index.ts'
import { attention } from '../src/ops/attention.ts'
import { conv2d } from '../src/ops/convolution.ts'
import { bf16Shader } from '../src/webgpu/bf16-shader.ts'
import { int8Shader } from '../src/webgpu/int8-shader.ts'
import { seeded } from './seeded.ts'

const lines: Record<GpuProfile, string[]> = { int8x: [], bf16x: [] }
/** Another place than the installed package, where somebody tests without installing it here. */
const elsewhere = process.env.POUW_WEBGPU
const provider = elsewhere ? await import(elsewhere) : undefined
if (provider) Object.assign(globalThis, provider.globals)
const options = provider ? { gpu: provider.create([]) as GPU } : {}
const open = (profile: GpuProfile) => openGpu({ ...options, profile, log: (line) => lines[profile].push(line) })
const gpus = { int8x: await open('int8x'), bf16x: await open('bf16x') }
const skipped = (profile: GpuProfile) => (gpus[profile] ? '' : ` (${lines[profile].join('; ')})`)
afterAll(() => {
  for (const gpu of Object.values(gpus)) gpu?.close()
})

test.each(['int8x', 'bf16x'] as const)('opening for %s says in one line what serves', (profile) => {
  expect(lines[profile]).toHaveLength(1)
  expect(lines[profile][0]).toMatch(gpus[profile] ? /products run on .*WebAssembly's bits/ : /WebGPU: .*run in WebAssembly|is refused/)
})

const builds: Record<string, { shapes: number[][]; build: (graph: Graph, ...operands: Value[]) => Value }> = {
  dense: {
    shapes: [
      [33, 70],
      [20, 70],
      [9, 20],
    ],
    build: (graph, x, w, v) => matmul(graph, relu(graph, matmul(graph, x, w!)), v!),
  },
  convolution: {
    shapes: [
      [3, 4, 9, 8],
      [6, 2, 3, 3],
    ],
    build: (graph, x, w) => conv2d(graph, x, w!, { padding: [1, 1, 1, 1], stride: [2, 1], groups: 2 }),
  },
  attention: { shapes: [[2, 17, 24]], build: (graph, x) => attention(graph, x, { heads: 2, causal: true }) },
}

const cases = (['int8x', 'bf16x'] as const).flatMap((profile) =>
  Object.entries(builds).map(([name, built]) => ({ profile, name, ...built })),
)

for (const { profile, name, shapes, build } of cases) {
  const gpu = gpus[profile]
  test.skipIf(!gpu)(`${profile}: ${name} forward and backward has WebAssembly's bits${skipped(profile)}`, async () => {
    const graph = createGraph(profile, { direct: true })
    const operands = shapes.map((shape, i) => graph.input(`operand ${i}`, shape))
    const y = build(graph, ...(operands as [Value, ...Value[]]))
    const seed = graph.input('seed', y.shape)
    const gradients = differentiate(graph, { seeds: new Map([[y, seed]]), wanted: operands })
    const keep = [y, ...gradients.values()]
    let asked = 0
    const counting: Gpu = { ...gpu!, product: (...given) => gpu!.product(...given).finally(() => asked++) }
    const executables = [createExecutable(graph, { keep }), createGpuExecutable(graph, { keep, gpu: counting })]
    const [expected, found] = await Promise.all(
      executables.map(async (executable) => {
        const random = seeded(3)
        for (const value of [...operands, seed])
          for (const [i] of executable.f32(value).entries()) executable.f32(value)[i] = random() * 2 - 1
        if (graph.madeKey) executable.i32(graph.madeKey).set([4, 5])
        await executable.run()
        return keep.map((value) => Buffer.from(executable.f32(value).slice().buffer).toString('hex'))
      }),
    )
    expect(found).toEqual(expected)
    expect(asked).toBe(graph.nodes.filter(({ op }) => op.code === (profile === 'int8x' ? 0x803 : 0x101)).length)
    expect(graph.nodes.filter(({ op }) => [0x102, 0x103, 0x201, 0x202, 0x203].includes(op.code))).toEqual([])
  })
}

test.skipIf(!gpus.bf16x)(`bf16x: an infinity in an operand is WebAssembly's business${skipped('bf16x')}`, async () => {
  const graph = createGraph('bf16x')
  const [x, w] = [graph.input('x', [5, 9]), graph.input('w', [4, 9])]
  const y = matmul(graph, x, w)
  let asked = 0
  const counting: Gpu = { ...gpus.bf16x!, product: (...given) => gpus.bf16x!.product(...given).finally(() => asked++) }
  const executable = createGpuExecutable(graph, { keep: [y], gpu: counting })
  executable.f32(x).fill(0)[3] = Number.POSITIVE_INFINITY
  executable.f32(w).fill(0)
  await executable.run()
  expect(Array.from(executable.f32(y).subarray(0, 8))).toEqual([...new Array(4).fill(Number.NaN), 0, 0, 0, 0])
  expect(asked).toBe(0)
  executable.f32(x)[3] = 1
  await executable.run()
  expect(Array.from(executable.f32(y))).toEqual(new Array(20).fill(0))
  expect(asked).toBe(1)
})

test.skipIf(!gpus.bf16x)(`a shader that adds in another order, or rounds elsewhere, is refused${skipped('bf16x')}`, async () => {
  for (const [from, to] of [
    ['p0 % 256u == 240u', 'p0 % 512u == 496u'],
    ['for (var p = 0u; p < 16u; p++) {', 'for (var q = 0u; q < 16u; q++) { let p = 15u - q;'],
    ['chunk += tileA', 'chunk = 1.0000001 * chunk + tileA'],
  ] as const) {
    const shader = bf16Shader.replace(from, to)
    expect(shader).not.toBe(bf16Shader)
    const said: string[] = []
    expect(await openGpu({ ...options, profile: 'bf16x', shader, log: (line) => said.push(line) }), to).toBeUndefined()
    expect(said[0]).toMatch(/is refused, since it does not compute what WebAssembly computes: product/)
  }
})

test.skipIf(!provider)('an open device keeps its implementation from the garbage collector', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const gpu = await openGpu({ gpu: provider.create([]) as GPU })
  const product = {
    kind: 0,
    m: 8,
    n: 8,
    k: 8,
    lda: 8,
    ldb: 8,
    ldc: 8,
    outer: 1,
    inner: 1,
    steps: new Array(6).fill(0),
    sum: false,
  } as const
  const ones = new Int8Array(64).fill(1)
  for (let i = 0; i < 10; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await gpu!.product({ ...product, offsets: [0, 0] }, ones, ones, 64))[0]).toBe(8)
  }
  gpu!.close()
})

test('a device opened for one profile serves no other', () => {
  const graph = createGraph('bf16x')
  const y = matmul(graph, graph.input('x', [2, 3]), graph.input('w', [4, 3]))
  const gpu: Gpu = { name: 'a device', profile: 'int8x', product: () => Promise.reject(new Error('unasked')), close() {} }
  expect(() => createGpuExecutable(graph, { keep: [y], gpu })).toThrow('expected one opened for profile bf16x, received one for int8x')
})

test.skipIf(!gpus.int8x)(`a shader that is wrong in one place is refused${skipped('int8x')}`, async () => {
  const said: string[] = []
  const wrong = int8Shader.replace(
    'result[c + row * grid.ldc + column] = total;',
    'result[c + row * grid.ldc + column] = total + select(0, 1, row == 36u && column == 20u);',
  )
  expect(wrong).not.toBe(int8Shader)
  expect(await openGpu({ ...options, shader: wrong, log: (line) => said.push(line) })).toBeUndefined()
  expect(said[0]).toMatch(/is refused, since it does not compute what WebAssembly computes: product 2, numbers 1, place 776: expected/)
})

test('a device that is lost is replaced by WebAssembly, to the same bits', async () => {
  const graph = createGraph('int8x')
  const [x, w] = [graph.input('x', [5, 9]), graph.input('w', [4, 9])]
  const y = matmul(graph, x, w)
  const said: string[] = []
  const broken: Gpu = { name: 'a device', profile: 'int8x', product: () => Promise.reject(new Error('lost')), close() {} }
  const executable = createGpuExecutable(graph, { keep: [y], gpu: broken, log: (line) => said.push(line) })
  executable.f32(x).fill(0.5)
  executable.f32(w).fill(0.25)
  await executable.run()
  await executable.run()
  expect(Array.from(executable.f32(y))).toEqual(new Array(20).fill(9 / 8))
  expect(said).toEqual(['WebGPU: a device: lost; int8x products run in WebAssembly from here on'])
})
