/** The configuration file of one node process. */
import { readFile } from 'node:fs/promises'
import { OperationError } from '@pouw/primitives'
import type { StartNodeOptions } from './start-node.ts'

export interface NodeProcessConfig extends StartNodeOptions {
  /** A client's task: submitted as soon as enough tickets are live; after a restart the same task is taken up again. */
  readonly taskFile?: string
  /** Where data files may lie besides the installed packages. */
  readonly dataFiles?: string
  /** End when stdin ends: the parent holds the other end for as long as it lives. */
  readonly endWithStdin: boolean
}

/** @throws OperationError `not-found` or `corrupt` */
export async function readNodeConfig(file: string): Promise<NodeProcessConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new OperationError('not-found', `cannot read the node configuration ${file}`, { cause })
  }
  try {
    return checkNodeConfig(JSON.parse(text))
  } catch (cause) {
    throw new OperationError('corrupt', `${file}: ${(cause as Error).message}`, { cause })
  }
}

const ROLES = ['miner', 'supervisor', 'evaluator', 'verifier', 'client', 'peer']

function checkNodeConfig(value: Record<string, unknown>): NodeProcessConfig {
  const text = (key: string) => typeof value[key] === 'string'
  const texts = (key: string) => Array.isArray(value[key]) && (value[key] as unknown[]).every((item) => typeof item === 'string')
  const count = (key: string) => Number.isSafeInteger(value[key]) && (value[key] as number) >= 0
  const expected: [string, boolean, string][] = [
    ['genesisFile', text('genesisFile'), 'a path'],
    ['role', ROLES.includes(value.role as string), ROLES.join(' | ')],
    ['dataDir', text('dataDir'), 'a path'],
    ['listen', texts('listen'), 'a list of multiaddrs'],
    ['bootstrap', texts('bootstrap'), 'a list of multiaddrs'],
    ['fillerPauseMs', count('fillerPauseMs'), 'milliseconds'],
    ['checkpointEvery', count('checkpointEvery'), 'a number of iterations'],
    ['syncWrites', typeof value.syncWrites === 'boolean', 'true or false'],
    ['endWithStdin', typeof value.endWithStdin === 'boolean', 'true or false'],
    ['taskFile', value.taskFile === undefined || text('taskFile'), 'a path'],
    ['dataFiles', value.dataFiles === undefined || text('dataFiles'), 'a path'],
  ]
  for (const [key, good, what] of expected) {
    if (!good) throw new TypeError(`${key}: expected ${what}, received ${JSON.stringify(value[key])}`)
  }
  return value as unknown as NodeProcessConfig
}
