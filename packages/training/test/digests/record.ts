import { sha256Hex } from '@pouw/crypto'
import type { Profile } from '@pouw/tensor'
import { createNet, createThreadedNet, type Net } from '../../src/net/net.ts'
import { RECIPES, type RecipeName, recipe } from './recipes.ts'

export interface RecordOptions {
  readonly name: RecipeName
  /** Steps to do; digests are taken after those of MARKS that are reached. */
  readonly steps: number
  /** A number of threads, or the plain TypeScript that defines the arithmetic. */
  readonly on: number | 'reference'
  readonly profile?: Profile
  /** Called now and then, so that a page stays awake. */
  readonly rest?: () => Promise<void>
}

/** Hex digests by number of steps. */
export type Digests = Readonly<Record<string, string>>

/** Digests are taken after so many steps. */
export const MARKS = [3, 10, 100, 1000]
const REST_STEPS = 50

/**
 * Trains a recipe by the exchange and answers digests of all that training keeps: SHA-256 over the little-endian words of weights, residual, running
 * statistics and the SUM losses of all steps so far.
 *
 * @throws RangeError if the net refuses the profile or the number of threads
 */
export async function record({ name, steps, on, profile = 'f32', rest }: RecordOptions): Promise<Digests> {
  const { model, batch, tau, q, weights, load } = recipe(name)
  const net =
    on === 'reference'
      ? createNet(model, batch, { backend: 'reference', profile })
      : await createThreadedNet(model, batch, { threads: on, profile })
  try {
    net.weights.set(weights)
    const losses = new Float32Array(steps)
    const digests: Record<string, string> = {}
    for (let step = 0; step < steps; step++) {
      load(net, step)
      net.setKey(step, 0x5eed)
      losses[step] = net.backward().lossSum
      net.exchange(tau, q)
      if (MARKS.includes(step + 1)) digests[step + 1] = digest(net, losses.subarray(0, step + 1))
      if (step % REST_STEPS === 0) await rest?.()
    }
    return digests
  } finally {
    net.close()
  }
}

/** Every recipe; of one that the profile refuses, the refusal. */
export async function recordAll(options: Omit<RecordOptions, 'name'>): Promise<Readonly<Record<string, Digests | string>>> {
  const found: Record<string, Digests | string> = {}
  for (const name of RECIPES) {
    try {
      found[name] = await record({ name, ...options })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      found[name] = error.message
    }
  }
  return found
}

function digest(net: Net, losses: Float32Array): string {
  return sha256Hex(...[net.weights, net.residual, net.states, losses].map((values) => new Uint8Array(values.slice().buffer)))
}
