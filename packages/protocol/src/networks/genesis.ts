import type { Genesis, GenesisIdentity } from '@pouw/chain'
import { deriveKeys, type NetworkParams } from '@pouw/primitives'
import type { RoleName } from '../brain-types.ts'
import { COIN, DEVNET_TICKET, devnetParams } from './devnet.ts'

export interface GenesisOptions {
  /** One role per identity; the identities keep this order. */
  readonly roles: readonly RoleName[]
  /** BIP39 phrases, one per identity. */
  readonly seedPhrases: readonly string[]
  readonly nowS: number
  /** Default: the devnet's. */
  readonly params?: NetworkParams
}

/** A purse for stakes and fees; the client's also holds the fee of its tasks. */
const COINS = { worker: 1_000n * COIN, client: 100_000n * COIN }
/** Several outputs, so that two transactions of one owner need not wait for each other's change. */
const OUTPUTS = 8

/**
 * Genesis of a devnet: coins for everybody, and tickets for those without whom block 1 cannot be made, the first miner and all
 * verifiers (A16). Everybody else buys on chain.
 *
 * @throws RangeError if nobody could mine or verify block 1, or the lists differ in length.
 */
export function makeGenesis({ roles, seedPhrases, nowS, params = devnetParams(nowS) }: GenesisOptions): Genesis {
  if (roles.length !== seedPhrases.length) {
    throw new RangeError(`makeGenesis: ${roles.length} roles but ${seedPhrases.length} seed phrases`)
  }
  const firstMiner = roles.indexOf('miner')
  if (firstMiner < 0) throw new RangeError('makeGenesis: expected at least one miner, received none')
  const verifiers = roles.filter((role) => role === 'verifier').length
  const verifiersMin = Math.max(params.verifierDraw, params.verifierQuorum)
  if (verifiers < verifiersMin) throw new RangeError(`makeGenesis: expected at least ${verifiersMin} verifiers, received ${verifiers}`)

  const { preferences, families, expiry } = DEVNET_TICKET
  const identities = roles.map((role, i): GenesisIdentity => {
    const keys = deriveKeys(seedPhrases[i]!)
    const ticketRole = role === 'verifier' ? TICKET_ROLE.verifier : i === firstMiner ? TICKET_ROLE.miner : undefined
    return {
      walletPublic: keys.walletPublic,
      ticketPublic: keys.ticketPublic,
      coins: role === 'client' ? COINS.client : COINS.worker,
      outputs: OUTPUTS,
      ...(ticketRole && { ticket: { role: ticketRole, preferences, families, expiry } }),
    }
  })
  return { params, identities }
}

const TICKET_ROLE = { miner: 1, verifier: 4 } as const
