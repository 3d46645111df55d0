import { join, resolve } from 'node:path'
import type { Command } from 'commander'

interface Flags {
  readonly dataDir: string
  readonly role: string
  readonly genesis: string
  readonly listen: string
  readonly bootstrap: string[]
  readonly json?: boolean
}

const ROLES = ['miner', 'supervisor', 'evaluator', 'verifier', 'client', 'peer']

export function registerInit(program: Command): void {
  program
    .command('init')
    .description('make a folder for a node: a new seed phrase and a configuration')
    .requiredOption('--data-dir <folder>', 'new folder of the node')
    .requiredOption('--genesis <file>', 'genesis file of the network')
    .option('--role <role>', ROLES.join(', '), 'peer')
    .option('--listen <multiaddr>', 'where to listen', '/ip4/127.0.0.1/tcp/0')
    .option('--bootstrap <multiaddr...>', 'nodes to dial, with /p2p/<id>', [])
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ pouw init --data-dir ./my-node --genesis ./genesis.json --role miner')
    .action(run)
}

async function run(flags: Flags): Promise<void> {
  const { UsageError } = await import('./exit.ts')
  if (!ROLES.includes(flags.role)) throw new UsageError(`--role: expected one of ${ROLES.join(', ')}, received ${flags.role}`)
  const { randomBytes } = await import('node:crypto')
  const { mkdir, writeFile } = await import('node:fs/promises')
  const { deriveKeys, encodeAddress, newMnemonic, OperationError } = await import('@pouw/primitives')
  const { hexToBytes } = await import('@pouw/crypto')
  const { readGenesis } = await import('../networks/genesis-file.ts')

  const genesis = await readGenesis(flags.genesis)
  const dataDir = resolve(flags.dataDir)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const phrase = newMnemonic(new Uint8Array(randomBytes(16)))
  const seedFile = join(dataDir, 'seed')
  try {
    await writeFile(seedFile, `${phrase}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new OperationError('refused', `${seedFile} cannot be made; a phrase that is there already is never written over`, { cause })
  }
  const config = {
    genesisFile: resolve(flags.genesis),
    role: flags.role,
    dataDir,
    listen: [flags.listen],
    bootstrap: flags.bootstrap,
    fillerPauseMs: 0,
    checkpointEvery: 50,
    syncWrites: true,
    endWithStdin: false,
  }
  const configFile = join(dataDir, 'node.json')
  await writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`)
  const address = encodeAddress(genesis.params.hrp, 1, hexToBytes(deriveKeys(phrase).walletPublic))
  if (flags.json) process.stdout.write(`${JSON.stringify({ dataDir, configFile, seedFile, address })}\n`)
  else {
    process.stdout.write(`address  ${address}\nseed     ${seedFile}  (back it up: every key of this node comes from it)\n`)
    process.stdout.write(`start    pouw node --config ${configFile}\n`)
  }
}
