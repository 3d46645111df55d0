/**
 * TensorFlow.js as people use it: channels last, weights [inputs, outputs], its own optimiser and its own derivatives.
 *
 * The packages are loaded as Node resolves them. Weights are permuted from ours, so that the same losses come out. Both of its backends live in one process; each turn selects its own.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as tfTypes from '@tensorflow/tfjs-core'
import { rolldown } from 'rolldown'
import type { Engine } from './alternate.ts'
import { BLOCK, type Work } from './works.ts'

export type TfjsBackend = 'wasm' | 'cpu'

const require = createRequire(import.meta.url)
const tf: typeof tfTypes = require('@tensorflow/tfjs-core')
const wasm: typeof import('@tensorflow/tfjs-backend-wasm') = require('@tensorflow/tfjs-backend-wasm')
require('@tensorflow/tfjs-backend-cpu')
await registerGradients()

export const version: string = wasm.version_wasm

/** Selects a backend, and starts it at the first time. */
export async function use(backend: TfjsBackend): Promise<void> {
  if (tf.getBackend() === backend) return
  tf.enableProdMode()
  if (backend === 'wasm') wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`)
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js does not start its backend ${backend}`)
}

/** n x n by n x n, and its result thrown away. */
export async function createProduct(n: number, random: () => number): Promise<() => void> {
  await use('wasm')
  const [a, b] = [0, 1].map(() =>
    tf.tensor2d(
      Float32Array.from({ length: n * n }, () => random() - 0.5),
      [n, n],
    ),
  )
  return () => tf.matMul(a!, b!).dispose()
}

type Parameters = (name: string) => tfTypes.Variable
type Forward = (parameter: Parameters, x: tfTypes.Tensor) => tfTypes.Tensor

export async function createTfjs(work: Work, backend: TfjsBackend): Promise<Engine> {
  const forward = FORWARDS[work.name as keyof typeof FORWARDS]
  if (!forward) throw new Error(`there is no ${work.name} for TensorFlow.js`)
  await use(backend)
  const { model, batch, rate, weights, features, wanted } = work
  const variables = new Map(
    model.tensors.map(({ name, shape, offset, size }) => {
      const own = tf.tensor(weights.slice(offset, offset + size), [...shape])
      return [name, tf.variable(asTheirs(own))]
    }),
  )
  const parameter: Parameters = (name) => variables.get(name)!
  const given = tf.tensor(features, [batch, ...model.declared.inputShape])
  const x = given.rank === 4 ? tf.transpose(given, [0, 2, 3, 1]) : given
  const y =
    wanted instanceof Int32Array ? tf.oneHot(tf.tensor1d(wanted, 'int32'), 10) : tf.tensor(wanted, [batch, ...model.declared.inputShape])
  const optimizer = tf.train.sgd(rate / batch)
  const all = [...variables.values()]
  const loss = () => {
    const output = forward(parameter, x)
    if (wanted instanceof Int32Array)
      return tf.losses.softmaxCrossEntropy(y, output, undefined, undefined, tf.Reduction.SUM) as unknown as tfTypes.Scalar
    return tf.div(tf.sum(tf.squaredDifference(output, y)), output.size / batch) as tfTypes.Scalar
  }
  return {
    async run(steps) {
      await use(backend)
      const [losses, times]: [number[], number[]] = [[], []]
      for (let step = 0; step < steps; step++) {
        const start = performance.now()
        const cost = optimizer.minimize(loss, true, all)!
        losses.push(cost.dataSync()[0]!)
        cost.dispose()
        times.push(performance.now() - start)
      }
      return { losses, times }
    },
    close: () => tf.dispose([...all, given, x, y]),
  }
}

/** Dense [out, in] -> [in, out]; filters OIHW -> HWIO; the rest as it is. */
function asTheirs(tensor: tfTypes.Tensor): tfTypes.Tensor {
  return tensor.rank === 2 ? tf.transpose(tensor) : tensor.rank === 4 ? tf.transpose(tensor, [2, 3, 1, 0]) : tensor
}

function dense(parameter: Parameters, name: string, x: tfTypes.Tensor): tfTypes.Tensor {
  return tf.add(tf.matMul(x as tfTypes.Tensor2D, parameter(`${name}.weight`) as unknown as tfTypes.Tensor2D), parameter(`${name}.bias`))
}

function layerNorm(parameter: Parameters, name: string, x: tfTypes.Tensor): tfTypes.Tensor {
  const { mean, variance } = tf.moments(x, -1, true)
  const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)))
  return tf.add(tf.mul(normal, parameter(`${name}.weight`)), parameter(`${name}.bias`))
}

const mlp: Forward = (parameter, x) => dense(parameter, 'output', tf.relu(dense(parameter, 'hidden1', x)))

const cnn: Forward = (parameter, x) => {
  let y = x as tfTypes.Tensor4D
  for (const name of ['conv1', 'conv2']) {
    const sums = tf.conv2d(y, parameter(`${name}.weight`) as unknown as tfTypes.Tensor4D, 1, 'same')
    y = tf.maxPool(tf.relu(tf.add(sums, parameter(`${name}.bias`))) as tfTypes.Tensor4D, 2, 2, 'valid')
  }
  // Our dense layer counts channels first.
  return dense(parameter, 'output', tf.reshape(tf.transpose(y, [0, 3, 1, 2]), [y.shape[0], -1]))
}

const gpt: Forward = (parameter, x) => {
  const { width, heads, time } = BLOCK
  const rows = (y: tfTypes.Tensor) => tf.reshape(y, [-1, y.shape.at(-1)!])
  const own = (name: string, y: tfTypes.Tensor) => dense(parameter, `block.${name}`, rows(y))
  const qkv = own('attention.in', layerNorm(parameter, 'block.norm1', x))
  const [q, k, v] = tf.split(qkv, 3, 1).map((part) => tf.transpose(tf.reshape(part, [-1, time, heads, width / heads]), [0, 2, 1, 3])) as [
    tfTypes.Tensor,
    tfTypes.Tensor,
    tfTypes.Tensor,
  ]
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), Math.sqrt(heads / width)), causal())
  const mixed = tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [-1, width])
  const after = tf.add(x, tf.reshape(own('attention.out', mixed), x.shape))
  const up = own('up', layerNorm(parameter, 'block.norm2', after))
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(up, tf.mul(0.044715, tf.mul(up, tf.mul(up, up)))))
  const bent = tf.mul(tf.mul(0.5, up), tf.add(1, tf.tanh(inner)))
  return tf.add(after, tf.reshape(own('down', bent), x.shape))
}

let mask: tfTypes.Tensor | undefined
function causal(): tfTypes.Tensor {
  const { time } = BLOCK
  mask ??= tf.keep(
    tf.tensor2d(
      Float32Array.from({ length: time * time }, (_, at) => (at % time > Math.floor(at / time) ? -1e9 : 0)),
      [time, time],
    ),
  )
  return mask
}

const FORWARDS: Partial<Record<Work['name'], Forward>> = { mlp, cnn, gpt }

async function registerGradients(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pouw-bench-'))
  try {
    const bundle = await rolldown({
      input: fileURLToPath(new URL('./tfjs-gradients.ts', import.meta.url)),
      platform: 'node',
      resolve: { mainFields: ['module', 'main'] },
      logLevel: 'silent',
    })
    const file = join(folder, 'gradients.cjs')
    await bundle.write({ file, format: 'cjs' })
    require(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
