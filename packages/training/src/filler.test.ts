import { bytesToHex, hexToBytes, sha256, sha256dHex, sha256Hex, utf8 } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { id } from '../test/small-task.ts'
import {
  createFiller,
  createFillerEngine,
  type FillerParams,
  type FillerRun,
  fillerBatchBytes,
  fillerMessageHash,
  fillerParams,
  fillerSeed,
  replayFiller,
} from './filler.ts'

const PARAMS: FillerParams = {
  iterations: 6,
  batch: 16,
  features: 30,
  classes: 4,
  hidden: [12, 9],
  samples: 200,
  dataSeed: 'filler data',
  scale: Math.fround(1 / 255),
  rate: Math.fround(0.2),
  tau: Math.fround(0.5),
  magnitude: Math.fround(2.24),
}
const TICKET = id('ticket')
const VERIFIER = id('verifier')
const SEED = fillerSeed(id('template'), TICKET)

function all(run: FillerRun) {
  return Array.from({ length: PARAMS.iterations }, () => {
    const step = run.iterate()
    if (!step.ok) throw new Error(step.code)
    return { ...step, map: bytesToHex(step.map), gradient: run.gradientHash(VERIFIER) }
  })
}

test('each iteration of a run is replayed from its seed, bit for bit, on both backends and on a used engine', () => {
  const steps = all(createFiller(PARAMS, SEED, TICKET))
  expect(all(createFiller(PARAMS, SEED, TICKET, 'reference'))).toEqual(steps)
  const engine = createFillerEngine(PARAMS)
  all(engine.start(id('other'), TICKET))
  for (const step of steps) {
    const replayed = replayFiller(PARAMS, SEED, TICKET, step.iteration, engine)
    if (!replayed.ok) throw new Error(replayed.code)
    const { gradientHash, ...outputs } = replayed
    expect({ ...outputs, map: bytesToHex(replayed.map), gradient: gradientHash(VERIFIER) }).toEqual(step)
  }
  expect(new Set(steps.map((step) => step.endModelHash)).size).toBe(PARAMS.iterations)
  expect(steps.every((step) => step.map.length > 0)).toBe(true)
})

test('another template or ticket is another run from the first iteration on', () => {
  const first = (seed: string, ticket: string) => all(createFiller(PARAMS, seed, ticket))[0]!
  const base = first(SEED, TICKET)
  const template = first(fillerSeed(id('template 2'), TICKET), TICKET)
  const ticket = first(fillerSeed(id('template'), VERIFIER), VERIFIER)
  for (const field of ['endModelHash', 'endResidualHash', 'map', 'gradient'] as const)
    expect(new Set([base[field], template[field], ticket[field]]).size).toBe(3)
})

test('seed and message hash are what A15 says', () => {
  expect(SEED).toBe(sha256Hex(utf8('POUW-FILLER'), hexToBytes(id('template')), hexToBytes(TICKET)))
  const map = new Uint8Array([3, 0, 0, 128])
  const [model, residual] = [id('model'), id('residual')]
  expect(fillerMessageHash(TICKET, 3, model, residual, map)).toBe(
    sha256dHex(
      utf8('POUW-FILLER-MSG'),
      hexToBytes(TICKET),
      new Uint8Array([3, 0, 0, 0]),
      hexToBytes(model),
      hexToBytes(residual),
      sha256(map),
    ),
  )
})

test('sizes for the nonce budget', () => {
  expect(fillerParams(PARAMS)).toBe(31 * 12 + 13 * 9 + 10 * 4)
  expect(fillerBatchBytes(PARAMS)).toBe(16 * 31)
})

test('filler that leaves the finite is refused, and misuse is told', () => {
  const wild = createFiller({ ...PARAMS, rate: Math.fround(3e38), tau: Math.fround(0.01) }, SEED, TICKET)
  expect(wild.iterate()).toEqual({ ok: false, code: 'not-finite' })
  expect(wild.iterate()).toEqual({ ok: false, code: 'not-finite' })
  expect(() => createFillerEngine({ ...PARAMS, samples: 95 })).toThrow(RangeError)
  expect(() => replayFiller(PARAMS, SEED, TICKET, 7)).toThrow(RangeError)
  const engine = createFillerEngine(PARAMS)
  const old = engine.start(SEED, TICKET)
  const finished = engine.start(SEED, TICKET)
  all(finished)
  expect(() => old.iterate()).toThrow(RangeError)
  expect(() => finished.iterate()).toThrow(RangeError)
})
