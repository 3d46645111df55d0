/** What every store promises; run it on each implementation. */
import { blockId } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { FIXTURE_GENESIS, fixtureChain } from './block-fixture.ts'
import type { Store } from './store.ts'

/** @param open makes a fresh place and returns a function that opens it, again and again. */
export function storeCompliance(name: string, open: () => Promise<() => Promise<Store>>): void {
  test(`${name}: values come back after a restart, deleted ones do not`, async () => {
    const reopen = await open()
    const store = await reopen()
    await store.load()
    store.persist('a', Uint8Array.of(1))
    store.persist('b', Uint8Array.of(2))
    store.persist('a', Uint8Array.of(3))
    store.persist('b', undefined)
    store.persist('never-there', undefined)
    store.persist('empty', new Uint8Array(0))
    await store.close()
    const again = await reopen()
    expect((await again.load()).stored).toEqual(
      new Map([
        ['a', Uint8Array.of(3)],
        ['empty', new Uint8Array(0)],
      ]),
    )
    await again.close()
  })

  test(`${name}: the chain comes back in order, and a reorganisation cuts what stood above`, async () => {
    const reopen = await open()
    const store = await reopen()
    await store.load()
    const first = fixtureChain(FIXTURE_GENESIS, 12)
    for (const [i, { id, certified }] of first.entries()) store.saveBlock(id, i + 1, certified)
    await store.flush()
    const fork = fixtureChain(first[8]!.id, 2, 100)
    for (const [i, { id, certified }] of fork.entries()) store.saveBlock(id, 10 + i, certified)
    await store.close()

    const again = await reopen()
    const { blocks, lost } = await again.load()
    expect(lost).toBe(0)
    expect(blocks.map(({ block }) => blockId(block))).toEqual([...first.slice(0, 9), ...fork].map(({ id }) => id))
    // Back to the first branch: its blocks are handed in again.
    for (const [i, { id, certified }] of first.slice(9).entries()) again.saveBlock(id, 10 + i, certified)
    await again.close()
    const third = await reopen()
    expect((await third.load()).blocks.map(({ block }) => blockId(block))).toEqual(first.map(({ id }) => id))
    await third.close()
  })

  test(`${name}: a block that leaves a gap is misuse`, async () => {
    const store = await (await open())()
    await store.load()
    const [a, b] = fixtureChain(FIXTURE_GENESIS, 2)
    expect(() => store.saveBlock(b!.id, 2, b!.certified)).toThrow(RangeError)
    expect(() => store.saveBlock(a!.id, 0, a!.certified)).toThrow(RangeError)
    store.saveBlock(a!.id, 1, a!.certified)
    store.saveBlock(b!.id, 2, b!.certified)
    await store.close()
  })

  test(`${name}: a closed store takes nothing more`, async () => {
    const store = await (await open())()
    await store.load()
    await store.close()
    expect(() => store.persist('late', Uint8Array.of(1))).toThrow('closed')
    await store.close()
  })
}
