import { expect, test } from 'vitest'
import { architecture, createNet, createThreadedNet, defineModel, type ModelSpec, type Net } from '../src/index.ts'
import { bits, seeded } from './seeded.ts'

const specs = {
  mlp: architecture({ name: 'mlp', inputs: 20, hidden: [33], classes: 5 }),
  cnn: architecture({ name: 'cnn', input: [1, 12, 12], classes: 5 }),
  gpt: architecture({ name: 'gpt', vocabulary: 11, time: 6, width: 16, layers: 2, heads: 2 }),
} satisfies Record<string, ModelSpec>

function fill(net: Net): void {
  const random = seeded(5)
  for (let i = 0; i < net.model.params; i++) net.weights[i] = (random() - 0.5) / 2
}

/** Everything a step leaves behind. */
function step(net: Net, number: number) {
  const rows = number === 2 ? 3 : 4
  const { input } = net.model.spec
  if (input.kind === 'tokens') {
    const tokens = Int32Array.from({ length: rows * input.length }, (_, i) => (i * i + number) % input.vocabulary)
    net.loadTokens(
      tokens,
      tokens.map((token) => (token * 2) % input.vocabulary),
    )
  } else {
    const size = input.shape.reduce((product, extent) => product * extent, rows)
    const features = Uint8Array.from({ length: size }, (_, i) => (i * 29 + number) % 256)
    net.loadBatch(
      features,
      Uint8Array.from({ length: rows }, (_, i) => (i + number) % 5),
      1 / 256,
    )
  }
  const before = net.backward()
  const { words, overdrive } = net.exchange(0.01, 0.001)
  net.applyPeers([words.slice(0, 7)], 0.001)
  const after = net.forward()
  return {
    before,
    words,
    overdrive,
    after,
    logits: bits(net.logits()),
    weights: bits(net.weights),
    residual: bits(net.residual),
    finite: net.isFinite(),
  }
}

test.each(Object.entries(specs))('%s: two and four threads give the bits of one', async (_name, spec) => {
  const model = defineModel(spec)
  const nets = [createNet(model, 4), await createThreadedNet(model, 4, { threads: 2 }), await createThreadedNet(model, 4, { threads: 4 })]
  try {
    for (const net of nets) fill(net)
    for (let number = 1; number <= 3; number++) {
      const [one, two, four] = nets.map((net) => step(net, number))
      expect(one!.words.length).toBeGreaterThan(0)
      expect(two).toEqual(one)
      expect(four).toEqual(one)
    }
  } finally {
    for (const net of nets) net.close()
  }
})

test('a number of threads that cannot be is refused', async () => {
  const model = defineModel(specs.mlp)
  for (const threads of [0, 65, 1.5]) await expect(createThreadedNet(model, 4, { threads })).rejects.toThrow('threads: expected')
})
