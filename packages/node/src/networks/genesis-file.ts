/**
 * A genesis as a file: JSON for people, with amounts as decimal strings, and the hash of the canonical parameters beside them, so that a
 * file that was edited by hand does not silently start another network.
 */
import { readFile, writeFile } from 'node:fs/promises'
import type { Genesis } from '@pouw/chain'
import { OperationError, paramsHash } from '@pouw/primitives'

const FORMAT = 'pouw-genesis-1'
/** Fields that are amounts; JSON has no integers of 64 bits. */
const AMOUNTS = new Set(['subsidy', 'ticketPriceMin', 'minTxFee', 'coins'])

export async function writeGenesis(file: string, genesis: Genesis): Promise<void> {
  await writeFile(file, `${formatGenesis(genesis)}\n`)
}

/** @throws OperationError `not-found` or `corrupt` */
export async function readGenesis(file: string): Promise<Genesis> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new OperationError('not-found', `cannot read the genesis file ${file}`, { cause })
  }
  try {
    return parseGenesis(text)
  } catch (cause) {
    throw new OperationError('corrupt', `${file} is no genesis file: ${(cause as Error).message}`, { cause })
  }
}

export function formatGenesis(genesis: Genesis): string {
  const whole = { format: FORMAT, paramsHash: paramsHash(genesis.params), ...genesis }
  return JSON.stringify(whole, (_, value) => (typeof value === 'bigint' ? value.toString() : value), 2)
}

/** @throws Error with a reason that people can read */
export function parseGenesis(text: string): Genesis {
  const whole = JSON.parse(text, (key, value) => (AMOUNTS.has(key) ? BigInt(value) : value))
  if (whole?.format !== FORMAT) throw new TypeError(`expected format ${FORMAT}, received ${whole?.format}`)
  if (!Array.isArray(whole.identities)) throw new TypeError('expected a list of identities')
  const genesis: Genesis = { params: whole.params, identities: whole.identities }
  const hash = paramsHash(genesis.params)
  if (hash !== whole.paramsHash) throw new TypeError(`the parameters hash to ${hash}, but the file says ${whole.paramsHash}`)
  return genesis
}
