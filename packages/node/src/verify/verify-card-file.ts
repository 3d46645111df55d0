/** `pouw verify CARD`: reads the card, gets the chain, checks one against the other. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Genesis, genesisBlock } from '@pouw/chain'
import { OperationError, printHash } from '@pouw/primitives'
import { MODEL_FILE } from '../model-card.ts'
import { readGenesis } from '../networks/genesis-file.ts'
import { type CheckResult, cardGenesis, cardPeers, checkCard, readCard } from './check-card.ts'
import { createObserver, type Observer, type Source } from './observer.ts'
import { folderSource, peerSources } from './sources.ts'

export interface VerifyOptions {
  /** Data directory of a node that is not running. */
  readonly dataDir?: string
  /** Multiaddrs to ask; empty: those of the card. */
  readonly peers: readonly string[]
  /** The genesis the reader trusts; without it the card's own. */
  readonly genesisFile?: string
}

export interface VerifyIo {
  readonly signal: AbortSignal
  /** Progress, for people. */
  say(line: string): void
}

export interface Verification {
  readonly ok: boolean
  readonly card: string
  readonly taskId: string | null
  readonly genesisId: string
  /** Whether the reader brought the genesis himself. */
  readonly genesisPinned: boolean
  /** Height of the chain that the card was checked against. */
  readonly height: number
  readonly sources: readonly string[]
  readonly checks: readonly CheckResult[]
}

const CARD_BYTES_MAX = 64 * 1024 * 1024
const MODEL_BYTES_MAX = 2 ** 31
const PROGRESS_MS = 1_000

/** @throws OperationError if card or genesis cannot be read, no source can be reached, or the signal is aborted */
export async function verifyCardFile(cardFile: string, options: VerifyOptions, io: VerifyIo): Promise<Verification> {
  const text = await readSome(cardFile, CARD_BYTES_MAX)
  const card = text && readCard(new TextDecoder().decode(text))
  if (!card) throw new OperationError(text ? 'corrupt' : 'not-found', `${cardFile} is no model card that can be read`)
  const genesis = options.genesisFile === undefined ? cardGenesis(card) : await readGenesis(options.genesisFile)
  if (!genesis) throw new OperationError('corrupt', 'the card carries no genesis: pass the genesis file of the network with --genesis')
  const { id: genesisId } = genesisBlock(genesis)
  const named = ((card.network ?? {}) as { genesisId?: unknown }).genesisId
  if (options.genesisFile !== undefined && named !== printHash(genesisId)) {
    throw new OperationError(
      'refused',
      plain(
        `the card is of another network: its genesis is ${String(named).slice(0, 64)}, that of ${options.genesisFile} ${printHash(genesisId)}`,
      ),
    )
  }

  const observer = createObserver(genesis, Date.now)
  const sources = await followSources(observer, genesis, options, cardPeers(card), io)
  io.signal.throwIfAborted()
  const model = await readSome(join(dirname(cardFile), MODEL_FILE), MODEL_BYTES_MAX)
  const checks = checkCard(card, { chain: observer.chain, genesis, model })
  const { id } = (card.task ?? {}) as { id?: unknown }
  return {
    ok: checks.every((check) => check.ok),
    card: cardFile,
    taskId: typeof id === 'string' ? id.slice(0, 64) : null,
    genesisId: printHash(genesisId),
    genesisPinned: options.genesisFile !== undefined,
    height: observer.chain.tip().height,
    sources,
    checks,
  }
}

/** Names of those that were followed. */
async function followSources(
  observer: Observer,
  genesis: Genesis,
  { dataDir, peers }: VerifyOptions,
  hints: readonly string[],
  io: VerifyIo,
): Promise<string[]> {
  if (dataDir !== undefined) {
    const source = await folderSource(dataDir, genesis)
    await followOne(observer, source, io)
    return [source.name]
  }
  const addresses = peers.length > 0 ? peers : hints
  const advice = 'pass --peer MULTIADDR of a node that runs, or --data-dir DIR of one that does not'
  if (addresses.length === 0) throw new OperationError('unavailable', `the card names no peers: ${advice}`)
  io.say(`asking ${addresses.length} ${addresses.length === 1 ? 'peer' : 'peers'} for the chain`)
  const network = await peerSources(addresses, genesis, io.signal)
  try {
    const followed: string[] = []
    for (const source of network.sources) if (await followOne(observer, source, io)) followed.push(source.name)
    if (followed.length > 0) return followed
    io.signal.throwIfAborted()
    for (const line of network.unreachable) io.say(plain(line))
    throw new OperationError('unavailable', `no peer of ${addresses.length} gave a chain of this network: ${advice}`)
  } finally {
    await network.close()
  }
}

/** False if the source gave nothing at all. */
async function followOne(observer: Observer, source: Source, { signal, say }: VerifyIo): Promise<boolean> {
  let saidMs = performance.now()
  const followed = await observer.follow(source, {
    signal,
    progress(height) {
      if (performance.now() - saidMs < PROGRESS_MS) return
      saidMs = performance.now()
      say(`checked blocks up to height ${height}`)
    },
  })
  say(`${source.name}: ${followed.ok ? `checked to height ${followed.height}` : followed.reason}`)
  return followed.ok || followed.height > 0
}

async function readSome(file: string, bytesMax: number): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(file)
    return size <= bytesMax ? await readFile(file) : undefined
  } catch {
    return undefined
  }
}

/** The table of checks, for people. */
export function printVerification({ ok, taskId, genesisId, genesisPinned, height, sources, checks }: Verification): string {
  const lines = checks.flatMap(({ name, compared, ok: holds, reason }) => [
    `${holds ? 'ok     ' : 'REFUSED'}  ${name.padEnd(10)}  ${compared}`,
    ...(holds ? [] : [`         ${''.padEnd(10)}  ${reason}`]),
  ])
  const refused = checks.filter((check) => !check.ok).length
  const verdict = ok ? `all ${checks.length} claims hold` : `${refused} of ${checks.length} claims do not hold`
  const text = [
    ...lines,
    '',
    `task     ${taskId ?? 'unknown'}`,
    `chain    height ${height}, every block checked, from ${sources.join(', ')}`,
    `genesis  ${genesisId}`,
    genesisPinned
      ? '         as in the file you passed.'
      : "         the card's own: that it is the network you mean, you must know from elsewhere (or pass --genesis).",
    verdict,
    '',
  ]
  return text.map(plain).join('\n')
}

/** A card may say anything; a terminal must not obey it. */
function plain(line: string): string {
  return line.replace(/[^\x20-\x7e]/g, '?')
}
