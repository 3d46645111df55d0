import { expect, test } from 'vitest'
import { checkOperation } from '../../test/operation.ts'
import { seeded } from '../../test/seeded.ts'
import { createGraph } from '../graph/graph.ts'
import { createExecutable } from '../machine/executable.ts'
import { type ConvolutionOptions, conv2d } from './convolution.ts'

const cases: readonly (readonly [name: string, x: readonly number[], w: readonly number[], options: ConvolutionOptions])[] = [
  ['one window', [1, 1, 3, 3], [1, 1, 3, 3], {}],
  ['3 x 3, padded', [3, 2, 6, 7], [5, 2, 3, 3], { padding: [1, 1, 1, 1] }],
  ['1 x 1', [2, 5, 4, 5], [6, 5, 1, 1], {}],
  ['stride 2, one side padded', [2, 3, 7, 8], [4, 3, 3, 3], { stride: [2, 2], padding: [0, 1, 1, 1] }],
  ['stride 2 of 1 x 1', [2, 3, 8, 8], [4, 3, 1, 1], { stride: [2, 2] }],
  ['dilated', [2, 2, 9, 9], [3, 2, 3, 2], { dilation: [2, 3], padding: [2, 0, 2, 3] }],
  ['depthwise', [2, 4, 5, 6], [4, 1, 3, 3], { padding: [1, 1, 1, 1], groups: 4 }],
  ['groups', [3, 4, 5, 5], [6, 2, 2, 3], { groups: 2, stride: [1, 2] }],
  ['more than 256 terms and places', [2, 30, 17, 18], [4, 30, 3, 3], { padding: [1, 1, 1, 1] }],
  ['more images than parts', [11, 2, 4, 4], [3, 2, 3, 3], { padding: [1, 1, 1, 1] }],
  ['by Winograd', [3, 32, 6, 8], [32, 32, 3, 3], { padding: [1, 1, 1, 1] }],
  ['by Winograd, odd places and sides', [2, 33, 7, 5], [38, 33, 3, 3], { padding: [2, 0, 1, 1] }],
  ['by Winograd, several chunks and blocks', [17, 32, 9, 10], [34, 32, 3, 3], { padding: [0, 1, 0, 2] }],
  ['by Winograd, more than 256 channels', [1, 258, 4, 4], [32, 258, 3, 3], { padding: [1, 1, 1, 1] }],
  ['by Winograd, more than 256 filters', [1, 32, 4, 4], [260, 32, 3, 3], {}],
  ['a window that sees mostly zeros', [1, 2, 2, 2], [2, 2, 5, 5], { padding: [3, 3, 3, 3] }],
]

for (const [name, x, w, options] of cases) {
  test(`convolution, ${name}`, async () => {
    const random = (n: number) => Array.from({ length: n }, (_, i) => ((i * 7919) % 41) / 20 - 1)
    const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
    const operands = [
      { shape: x, data: random(size(x)) },
      { shape: w, data: random(size(w)).map((v) => v / 4) },
    ]
    const [y] = await checkOperation({ operands, build: (graph, a, b) => conv2d(graph, a!, b!, options) })
    const want = direct(operands[0]!.data, operands[1]!.data, x, w, options)
    expect(y!.length).toBe(want.length)
    for (const [i, { value, size }] of want.entries()) expect(Math.abs(y![i]! - value)).toBeLessThanOrEqual(1e-6 * (1 + size))
  })
}

