import { mkdtemp, rm, writeFile } from 'node:fs/promises'
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

test('the examples are valid tasks of a devnet, and their data is at hand', async () => {
  const params = devnetParams(0)
  for (const [name, samples] of [
    ['mnist-mlp.yaml', 70_000],
    ['tiny.yaml', 4_800],
  ] as const) {
    const document = await readTask(example(name))
    expect(flopsPerIteration(document), name).toBeGreaterThanOrEqual(params.flopsPerTry)
    const data = await loadDataset(document)
    expect([data.labels.length, data.features.length], name).toEqual([samples, samples * document.ml.dataset.features])
  }
})

test('a task file that is none says where', async () => {
  const file = join(folder, 'bad.yaml')
  await writeFile(file, 'version: 1\nname: x\n')
  await expect(readTask(file)).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('bad.yaml') })
  await expect(readTask(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'not-found' })
})
