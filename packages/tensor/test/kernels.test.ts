import { expect, test } from 'vitest'
import { createArena } from '../src/arena.ts'
import { createBackend } from '../src/backend.ts'
import type { Kernels } from '../src/kernels.ts'
import { bits, seeded, values } from './seeded.ts'

/** Runs one operation on equal memory in both backends and compares its result and the regions it may write. */
function compare(
  name: string,
  regions: readonly (Float32Array | Uint8Array | Uint32Array | Int32Array)[],
  run: (kernels: Kernels, at: number[], scratch: number) => unknown,
): Float32Array[] {
  const results = (['wasm', 'reference'] as const).map((backend) => {
    const arena = createArena()
    const at = regions.map((region) => arena.take(region.byteLength + 64))
    const scratch = arena.take(1 << 20)
    const { memory, kernels } = createBackend(backend, arena.bytes)
    for (const [i, region] of regions.entries()) {
      new Uint8Array(memory).set(new Uint8Array(region.buffer, region.byteOffset, region.byteLength), at[i])
    }
    const value = run(kernels, at, scratch)
    // 64 more bytes than the region, so that a write past its end shows.
    const after = regions.map((region, i) => new Float32Array(memory.slice(at[i], at[i]! + Math.ceil(region.byteLength / 4) * 4 + 60)))
    return { value, after }
  })
  const [wasm, reference] = results as [(typeof results)[0], (typeof results)[0]]
  expect(wasm.value, `${name}: value`).toBe(reference.value)
  for (const i of regions.keys()) {
    const got = bits(wasm.after[i]!)
    const want = bits(reference.after[i]!)
    const wrong = got.findIndex((word, j) => word !== want[j])
    if (wrong >= 0) {
      expect.fail(`${name}: region ${i} differs at ${wrong}: ${wasm.after[i]![wrong]} is not ${reference.after[i]![wrong]}`)
    }
  }
  return wasm.after
}

const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 31, 32, 37, 61, 64, 67]

test('the three products have the bits of the plain triple loop', () => {
  const random = seeded(1)
  const pick = () => sizes[Math.floor(random() * sizes.length)]!
  const shapes: [number, number, number][] = [
    [1, 1, 1],
    [4, 8, 1],
    [1, 10, 257],
    [3, 5, 256],
    [5, 3, 511],
    [2, 9, 769],
    [263, 3, 5],
    [521, 2, 7],
    [3, 263, 9],
    [5, 521, 3],
    [67, 9, 523],
    [65, 521, 2],
    [9, 7, 1031],
  ]
  for (let i = 0; i < 60; i++) shapes.push([pick(), pick(), pick()])
  for (const [m, n, k] of shapes) {
    const x = values(m * k, random)
    const w = values(n * k, random)
    const y = values(m * n, random)
    compare(`NT ${m} ${n} ${k}`, [x, w, y], (kernels, [a, b, c], s) => kernels.gemmNT(m, n, k, a!, b!, c!, s))
    compare(`NN ${m} ${n} ${k}`, [y, w, x], (kernels, [a, b, c], s) => kernels.gemmNN(m, n, k, a!, b!, c!, s))
    compare(`TN ${m} ${n} ${k}`, [y, x, w], (kernels, [a, b, c], s) => kernels.gemmTN(m, n, k, a!, b!, c!, s))
  }
})

test('the order of a product is the normative one: chunks of 256, and other orders give other bits', () => {
  const random = seeded(2)
  const k = 600
  const x = values(k, random)
  const w = values(k, random)
  let plain = 0
  let total = 0
  for (let p0 = 0; p0 < k; p0 += 256) {
    let sum = 0
    for (let p = p0; p < Math.min(k, p0 + 256); p++) {
      sum = Math.fround(sum + Math.fround(x[p]! * w[p]!))
      plain = Math.fround(plain + Math.fround(x[p]! * w[p]!))
    }
    total = p0 === 0 ? sum : Math.fround(total + sum)
  }
  const [, , y] = compare('dot', [x, w, new Float32Array(1)], (kernels, [a, b, c], s) => kernels.gemmNT(1, 1, k, a!, b!, c!, s))
  expect(y![0]).toBe(total)
  expect(y![0]).not.toBe(plain)
})

