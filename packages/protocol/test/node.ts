/** One miner's brain parts on a fresh devnet: real ledger, real keys, no body. */
import { createChain } from '@pouw/chain'
import { sha256, utf8 } from '@pouw/crypto'
import { deriveKeys, newMnemonic } from '@pouw/primitives'
import type { BrainConfig, RoleName } from '../src/brain-types.ts'
import { type ContextParts, createContext, createDirectory } from '../src/context.ts'
import { COIN, DEVNET_TICKET, devnetParams } from '../src/networks/devnet.ts'
import { makeGenesis } from '../src/networks/genesis.ts'
import { START_S } from './group.ts'

export const START_MS = (START_S + 1) * 1000

const ROLES: RoleName[] = ['miner', 'verifier', 'verifier', 'verifier', 'verifier']
const PHRASES = ROLES.map((_, index) => newMnemonic(sha256(utf8(`node ${index}`)).slice(0, 16)))
/** Sixteen tries a block, so that a filler run of 512 nearly always wins. */
const params = { ...devnetParams(START_S), genesisBits: 0x200fffff }
const GENESIS = makeGenesis({ roles: ROLES, seedPhrases: PHRASES, nowS: START_S, params })

/** Identity 0 mines, the others verify. */
export const CONFIGS = ROLES.map((role, index): BrainConfig => {
  const keys = deriveKeys(PHRASES[index]!)
  return {
    genesis: GENESIS,
    keys: { ...keys, walletSecret: keys.walletKey },
    role,
    ticket: { ...DEVNET_TICKET, price: COIN },
    fillerPauseMs: 20,
    checkpointEvery: 100,
  }
})

export const BRAIN = CONFIGS[0]!

export function newContext(config: BrainConfig = BRAIN): ContextParts {
  const parts = createContext(config, createChain(config.genesis), createDirectory())
  parts.context.nowMs = START_MS
  parts.context.peer = 'self'
  return parts
}

export const MINER_TICKET = newContext().context.ticket()!.id
