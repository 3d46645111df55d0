import { expect, test } from 'vitest'
import { createProposer, power, stepRegisters } from './proposal.ts'
import { cosineOfPi, rateOf } from './rate.ts'

test('the cosine is that of the platform to 2^-50, and exact at the ends and in the middle', () => {
  for (let i = 0; i <= 1000; i++) expect(Math.abs(cosineOfPi(i / 1000) - Math.cos((Math.PI * i) / 1000))).toBeLessThan(2 ** -50)
  expect([0, 0.5, 1].map(cosineOfPi)).toEqual([1, 0, -1])
})

test('powers', () => {
  expect([power(0.5, 0), power(0.5, 1), power(0.5, 10), power(3, 5)]).toEqual([1, 0.5, 2 ** -10, 243])
  expect(Math.abs(power(0.999, 5000) / 0.999 ** 5000 - 1)).toBeLessThan(1e-12)
})

test('rates: constant, steps, half a cosine, and a linear warm-up before any', () => {
  const at = (schedule: Parameters<typeof rateOf>[0]['schedule'], warmup: number, ...steps: number[]) =>
    steps.map((step) => rateOf({ rate: 0.5, warmup, schedule }, step))
  expect(at(undefined, 0, 1, 100)).toEqual([0.5, 0.5])
  expect(at({ type: 'constant' }, 4, 1, 2, 4, 5)).toEqual([0.125, 0.25, 0.5, 0.5])
  expect(at({ type: 'step', every: 3, factor: 0.5 }, 0, 1, 3, 4, 6, 7)).toEqual([0.5, 0.5, 0.25, 0.25, 0.125])
  expect(at({ type: 'cosine', steps: 10 }, 0, 1, 6, 11, 50)).toEqual([0.5, 0.25, 0, 0])
  expect(at({ type: 'cosine', steps: 10, final: 0.5 }, 2, 1, 11)).toEqual([expect.closeTo(0.247, 2), 0.25])
  expect(() => rateOf({ rate: 1, schedule: { type: 'linear' } as never }, 1)).toThrow('schedule: expected constant, step or cosine')
})

test("registers: Adam's corrections at the first step undo its first weights", () => {
  const [rate, first, second, decay] = stepRegisters({ type: 'adamw', weightDecay: 0.5 }, 0.25, 1)
  expect([rate, decay]).toEqual([0.25, 0.125])
  expect(first).toBe(Math.fround(1 / (1 - Math.fround(0.9))))
  expect(second).toBe(Math.fround(1 / (1 - Math.fround(0.999))))
  expect(stepRegisters({ type: 'momentum' }, 0.1, 3)).toEqual([Math.fround(0.1), 0, 0, 0])
})

test('Adam follows a gradient that stays by its rate: its means and their corrections are of the same betas', () => {
  const follow = createProposer({ type: 'adam' }, 2, 1)
  for (let step = 1; step <= 20; step++) {
    const [up, down] = follow(Float32Array.of(-1, 1), Float32Array.of(0, 0), 0.5, step)
    expect(Math.abs(up! - 0.5)).toBeLessThan(1e-6)
    expect(down).toBe(-up!)
  }
})

test('an optimiser as people write it is that of a document, which holds binary32 numbers', () => {
  const gradient = Float32Array.of(0.3, -0.7, 11)
  const weights = Float32Array.of(1, 2, 3)
  const written = [
    { type: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 },
    { type: 'rmsprop', rho: 0.99, epsilon: 1e-8, clip: { type: 'norm', max: 0.1 } },
    { type: 'nesterov', momentum: 0.9, weightDecay: 0.1, clip: { type: 'value', max: 0.7 } },
  ] as const
  const held = (value: unknown) => JSON.parse(JSON.stringify(value), (_, part) => (typeof part === 'number' ? Math.fround(part) : part))
  for (const spec of written) {
    const [own, documents] = [createProposer(spec, 3, 10), createProposer(held(spec), 3, 10)]
    for (let step = 1; step <= 5; step++) expect(own(gradient, weights, 0.1, step)).toEqual(documents(gradient, weights, 0.1, step))
  }
})
