/** A node's disk: how long a block takes to become durable, and a chain to come back after a restart. */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createChain } from '@pouw/chain'
import { blockId, encodeCertifiedBlock } from '@pouw/primitives'
import { openLevelStore } from '../packages/node/src/store/level-store.ts'
import { mineFillerChain } from './filler-chain.ts'
import { median } from './measure.ts'
import { row, type Topic } from './row.ts'

export const store: Topic = async ({ quick, say }) => {
  const length = quick ? 5 : 200
  const started = performance.now()
  const { genesis, blocks } = mineFillerChain(length)
  const bytes = median(blocks.map((certified) => encodeCertifiedBlock(certified).length))
  say(`${length} filler blocks of ${bytes} bytes mined in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  const folder = await mkdtemp(join(tmpdir(), 'pouw-bench-'))
  const clean = () => rmSync(folder, { recursive: true, force: true })
  const stop = () => {
    clean()
    process.exit(128 + constants.signals.SIGINT)
  }
  process.once('SIGINT', stop)
  try {
    const asNode = await write(join(folder, 'node'), false)
    say('again, waiting for the disk')
    const onDisk = await write(join(folder, 'disk'), true)
    const openMs = await reopen(join(folder, 'node'))
    return [
      row('connect a filler block and save it: survives the process (LevelDB)', asNode, 'ms'),
      row('the same, survives a power cut too (fsync)', onDisk, 'ms', { baseline: asNode }),
      row(`open a chain of ${length} blocks: read, decode, connect`, openMs, 'ms'),
      row('the same, per block', openMs / length, 'ms'),
    ]
  } finally {
    process.off('SIGINT', stop)
    clean()
  }

  async function write(path: string, sync: boolean): Promise<number> {
    const chain = createChain(genesis)
    const disk = await openLevelStore({ path, sync })
    await disk.load()
    const times: number[] = []
    for (const [index, certified] of blocks.entries()) {
      const start = performance.now()
      const { verdict } = chain.connect(certified)
      if (!verdict.ok) throw new Error(`block ${index + 1} was refused: ${verdict.code}`)
      disk.saveBlock(blockId(certified.block), index + 1, certified)
      await disk.flush()
      times.push(performance.now() - start)
    }
    await disk.close()
    return median(times)
  }

  async function reopen(path: string): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < (quick ? 1 : 5); i++) {
      const start = performance.now()
      const disk = await openLevelStore({ path, sync: false })
      const { blocks: stored } = await disk.load()
      const chain = createChain(genesis)
      for (const certified of stored) chain.connect(certified, { trusted: true })
      times.push(performance.now() - start)
      if (chain.tip().height !== length) throw new Error(`only ${chain.tip().height} of ${length} blocks came back`)
      await disk.close()
    }
    return median(times)
  }
}
