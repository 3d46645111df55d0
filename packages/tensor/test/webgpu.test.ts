import { afterAll, expect, test } from 'vitest'
import {
  createExecutable,
  createGpuExecutable,
  createGraph,
  differentiate,
  type Graph,
  matmul,
  openGpu,
  relu,
  type Value,
} from '../src/index.ts'
import { attention } from '../src/ops/attention.ts'
import { conv2d } from '../src/ops/convolution.ts'
import { int8Shader } from '../src/webgpu/int8-shader.ts'
import { seeded } from './seeded.ts'

const lines: string[] = []
/** Another place than the installed package, where somebody tests without installing it here. */
const elsewhere = process.env.POUW_WEBGPU
const provider = elsewhere ? await import(elsewhere) : undefined
if (provider) Object.assign(globalThis, provider.globals)
const options = provider ? { gpu: provider.create([]) as GPU } : {}
const gpu = await openGpu({ ...options, log: (line) => lines.push(line) })
const skipped = gpu ? '' : ` (${lines.join('; ')})`
afterAll(() => gpu?.close())

test('opening says in one line what serves', () => {
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(gpu ? /products run on .*WebAssembly's bits/ : /WebGPU: .*run in WebAssembly|is refused/)
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

test.skipIf(!gpu).each(Object.entries(builds))(
  `%s forward and backward have WebAssembly's bits${skipped}`,
  async (_name, { shapes, build }) => {
    const graph = createGraph('int8x')
    const operands = shapes.map((shape, i) => graph.input(`operand ${i}`, shape))
    const y = build(graph, ...(operands as [Value, ...Value[]]))
    const seed = graph.input('seed', y.shape)
    const gradients = differentiate(graph, { seeds: new Map([[y, seed]]), wanted: operands })
    const keep = [y, ...gradients.values()]
    const executables = [createExecutable(graph, { keep }), createGpuExecutable(graph, { keep, gpu: gpu! })]
    const [expected, found] = await Promise.all(
      executables.map(async (executable) => {
        const random = seeded(3)
        for (const value of [...operands, seed])
          for (const [i] of executable.f32(value).entries()) executable.f32(value)[i] = random() * 2 - 1
        executable.i32(graph.key()).set([4, 5])
        await executable.run()
        return keep.map((value) => Buffer.from(executable.f32(value).slice().buffer).toString('hex'))
      }),
    )
    expect(found).toEqual(expected)
  },
)

test.skipIf(!gpu)(`a shader that is wrong in one place is refused${skipped}`, async () => {
  const said: string[] = []
  const wrong = int8Shader.replace(
    'result[c + row * grid.ldc + column] = total;',
    'result[c + row * grid.ldc + column] = total + select(0, 1, row == 36u && column == 20u);',
  )
  expect(wrong).not.toBe(int8Shader)
  expect(await openGpu({ ...options, shader: wrong, log: (line) => said.push(line) })).toBeUndefined()
  expect(said[0]).toMatch(/is refused, since it does not compute what WebAssembly computes: product 2, number 776: expected/)
})

test('a device that is lost is replaced by WebAssembly, to the same bits', async () => {
  const graph = createGraph('int8x')
  const [x, w] = [graph.input('x', [5, 9]), graph.input('w', [4, 9])]
  const y = matmul(graph, x, w)
  const said: string[] = []
  const broken = { name: 'a device', product: () => Promise.reject(new Error('lost')), close() {} }
  const executable = createGpuExecutable(graph, { keep: [y], gpu: broken, log: (line) => said.push(line) })
  executable.f32(x).fill(0.5)
  executable.f32(w).fill(0.25)
  await executable.run()
  await executable.run()
  expect(Array.from(executable.f32(y))).toEqual(new Array(20).fill(9 / 8))
  expect(said).toEqual(['WebGPU: a device: lost; int8x products run in WebAssembly from here on'])
})
