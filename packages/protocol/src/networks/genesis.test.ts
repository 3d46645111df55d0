import { createChain, type Genesis, genesisBlock } from '@pouw/chain'
import { bytesToHex, sha256, utf8 } from '@pouw/crypto'
import { decodeNetworkParams, deriveKeys, encodeNetworkParams, type NetworkParams, newMnemonic, paramsHash } from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import type { RoleName } from '../brain-types.ts'
import { fillerBudget } from '../verification/evidence.ts'
import { COIN, devnetParams } from './devnet.ts'
import { makeGenesis } from './genesis.ts'

const ROLES: RoleName[] = ['client', 'miner', 'miner', 'verifier', 'verifier', 'verifier', 'verifier', 'supervisor', 'evaluator', 'peer']
const PHRASES = ROLES.map((_, index) => newMnemonic(sha256(utf8(`identity ${index}`)).slice(0, 16)))
const NOW_S = 1_767_225_600
const make = (change: Partial<Parameters<typeof makeGenesis>[0]> = {}): Genesis =>
  makeGenesis({ roles: ROLES, seedPhrases: PHRASES, nowS: NOW_S, ...change })
/** Deriving keys from a phrase is slow on purpose. */
const BASE = make()

describe('genesis', () => {
  test('the same phrases at the same time are the same network', () => {
    expect(make()).toEqual(BASE)
    expect(genesisBlock(make())).toEqual(genesisBlock(BASE))
    expect(genesisBlock(BASE).networkId).toBe(genesisBlock(BASE).id.slice(0, 8))
  })

  test('another phrase, order, role or time is another network', () => {
    const other = newMnemonic(sha256(utf8('somebody else')).slice(0, 16))
    const ids = [
      BASE,
      make({ seedPhrases: PHRASES.with(3, other) }),
      make({ seedPhrases: [...PHRASES].reverse() }),
      make({ roles: ROLES.with(9, 'client') }),
      make({ nowS: NOW_S + 1 }),
    ].map((genesis) => genesisBlock(genesis).id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('coins for everybody; tickets for the first miner and all verifiers only', () => {
    const genesis = BASE
    expect(genesis.identities.map(({ ticket }) => ticket?.role ?? 0)).toEqual([0, 1, 0, 4, 4, 4, 4, 0, 0, 0])
    const view = createChain(genesis).view()
    for (const [index, phrase] of PHRASES.entries()) {
      const { walletPublic, ticketPublic } = deriveKeys(phrase)
      const coins = view.coinsOf(walletPublic).reduce((sum, coin) => sum + coin.amount, 0n)
      expect(coins).toBe((ROLES[index] === 'client' ? 100_000n : 1_000n) * COIN)
      expect(view.coinsOf(walletPublic).length).toBe(8)
      const [ticket] = view.tickets({ owner: walletPublic })
      expect(ticket?.vrfKey).toBe(genesis.identities[index]!.ticket && ticketPublic)
      if (ticket) expect(ticket.state).toBe('LIVE')
    }
  })

  test('the first miner may be anybody in the list, the first too', () => {
    const roles = ROLES.with(0, 'miner').with(1, 'client')
    expect(make({ roles }).identities.map(({ ticket }) => ticket?.role ?? 0)).toEqual([1, 0, 0, 4, 4, 4, 4, 0, 0, 0])
  })

  test('the coinbase carries the hash of the parameters', () => {
    const genesis = BASE
    const [coinbase] = genesisBlock(genesis).transactions
    expect(bytesToHex(coinbase!.inputs[0]!.scriptSig)).toBe(paramsHash(genesis.params))
  })

  test('refuses a network in which block 1 could not be made', () => {
    const without = (role: RoleName) => ROLES.map((one) => (one === role ? 'peer' : one))
    expect(() => make({ roles: without('miner') })).toThrow(/at least one miner/)
    expect(() => make({ roles: without('verifier') })).toThrow(/at least 4 verifiers/)
    expect(() => make({ roles: ROLES.with(3, 'peer') })).toThrow(RangeError)
    expect(() => make({ seedPhrases: PHRASES.slice(1) })).toThrow(/10 roles but 9 seed phrases/)
    expect(() => make({ seedPhrases: PHRASES.with(0, 'not a phrase') })).toThrow(TypeError)
  })
})

describe('parameters', () => {
  const params = devnetParams(NOW_S)

  /** Every number, text, amount and list in the parameters, each changed alone. */
  function* variants(value: unknown): Generator<unknown> {
    if (typeof value === 'bigint') yield value + 1n
    else if (typeof value === 'number') yield Number.isInteger(value) ? value + 1 : Math.fround(value * 2)
    else if (typeof value === 'string') yield `${value}x`
    else if (Array.isArray(value)) yield [...value, 16]
    else if (typeof value === 'object' && value !== null)
      for (const [key, part] of Object.entries(value)) for (const changed of variants(part)) yield { ...value, [key]: changed }
  }

  test('every one of them is in the hash, and in the network id', () => {
    const hashes = new Set([paramsHash(params)])
    const { identities } = BASE
    const ids = new Set([genesisBlock({ params, identities }).id])
    let fixed = 0
    let count = 0
    for (const changed of variants(params)) {
      count++
      try {
        encodeNetworkParams(changed as NetworkParams)
      } catch {
        // commitMs and groupKeys have one allowed value.
        fixed++
        continue
      }
      hashes.add(paramsHash(changed as NetworkParams))
      ids.add(genesisBlock({ params: changed as NetworkParams, identities }).id)
    }
    expect(fixed).toBe(2)
    expect(hashes.size).toBe(count - fixed + 1)
    expect(ids.size).toBe(count - fixed + 1)
  })

  test('survive their encoding', () => {
    expect(decodeNetworkParams(encodeNetworkParams(params))).toEqual(params)
  })

  test('the devnet can do what the rules ask of it', () => {
    const { filler } = params
    // A15: batch j is the j-th slice of the order.
    expect(filler.iterations * filler.batch).toBeLessThanOrEqual(filler.samples)
    expect(params.verifierQuorum).toBeLessThanOrEqual(params.verifierDraw)
    // A26: four spacings on a devnet.
    expect(params.halfLifeS).toBe(4 * params.spacingS)
    expect(fillerBudget(params)).toBeGreaterThan(1)
    // The FLOP bound decides, not the sizes (A27).
    expect(fillerBudget({ ...params, omegaB: 2 ** 32 - 1, omegaM: 2 ** 32 - 1 })).toBe(fillerBudget(params))
  })
})
