import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { blockId } from '@pouw/primitives'
import { ClassicLevel } from 'classic-level'
import { afterAll, expect, test } from 'vitest'
import { FIXTURE_GENESIS, fixtureChain } from './block-fixture.ts'
import { openLevelStore } from './level-store.ts'
import { storeCompliance } from './store-compliance.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pouw-store-'))
  folders.push(folder)
  return folder
}

storeCompliance('LevelDB', async () => {
  const path = join(await freshFolder(), 'chain')
  return () => openLevelStore({ path, sync: false })
})

test('one process at a time: the second is told why', async () => {
  const path = await freshFolder()
  const store = await openLevelStore({ path, sync: true })
  await expect(openLevelStore({ path, sync: true })).rejects.toMatchObject({ name: 'OperationError', code: 'io' })
  await store.close()
})

test('a block that cannot be read cuts the chain below it, and the node goes on from there', async () => {
  const path = await freshFolder()
  const store = await openLevelStore({ path, sync: false })
  await store.load()
  const chain = fixtureChain(FIXTURE_GENESIS, 5)
  for (const [i, { id, certified }] of chain.entries()) store.saveBlock(id, i + 1, certified)
  await store.close()
  const level = new ClassicLevel<string, Uint8Array>(path, { valueEncoding: 'view' })
  await level.put(`b!${chain[3]!.id}`, Uint8Array.of(1, 2, 3))
  await level.close()

  const again = await openLevelStore({ path, sync: false })
  const { blocks, lost } = await again.load()
  expect([blocks.length, lost]).toEqual([3, 2])
  again.saveBlock(chain[3]!.id, 4, chain[3]!.certified)
  await again.close()
  const third = await openLevelStore({ path, sync: false })
  expect(await third.load()).toMatchObject({ lost: 0, blocks: { length: 4 } })
  await third.close()
})

test('kill -9 at any moment leaves a chain without gaps that holds all that was flushed', async () => {
  const path = await freshFolder()
  let tip: string | undefined
  for (let life = 1; life <= 3; life++) {
    const writer = spawn(process.execPath, [fileURLToPath(new URL('./crash-writer.ts', import.meta.url)), path, ...(tip ? [tip] : [])])
    const ended = new Promise((resolve) => writer.once('close', resolve))
    let flushed = 0
    let lines = 0
    for await (const line of createInterface({ input: writer.stdout })) {
      flushed = Number(line.split(' ')[0])
      // Killed in the middle of the work that follows this line, a little later in each life.
      if (++lines === 10 * life) writer.kill('SIGKILL')
    }
    await ended
    expect(flushed, `life ${life} wrote nothing`).toBeGreaterThan(0)

    const store = await openLevelStore({ path, sync: false })
    const { blocks, stored, lost } = await store.load()
    await store.close()
    expect(lost, `life ${life}`).toBe(0)
    expect(blocks.length, `life ${life}`).toBeGreaterThanOrEqual(flushed)
    let parent = FIXTURE_GENESIS
    for (const [i, { block }] of blocks.entries()) {
      expect(block.header.hashPrevBlock, `life ${life}, height ${i + 1}`).toBe(parent)
      parent = blockId(block)
    }
    // The value beside the last flushed block was handed in before the flush, so it is there too.
    expect(stored.get(`block/${flushed}`), `life ${life}`).toEqual(new TextEncoder().encode(blockId(blocks[flushed - 1]!.block)))
    tip = parent
  }
})
