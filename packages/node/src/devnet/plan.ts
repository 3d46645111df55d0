/** Who takes part in a devnet, and where each process lies and listens. Pure, but for the folder names it is given. */
import { join } from 'node:path'
import { sha256, u32le, utf8 } from '@pouw/crypto'
import { newMnemonic } from '@pouw/primitives'
import type { RoleName } from '@pouw/protocol'

export interface DevnetSize {
  readonly miners: number
  readonly supervisors: number
  readonly verifiers: number
  readonly evaluators: number
}

export interface Member {
  /** `miner-1`, `verifier-4`, `client`. */
  readonly name: string
  readonly role: RoleName
  readonly dataDir: string
}

/**
 * The members in the order in which their processes start: the first miner and the verifiers have tickets at genesis and make block 1,
 * so they come first; then the rest.
 */
export function members(size: DevnetSize, folder: string): Member[] {
  const named = (role: RoleName, count: number) =>
    Array.from({ length: count }, (_, i): Member => {
      const name = role === 'client' ? role : `${role}-${i + 1}`
      return { name, role, dataDir: join(folder, name) }
    })
  const [firstMiner, ...otherMiners] = named('miner', size.miners)
  if (!firstMiner) throw new RangeError('a devnet needs at least one miner')
  return [
    firstMiner,
    ...named('verifier', size.verifiers),
    ...named('client', 1),
    ...otherMiners,
    ...named('supervisor', size.supervisors),
    ...named('evaluator', size.evaluators),
  ]
}

/** BIP39 phrase number `index` of the devnet with this seed: the same seed makes the same identities. */
export function seedPhrase(seed: bigint, index: number): string {
  return newMnemonic(sha256(utf8('POUW-DEVNET-SEED'), utf8(seed.toString()), u32le(index)).slice(0, 16))
}
