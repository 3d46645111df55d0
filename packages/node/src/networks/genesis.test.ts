import { createChain, genesisBlock } from '@pouw/chain'
import { bitsToTarget } from '@pouw/primitives'
import { createFillerEngine } from '@pouw/training'
import { expect, test } from 'vitest'
import { seedPhrase } from '../devnet/plan.ts'
import { COIN, devnetParams } from './devnet.ts'
import { makeGenesis } from './genesis.ts'
import { formatGenesis, parseGenesis } from './genesis-file.ts'

const roles = ['miner', 'verifier', 'verifier', 'client', 'verifier', 'verifier', 'miner', 'supervisor'] as const
const phrases = roles.map((_, i) => seedPhrase(1n, i))
const genesis = makeGenesis({ roles, seedPhrases: phrases, nowS: 1_000 })

test('block 1 can be made: tickets for the first miner and every verifier, coins for all', () => {
  expect(genesis.identities.map(({ ticket }) => ticket?.role)).toEqual([1, 4, 4, undefined, 4, 4, undefined, undefined])
  const view = createChain(genesis).view()
  expect(
    view
      .tickets({ state: 'LIVE' })
      .map(({ role }) => role)
      .sort(),
  ).toEqual([1, 4, 4, 4, 4])
  for (const [i, { walletPublic }] of genesis.identities.entries()) {
    const sum = view.coinsOf(walletPublic).reduce((total, { amount }) => total + amount, 0n)
    expect(sum, roles[i]).toBe(roles[i] === 'client' ? 100_000n * COIN : 1_000n * COIN)
  }
})

test('a network that nobody could start is misuse', () => {
  expect(() => makeGenesis({ roles: ['verifier'], seedPhrases: phrases.slice(0, 1), nowS: 0 })).toThrow('at least one miner')
  expect(() => makeGenesis({ roles: ['miner', 'verifier'], seedPhrases: phrases.slice(0, 2), nowS: 0 })).toThrow('at least 4 verifiers')
  expect(() => makeGenesis({ roles, seedPhrases: [], nowS: 0 })).toThrow('8 roles but 0 seed phrases')
})

test('a genesis file gives the same network back, and an edited one is refused', () => {
  const text = formatGenesis(genesis)
  expect(parseGenesis(text)).toEqual(genesis)
  expect(genesisBlock(parseGenesis(text)).id).toBe(genesisBlock(genesis).id)
  expect(() => parseGenesis(text.replace('"spacingS": 2', '"spacingS": 3'))).toThrow('parameters hash')
  expect(() => parseGenesis('{}')).toThrow('format')
})

test('every filler iteration of the devnet announces something: an empty map has no tries', () => {
  const params = devnetParams(0)
  const run = createFillerEngine(params.filler).start('ab'.repeat(32), 'cd'.repeat(32))
  for (let j = 1; j <= params.filler.iterations; j++) {
    const step = run.iterate()
    expect(step.ok && step.map.length, `iteration ${j}`).toBeGreaterThan(0)
  }
  expect(bitsToTarget(params.limitBits)).toBeGreaterThan(bitsToTarget(params.genesisBits)!)
})
