/**
 * Where a training step spends its time: `node bench/engine/operations.ts <mlp|cnn|gpt|wide|resnet> [f32|bf16x|int8x]` prints each operation's share on one
 * thread, the sum over its layers, median of the runs.
 */
import { bytesOf, createArena, createBackend, type Profile } from '@pouw/tensor'
import { initialStates } from '../../packages/training/src/layers/initial-states.ts'
import { buildPass, linkPass, planPass } from '../../packages/training/src/net/program.ts'
import { createWork, type WorkName } from './works.ts'

const [name = 'cnn', profile = 'f32'] = process.argv.slice(2)
const { model, batch, weights, features, wanted } = createWork(name as WorkName)
const pass = buildPass(model.spec, batch, { training: true, profile: profile as Profile, checkpoint: false })
const plan = planPass(pass, 1)
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
const { words } = linkPass(pass, plan, homes)
const program = arena.take(words.byteLength)
const { memory, kernels } = createBackend('wasm', arena.bytes)
new Uint32Array(memory, program, words.length).set(words)
new Float32Array(memory, homes.weights, model.params).set(weights)
new Float32Array(memory, homes.states, model.declared.stateCount).set(initialStates(model.declared))
;new (features instanceof Int32Array ? Int32Array : Float32Array)(memory, homes.input, features.length).set(features)
;new (wanted instanceof Int32Array ? Int32Array : Float32Array)(memory, homes.wanted, wanted.length).set(wanted)

const nodes = plan.nodes.filter((node) => node.op.code !== 0)
const times: number[][] = nodes.map(() => [])
const runs = name === 'resnet' ? 5 : 60
for (let run = 0; run < runs + 2; run++) {
  let from = program
  for (const [i, _] of nodes.entries()) {
    const to = from + 4 * words[(from - program) / 4 + 1]!
    const start = performance.now()
    kernels.run(from, to, 1)
    if (run >= 2) times[i]!.push(performance.now() - start)
    from = to
  }
}
const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1]!
const medians = times.map(median)
const whole = medians.reduce((a, b) => a + b, 0)
const detail = process.argv.includes('--each')
const rows = new Map<string, number>()
for (const [i, { op, layer, outputs, inputs }] of nodes.entries()) {
  const key = detail ? `${op.name} ${layer} ${inputs.map((v) => `[${v.shape}]`).join(' ')} -> [${outputs[0]?.shape}]` : op.name
  rows.set(key, (rows.get(key) ?? 0) + medians[i]!)
}
for (const [key, ms] of [...rows].sort((a, b) => b[1] - a[1]))
  process.stdout.write(`${ms.toFixed(3).padStart(10)} ms ${((100 * ms) / whole).toFixed(1).padStart(6)} %  ${key}\n`)
process.stdout.write(`${whole.toFixed(3).padStart(10)} ms\n`)
