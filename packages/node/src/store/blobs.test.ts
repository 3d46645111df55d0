import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256Hex } from '@pouw/crypto'
import { afterAll, expect, test } from 'vitest'
import { type BlobStore, openBlobStore } from './blobs.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function fresh(cacheBytesMax = 0): Promise<{ path: string; blobs: BlobStore }> {
  const path = await mkdtemp(join(tmpdir(), 'pouw-blobs-'))
  folders.push(path)
  return { path, blobs: await openBlobStore({ path, cacheBytesMax }) }
}

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255)
const hash = sha256Hex(bytes)
const fileOf = (path: string) => join(path, hash.slice(0, 2), hash.slice(2, 4), hash)

test('what was put can be read at once, and after a restart from disk', async () => {
  const { path, blobs } = await fresh()
  blobs.put(hash, bytes)
  expect(await blobs.get(hash)).toEqual(bytes)
  expect(await blobs.has(hash)).toBe(true)
  await blobs.flush()
  expect(new Uint8Array(await readFile(fileOf(path)))).toEqual(bytes)
  const again = await openBlobStore({ path, cacheBytesMax: 0 })
  expect(await again.get(hash)).toEqual(bytes)
  expect(await again.has(hash)).toBe(true)
})

test('unknown bytes are missing, not an error', async () => {
  const { blobs } = await fresh()
  expect(await blobs.get('00'.repeat(32))).toBeUndefined()
  expect(await blobs.has('00'.repeat(32))).toBe(false)
})

test('put and drop of one hash take effect in their order', async () => {
  const { blobs } = await fresh()
  for (let i = 0; i < 20; i++) {
    blobs.put(hash, bytes)
    blobs.drop(hash)
  }
  await blobs.flush()
  expect(await blobs.get(hash)).toBeUndefined()
  blobs.drop(hash)
  blobs.put(hash, bytes)
  await blobs.flush()
  expect(await blobs.get(hash)).toEqual(bytes)
})

test('a file that rotted is found out by its hash and dropped', async () => {
  const { path, blobs } = await fresh()
  blobs.put(hash, bytes)
  await blobs.flush()
  await truncate(fileOf(path), 999)
  expect(await blobs.get(hash)).toBeUndefined()
  await blobs.flush()
  await expect(readFile(fileOf(path))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('half-written files of an earlier life are swept away', async () => {
  const { path } = await fresh()
  await writeFile(join(path, 'tmp', `${hash}.abcd`), bytes.subarray(0, 10))
  const again = await openBlobStore({ path, cacheBytesMax: 0 })
  expect(await readdir(join(path, 'tmp'))).toEqual([])
  expect(await again.get(hash)).toBeUndefined()
})

test('the cache keeps what was used last and stays within its bytes', async () => {
  const { path, blobs } = await fresh(2500)
  const items = [0, 1, 2].map((salt) => {
    const item = Uint8Array.from(bytes, (byte) => byte ^ salt)
    return { item, key: sha256Hex(item) }
  })
  blobs.put(items[0]!.key, items[0]!.item)
  blobs.put(items[1]!.key, items[1]!.item)
  await blobs.flush()
  await blobs.get(items[0]!.key)
  blobs.put(items[2]!.key, items[2]!.item)
  await blobs.flush()
  // Only what memory holds can be read once the disk is gone.
  await rm(path, { recursive: true })
  expect(await blobs.get(items[0]!.key)).toEqual(items[0]!.item)
  expect(await blobs.get(items[1]!.key)).toBeUndefined()
  expect(await blobs.get(items[2]!.key)).toEqual(items[2]!.item)
})

test('a name that is no hash never becomes a path', async () => {
  const { blobs } = await fresh()
  await expect(blobs.get('../../etc/passwd')).rejects.toThrow(TypeError)
  expect(() => blobs.put('A'.repeat(64), bytes)).toThrow(TypeError)
})