test('a product of whole numbers is the product', () => {
  const [, , y] = compare(
    'small',
    [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(1, 0, 2, -1, 3, 1), new Float32Array(4)],
    (kernels, [a, b, c], s) => kernels.gemmNT(2, 2, 3, a!, b!, c!, s),
  )
  expect([...y!.subarray(0, 4)]).toEqual([7, 8, 16, 17])
})

test('elementwise kernels, with NaN and infinities', () => {
  const random = seeded(3)
  for (const n of [...sizes, 1000, 1003]) {
    const x = values(n, random)
    const y = values(n, random)
    if (n > 3) x.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], Math.floor(random() * (n - 3)))
    const u = Uint8Array.from({ length: n }, () => random() * 256)
    compare(`relu ${n}`, [x], (kernels, [a]) => kernels.relu(a!, n))
    compare(`reluBackward ${n}`, [y, x], (kernels, [a, b]) => kernels.reluBackward(a!, b!, n))
    compare(`axpy ${n}`, [y, x], (kernels, [a, b]) => kernels.axpy(a!, b!, 0.1, n))
    compare(`scaleBytes ${n}`, [u, y], (kernels, [a, b]) => kernels.scaleBytes(a!, b!, 1 / 255, n))
    compare(`scaleFloats ${n}`, [x], (kernels, [a]) => kernels.scaleFloats(a!, 0.3, n))
    compare(`addBias 3 ${n}`, [values(3 * n, random), x], (kernels, [a, b]) => kernels.addBias(a!, b!, 3, n))
  }
})

test('allFinite finds one bad value anywhere', () => {
  const random = seeded(4)
  for (const n of sizes) {
    compare(`finite ${n}`, [values(n, random)], (kernels, [a]) => {
      expect(kernels.allFinite(a!, n)).toBe(1)
    })
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let i = 0; i < n; i++) {
        const x = values(n, random)
        x[i] = bad
        compare(`${bad} at ${i} of ${n}`, [x], (kernels, [a]) => {
          expect(kernels.allFinite(a!, n)).toBe(0)
        })
      }
    }
  }
})

test('sums and searches', () => {
  const random = seeded(5)
  for (const n of [...sizes, 255, 256, 257, 1023]) {
    compare(`sumLanes ${n}`, [values(n, random)], (kernels, [a]) => kernels.sumLanes(a!, n))
    for (const columns of [1, 3, 4, 5, 10]) {
      compare(`columnSums ${n} ${columns}`, [values(n * columns, random), new Float32Array(columns)], (kernels, [a, b]) =>
        kernels.columnSums(a!, b!, n, columns),
      )
      const labels = Uint8Array.from({ length: n }, () => random() * columns)
      const logits = values(n * columns, random).map((v) => Math.round(v))
      compare(`countCorrect ${n} ${columns}`, [logits, labels], (kernels, [a, b]) => kernels.countCorrect(a!, b!, n, columns))
    }
  }
})

test('the first of equal logits wins, and NaN never does', () => {
  const logits = Float32Array.of(1, 2, 2, 5, 5, 0, 0, Number.NaN, -1)
  compare('ties', [logits, Uint8Array.of(1, 0, 0)], (kernels, [a, b]) => {
    expect(kernels.countCorrect(a!, b!, 3, 3)).toBe(3)
  })
})

test('softmax cross entropy, with and without gradient', () => {
  const random = seeded(6)
  for (const classes of [...sizes, 100]) {
    for (const rows of [1, 3, 19]) {
      const logits = values(rows * classes, random).map((v) => v * 4)
      if (rows === 3) logits.set([Number.NaN], classes)
      const labels = Uint8Array.from({ length: rows }, () => random() * classes)
      const regions = [logits, labels, new Float32Array(rows * classes), new Float32Array(rows)]
      for (const wanted of [1, 0]) {
        compare(`softmax ${rows} ${classes} ${wanted}`, regions, (kernels, [a, b, c, d], s) =>
          kernels.softmaxCrossEntropy(a!, b!, wanted * c!, d!, rows, classes, s),
        )
      }
    }
  }
})

