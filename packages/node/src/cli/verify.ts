import type { Command } from 'commander'
import { EXIT, UsageError } from './exit.ts'

interface Flags {
  readonly dataDir?: string
  readonly peer: string[]
  readonly genesis?: string
  readonly json?: boolean
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check every claim of a model card against the chain')
    .argument('<card>', 'model-card.json; the model lies beside it')
    .option('--data-dir <folder>', 'read the chain of this node, which must not be running')
    .option('--peer <multiaddr...>', 'ask these nodes, with /p2p/<id>; without it those that the card names', [])
    .option('--genesis <file>', 'genesis file of the network you trust; without it the one in the card')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Every block is checked as a node does that joins: header, target, transactions, work, certificates. Whether the
genesis is that of the network you mean, only you can know: compare the printed id, or pass --genesis.
Progress goes to stderr. Exit code: 0 every claim holds, 1 one does not or no chain could be had, 2 wrong usage.

Example:
  $ pouw verify models/model-card.json --peer /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...
  $ pouw verify models/model-card.json --data-dir ./my-node --genesis ./genesis.json`,
    )
    .action(run)
}

async function run(cardFile: string, { dataDir, peer, genesis, json }: Flags): Promise<void> {
  if (dataDir !== undefined && peer.length > 0) throw new UsageError('expected --data-dir or --peer, received both')
  const bad = peer.find((address) => !address.startsWith('/') || !address.includes('/p2p/'))
  if (bad !== undefined) throw new UsageError(`--peer: expected a multiaddr with /p2p/<id>, received ${bad}`)
  const { printVerification, verifyCardFile } = await import('../verify/verify-card-file.ts')
  const { toJson } = await import('../json.ts')
  const { OperationError } = await import('@pouw/primitives')
  const abort = new AbortController()
  const stop = () => abort.abort(new OperationError('aborted', 'stopped before the card was checked'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const verification = await verifyCardFile(
    cardFile,
    { ...(dataDir !== undefined && { dataDir }), peers: peer, ...(genesis !== undefined && { genesisFile: genesis }) },
    { signal: abort.signal, say: (line) => void process.stderr.write(`${line}\n`) },
  )
  process.stdout.write(json ? `${toJson(verification)}\n` : printVerification(verification))
  process.exitCode = verification.ok ? EXIT.done : EXIT.failed
}
