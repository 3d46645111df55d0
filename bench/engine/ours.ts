/** Our engine as the others are measured: one program a step, then w -= rate / batch * g over the flat arrays. */
import { bytesOf, createArena, createBackend, createThreadedBackend, type Profile } from '@pouw/tensor'
import { initialStates } from '../../packages/training/src/layers/initial-states.ts'
import { buildPass, linkPass, planPass } from '../../packages/training/src/net/program.ts'
import type { Engine } from './alternate.ts'
import type { Sample } from './works.ts'

export interface OursOptions {
  readonly threads?: number
  readonly profile?: Profile
  readonly checkpoint?: boolean
}

export interface Ours extends Engine {
  /** Bytes of activations and scratch, and of everything. */
  readonly activationBytes: number
  readonly bytes: number
}

/** @throws RangeError if the engine has no such profile */
export async function createOurs(
  { model, batch, rate, weights, features, wanted }: Sample,
  { threads = 1, profile = 'f32', checkpoint = false }: OursOptions = {},
): Promise<Ours> {
  const pass = buildPass(model.spec, batch, { training: true, profile, checkpoint })
  const plan = planPass(pass, threads)
  const arena = createArena()
  const homes = {
    input: arena.take(bytesOf(pass.forward.inputs.data)),
    wanted: arena.take(bytesOf(pass.wanted)),
    key: arena.take(8),
    zeros: arena.take(4 * batch),
    weights: arena.take(4 * model.params),
    gradient: arena.take(4 * model.params),
    states: arena.take(4 * model.declared.stateCount),
    region: arena.take(plan.bytes),
  }
  const { words, at } = linkPass(pass, plan, homes)
  const program = arena.take(words.byteLength)
  const { memory, kernels, close } = threads === 1 ? createBackend('wasm', arena.bytes) : await createThreadedBackend(arena.bytes, threads)
  new Uint32Array(memory, program, words.length).set(words)
  new Float32Array(memory, homes.weights, model.params).set(weights)
  new Float32Array(memory, homes.states, model.declared.stateCount).set(initialStates(model.declared))
  const data = pass.forward.inputs.data.dtype === 'i32' ? Int32Array : Float32Array
  const input = new data(memory, homes.input, features.length)
  const wants = new (wanted instanceof Int32Array ? Int32Array : Float32Array)(memory, homes.wanted, wanted.length)
  const loss = new Float32Array(memory, at(pass.lossSum), 1)
  const factor = Math.fround(-rate / batch)
  return {
    activationBytes: plan.bytes,
    bytes: arena.bytes,
    async run(steps) {
      const [losses, times]: [number[], number[]] = [[], []]
      for (let step = 0; step < steps; step++) {
        const start = performance.now()
        input.set(features)
        wants.set(wanted)
        kernels.run(program, program + words.byteLength, threads)
        kernels.axpy(homes.weights, homes.gradient, factor, model.params)
        losses.push(loss[0]!)
        times.push(performance.now() - start)
      }
      return { losses, times }
    },
    close,
  }
}