test('exp and log: equal bits, and within 1.03 units in the last place of the true value', () => {
  const random = seeded(7)
  const n = 40_000
  const edges = [0, -0, 1, -1, 88.72, 88.73, 89, 200, -87.3, -87.4, -103.9, -104, -104.1, -1e30, 1e30, 1e-45, 1.1754944e-38]
  const special = [...edges, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
  const x = Float32Array.from({ length: n }, (_, i) => special[i] ?? (i % 2 ? (random() - 0.5) * 2 : random() * 192 - 104))
  const [, e] = compare('exp', [x, new Float32Array(n)], (kernels, [a, b]) => kernels.expArray(a!, b!, n))
  expect(worst(x, e!, Math.exp)).toBeLessThan(1.03)
  const z = Float32Array.from({ length: n }, (_, i) => special[i] ?? (i % 2 ? 0.5 + random() : 2 ** (random() * 270 - 145)))
  const [, l] = compare('log', [z, new Float32Array(n)], (kernels, [a, b]) => kernels.logArray(a!, b!, n))
  expect(worst(z, l!, Math.log)).toBeLessThan(1)
  expect(l![2]).toBe(0)
  expect(e![0]).toBe(1)
})

/** The largest distance from the true value, in units of the last place of the float nearest to it. */
function worst(x: Float32Array, y: Float32Array, truth: (x: number) => number): number {
  let top = 0
  for (const [i, value] of x.entries()) {
    const want = truth(value)
    const nearest = Math.fround(want)
    if (Object.is(y[i], nearest) || (Number.isNaN(nearest) && Number.isNaN(y[i]!))) continue
    const unit = Math.max(2 ** (Math.floor(Math.log2(Math.abs(nearest))) - 23), 2 ** -149)
    top = Math.max(top, Math.abs(y[i]! - want) / unit)
  }
  return top
}

test('Philox4x32-10 gives the published words (Random123 known answers)', () => {
  const cases: [number[], string][] = [
    [[0, 0, 0, 0, 0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ]
  for (const [[c0, c1, c2, c3, k0, k1], want] of cases) {
    const [after] = compare('philox', [new Uint32Array(4)], (kernels, [a]) => kernels.philoxWords(a!, c0!, c1!, c2!, c3!, k0!, k1!))
    const got = [...new Uint32Array(after!.buffer).subarray(0, 4)].map((word) => word.toString(16).padStart(8, '0'))
    expect(got.join(' ')).toBe(want)
  }
  for (const n of [1, 2, 3, 4, 5, 103]) {
    compare(`uniform ${n}`, [new Float32Array(n)], (kernels, [a]) => kernels.philoxUniform(a!, n, 0xdeadbeef, 0x80000001, 5))
  }
})

test('the fused pass: residual, weights, words and overdrive at every density', () => {
  const random = seeded(8)
  for (const n of [...sizes, 1000, 4099]) {
    for (const scale of [0.01, 0.3, 3, 300]) {
      const r = values(n, random).map((v) => v * scale)
      const g = values(n, random).map((v) => v * scale)
      const w = values(n, random)
      if (scale === 300 && n > 2) g.set([Number.NaN, Number.POSITIVE_INFINITY], n - 2)
      const regions = [r, g, w, new Uint32Array(n), new Uint32Array(1)]
      compare(`exchange ${n} ${scale}`, regions, (kernels, [a, b, c, d, e]) => kernels.exchange(a!, b!, c!, d!, e!, 1.25, 0.003, n))
    }
  }
})

test('peer counts: kernels agree on sums, bad indices and cancellation', () => {
  const random = seeded(9)
  const params = 50
  for (let round = 0; round < 50; round++) {
    const top = round % 5 === 0 ? params + 2 : params
    const n = Math.floor(random() * 80)
    const list = Uint32Array.from({ length: n }, () => Math.floor(random() * top) | (random() < 0.5 ? 0x80000000 : 0))
    const regions = [list, new Int32Array(params), values(params, random)]
    compare(`apply ${round}`, regions, (kernels, [words, counts, w]) => {
      const bad = kernels.countMap(words!, n, counts!, params)
      if (bad < 0) kernels.applyCounts(words!, n, counts!, w!, 0.01)
      return bad
    })
    compare(`take ${round}`, regions, (kernels, [words, counts]) => {
      const bad = kernels.countMap(words!, n, counts!, params)
      return bad < 0 ? kernels.takeCounts(words!, n, counts!) : bad
    })
  }
})
