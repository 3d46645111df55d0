/** Writes blocks and values for ever, until somebody kills the process; tells on stdout what is durable. For the crash test. */
import { FIXTURE_GENESIS, fixtureBlock } from './block-fixture.ts'
import { openLevelStore } from './level-store.ts'

const store = await openLevelStore({ path: process.argv[2]!, sync: false })
const past = await store.load()
const ids = past.blocks.length
let parent = process.argv[3] ?? FIXTURE_GENESIS
for (let height = ids + 1; ; height++) {
  const { id, certified } = fixtureBlock(parent, height)
  store.saveBlock(id, height, certified)
  store.persist(`block/${height}`, new TextEncoder().encode(id))
  parent = id
  if (height % 7 === 0) {
    await store.flush()
    process.stdout.write(`${height} ${id}\n`)
  }
}