/** The definition, in binary64, and the sum of its terms' sizes. */
function direct(
  x: readonly number[],
  w: readonly number[],
  xs: readonly number[],
  ws: readonly number[],
  options: ConvolutionOptions,
): { readonly value: number; readonly size: number }[] {
  const { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1], groups = 1 } = options
  const [n, c, h, width] = xs as [number, number, number, number]
  const [f, cg, kh, kw] = ws as [number, number, number, number]
  const oh = Math.floor((h + padding[0] + padding[2] - dilation[0] * (kh - 1) - 1) / stride[0]) + 1
  const ow = Math.floor((width + padding[1] + padding[3] - dilation[1] * (kw - 1) - 1) / stride[1]) + 1
  const y: { readonly value: number; readonly size: number }[] = []
  for (let i = 0; i < n; i++)
    for (let o = 0; o < f; o++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < ow; ox++) {
          let value = 0
          let size = 0
          for (let ci = 0; ci < cg; ci++)
            for (let ky = 0; ky < kh; ky++)
              for (let kx = 0; kx < kw; kx++) {
                const iy = oy * stride[0] + ky * dilation[0] - padding[0]
                const ix = ox * stride[1] + kx * dilation[1] - padding[1]
                if (iy < 0 || ix < 0 || iy >= h || ix >= width) continue
                const channel = Math.floor(o / (f / groups)) * cg + ci
                const term = x[((i * c + channel) * h + iy) * width + ix]! * w[((o * cg + ci) * kh + ky) * kw + kx]!
                value += term
                size += Math.abs(term)
              }
          y.push({ value, size })
        }
  return y
}

test('an image alone has the bits it has among others', () => {
  const graph = createGraph()
  const [x, w] = [graph.input('x', [5, 16, 7, 6]), graph.input('w', [20, 16, 3, 3])]
  const one = graph.input('one', [1, 16, 7, 6])
  const options: ConvolutionOptions = { padding: [1, 1, 1, 1] }
  const [all, alone] = [conv2d(graph, x, w, options), conv2d(graph, one, w, options)]
  const executable = createExecutable(graph, { keep: [all, alone] })
  const random = seeded(3)
  executable.f32(x).set(Array.from({ length: 5 * 16 * 42 }, () => random() - 0.5))
  executable.f32(w).set(Array.from({ length: 20 * 144 }, () => random() - 0.5))
  executable.f32(one).set(executable.f32(x).subarray(3 * 16 * 42, 4 * 16 * 42))
  executable.run()
  expect(executable.f32(alone)).toEqual(executable.f32(all).slice(3 * 20 * 42, 4 * 20 * 42))
})

test('the algorithm is chosen by shapes', () => {
  const op = (profile: 'f32' | 'bf16x', x: readonly number[], w: readonly number[], options: ConvolutionOptions = {}) => {
    const graph = createGraph(profile)
    conv2d(graph, graph.input('x', x), graph.input('w', w), options)
    return graph.nodes.at(-1)!.op.name
  }
  const [x, w] = [
    [1, 16, 6, 6],
    [16, 16, 3, 3],
  ]
  expect(op('f32', x, w)).toBe('conv2d by Winograd')
  for (const options of [{ stride: [1, 2] }, { dilation: [2, 1] }, { padding: [0, 0, 3, 0] }] as const)
    expect(op('f32', x, w, options), JSON.stringify(options)).toBe('conv2d')
  expect(op('bf16x', x, w)).toBe('conv2d')
  expect(op('f32', [1, 16, 6, 3], w)).toBe('conv2d')
  expect(op('f32', [1, 15, 6, 6], [16, 15, 3, 3])).toBe('conv2d')
  expect(op('f32', x, [15, 16, 3, 3])).toBe('conv2d')
  expect(op('f32', x, [16, 16, 3, 1])).toBe('conv2d')
  expect(op('f32', [1, 32, 6, 6], [32, 16, 3, 3], { groups: 2 })).toBe('conv2d')
})

test('what does not fit is refused', () => {
  const graph = createGraph()
  const x = graph.input('x', [1, 4, 5, 5])
  expect(() => conv2d(graph, x, graph.input('w', [2, 3, 3, 3]))).toThrow('expected a weight of 4 channels, received [2,3,3,3]')
  expect(() => conv2d(graph, x, graph.input('w', [2, 4, 6, 3]))).toThrow('expected a window of at most 5, received 6')
  expect(() => conv2d(graph, x, graph.input('w', [3, 2, 3, 3]), { groups: 2 })).toThrow('2 equal groups')
  expect(() => conv2d(createGraph('int8x'), x, graph.input('w', [2, 3, 3, 3]))).toThrow(
    'expected a weight of 4 channels, received [2,3,3,3]',
  )
})
