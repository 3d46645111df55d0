import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { sha256Hex } from '@pouw/crypto'
import { flopsPerIteration, type TaskDocument } from '@pouw/primitives'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { devnetParams } from '../networks/devnet.ts'
import { findDataFile } from './find-file.ts'
import { readIdx } from './idx.ts'
import { loadDataset } from './load-dataset.ts'
import { readTask } from './read-task.ts'

const example = (name: string) => fileURLToPath(new URL(`../../../../examples/${name}`, import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pouw-data-'))
})
afterAll(() => rm(folder, { recursive: true }))

const idx = (shape: number[], values: number[]) =>
  Uint8Array.from([0, 0, 8, shape.length, ...shape.flatMap((size) => [0, 0, size >> 8, size & 255]), ...values])
const images = idx([2, 1, 3], [1, 2, 3, 4, 5, 6])
const labels = idx([2], [0, 1])

test('IDX: shape and values, and nothing that only looks like it', () => {
  expect(readIdx(images)).toEqual({ shape: [2, 1, 3], values: Uint8Array.of(1, 2, 3, 4, 5, 6) })
  for (const bad of [
    new Uint8Array(0),
    images.subarray(0, 10),
    images.subarray(0, -1),
    Uint8Array.of(...images, 0),
    Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 0),
  ]) {
    expect(readIdx(bad), `${bad}`).toBeUndefined()
  }
})

test('a data file counts only with the right hash, zipped or not', async () => {
  await writeFile(join(folder, 'plain'), images)
  const zipped = gzipSync(images)
  await writeFile(join(folder, 'zipped.gz'), zipped)
  expect(await findDataFile({ name: 'plain', sha256: sha256Hex(images) }, ['/nonexistent', folder])).toEqual(Buffer.from(images))
  expect(await findDataFile({ name: 'zipped', sha256: sha256Hex(zipped) }, [folder])).toEqual(Buffer.from(images))
  await expect(findDataFile({ name: 'plain', sha256: '00'.repeat(32) }, [folder])).rejects.toMatchObject({ code: 'corrupt' })
  await expect(findDataFile({ name: 'missing', sha256: '00'.repeat(32) }, [folder])).rejects.toMatchObject({ code: 'not-found' })
  await expect(findDataFile({ name: '../plain', sha256: sha256Hex(images) }, [folder])).rejects.toMatchObject({ code: 'refused' })
})

test('pairs of files are joined in the order of the document, and must fit it', async () => {
  await writeFile(join(folder, 'images'), images)
  await writeFile(join(folder, 'labels'), labels)
  const tiny = await readTask(example('tiny.yaml'))
  const file = (name: string, bytes: Uint8Array) => ({ name, sha256: sha256Hex(bytes) })
  const pair = [file('images', images), file('labels', labels)]
  const document = (more: Partial<TaskDocument['ml']['dataset']>): TaskDocument => ({
    ...tiny,
    ml: {
      ...tiny.ml,
      dataset: { ...tiny.ml.dataset, format: 'idx-u8', samples: 4, features: 3, classes: 2, files: [...pair, ...pair], ...more },
    },
  })
  expect(await loadDataset(document({}), { dataDir: folder })).toEqual({
    features: Uint8Array.of(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6),
    labels: Uint8Array.of(0, 1, 0, 1),
  })
  for (const bad of [
    { samples: 5 },
    { samples: 3 },
    { features: 4 },
    { classes: 1 },
    { files: pair.slice(0, 1) },
    { files: [pair[1]!, pair[0]!] },
  ]) {
    await expect(loadDataset(document(bad), { dataDir: folder }), JSON.stringify(bad)).rejects.toMatchObject({ code: 'refused' })
  }
})

test('tokens with a next token each, and what is out of range', async () => {
  const language = await readTask(example('tiny-gpt.yaml'))
  const rows = (values: number[]) => idx([values.length / 24, 24], values)
  const ascending = Array.from({ length: 48 }, (_, i) => i % 16)
  const load = async (name: string, tokens: Uint8Array, next: Uint8Array) => {
    await writeFile(join(folder, `${name}.tokens`), tokens)
    await writeFile(join(folder, `${name}.next`), next)
    const files = [
      { name: `${name}.tokens`, sha256: sha256Hex(tokens) },
      { name: `${name}.next`, sha256: sha256Hex(next) },
    ]
    const dataset = { ...language.ml.dataset, format: 'idx-u8' as const, samples: 2, files }
    return loadDataset({ ...language, ml: { ...language.ml, dataset } }, { dataDir: folder })
  }
  const next = ascending.map((token) => (token + 1) % 16)
  expect(await load('right', rows(ascending), rows(next))).toEqual({ features: Uint8Array.from(ascending), labels: Uint8Array.from(next) })
  const strange = ascending.with(7, 16)
  await expect(load('token', rows(strange), rows(next))).rejects.toThrow('token 16 is not below the vocabulary of 16')
  await expect(load('answer', rows(ascending), rows(strange))).rejects.toThrow('label 16 is not one of 16 classes')
  await expect(load('few', rows(ascending), idx([2], [1, 2]))).rejects.toThrow('its labels 2')
})

test('an architecture in a task file stands for its layers, and its options are checked', async () => {
  const language = await readTask(example('tiny-gpt.yaml'))
  expect(language.ml.model).toMatchObject({ type: 'layers', input: [24], vocabulary: 16, loss: 'softmax-cross-entropy' })
  expect(language.ml.model.layers.filter((layer) => layer.type === 'attention')).toHaveLength(2)
  const text = await readFile(example('tiny-gpt.yaml'), 'utf8')
  const changed = join(folder, 'changed.yaml')
  for (const [from, to, message] of [
    ['heads: 2', 'head: 2', 'architecture gpt: expected layers, heads, width, time, vocabulary, tied, received head'],
    ['name: gpt', 'name: rnn', 'expected mlp, cnn, resnet, vit or gpt'],
    ['time: 24', 'time: 23', 'ml.model.input: expected 24 features'],
  ] as const) {
    await writeFile(changed, text.replace(from, to))
    await expect(readTask(changed), to).rejects.toThrow(message)
  }
})

test('the examples are valid tasks of a devnet, and their data is at hand', async () => {
  const params = devnetParams(0)
  for (const [name, samples] of [
    ['mnist-mlp.yaml', 70_000],
    ['tiny.yaml', 4_800],
    ['tiny-cnn.yaml', 4_800],
    ['tiny-gpt.yaml', 3_200],
  ] as const) {
    const document = await readTask(example(name))
    expect(flopsPerIteration(document), name).toBeGreaterThanOrEqual(params.flopsPerTry)
    const data = await loadDataset(document)
    const { features, answers = 1 } = document.ml.dataset
    expect([data.labels.length, data.features.length], name).toEqual([samples * answers, samples * features])
  }
})

test('a task file that is none says where', async () => {
  const file = join(folder, 'bad.yaml')
  await writeFile(file, 'version: 1\nname: x\n')
  await expect(readTask(file)).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('bad.yaml') })
  await expect(readTask(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'not-found' })
})
