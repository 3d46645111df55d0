import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, schnorrSign, sha256 } from '@pouw/crypto'
import { createNetwork } from '@pouw/p2p'
import { decodeCertifiedBlocks, encodeCertifiedBlocks } from '@pouw/primitives'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { settledWorld } from '../../test/settled-world.ts'
import { cardDigest, deliverModel, type ModelCard, makeCard } from '../model-card.ts'
import { writeGenesis } from '../networks/genesis-file.ts'
import { openLevelStore } from '../store/level-store.ts'
import { checkCard, readCard } from './check-card.ts'
import { createObserver, type Observer, type Source } from './observer.ts'
import { printVerification, verifyCardFile } from './verify-card-file.ts'

const signal = new AbortController().signal
const world = settledWorld()
const client = world.nodes.find((node) => node.name === 'client')!
/** A bystander, whose chain the client does not hold in its hands. */
const verifier = world.nodes.find((node) => node.name === 'verifier-1')!
const { genesis, keys } = client.config
const delivery = { genesis, walletSecret: keys.walletSecret, peers: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }
const served: Source = { name: 'verifier-1', blocks: async (locator) => verifier.brain.serve('blocks', locator) as Uint8Array }
const made = makeCard(client.brain, delivery)!
const text = JSON.stringify(made.card)
const folders: string[] = []
let observer: Observer

beforeAll(async () => {
  observer = createObserver(genesis, () => world.nowMs)
  expect(await observer.follow(served, { signal })).toEqual({ ok: true, height: verifier.brain.chain.tip().height })
})
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

function refusedBy(card: unknown, model: Uint8Array | undefined = made.model): string[] {
  const read = readCard(JSON.stringify(card))
  if (!read) return ['format']
  return checkCard(read, { chain: observer.chain, genesis, model }).flatMap(({ name, ok }) => (ok ? [] : [name]))
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pouw-card-'))
  folders.push(folder)
  return folder
}

test('every claim of the card of a settled task holds on the chain of a bystander', () => {
  expect(made.card.blocks.length).toBeGreaterThan(0)
  const checks = checkCard(readCard(text)!, { chain: observer.chain, genesis, model: made.model })
  for (const { name, ok, reason } of checks) expect(ok, `${name}: ${reason}`).toBe(true)
  expect(checks.map(({ name }) => name)).toEqual([
    'form',
    'genesis',
    'task',
    'data',
    'group',
    'history',
    'blocks',
    'report',
    'metrics',
    'model',
    'payouts',
    'evaluators',
    'signature',
  ])
})

/** Every leaf of the card, as a path. */
function* leaves(value: unknown, path: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (typeof value !== 'object' || value === null) return void (yield path)
  for (const key of Object.keys(value))
    yield* leaves((value as Record<string, unknown>)[key], [...path, Array.isArray(value) ? Number(key) : key])
}

function changed(path: readonly (string | number)[]): ModelCard {
  const card = JSON.parse(text)
  let at = card
  for (const key of path.slice(0, -1)) at = at[key]
  const key = path.at(-1)!
  const value = at[key]
  at[key] =
    typeof value === 'number'
      ? value + 1
      : typeof value === 'string'
        ? value.startsWith('0')
          ? `1${value.slice(1)}`
          : `0${value.slice(1)}`
        : 0
  return card
}

/** The section that a field stands in names the check that must notice. */
const CHECK_OF: Readonly<Record<string, string>> = {
  format: 'format',
  version: 'format',
  notation: 'form',
  network: 'genesis',
  task: 'task',
  data: 'data',
  group: 'group',
  history: 'history',
  blocks: 'blocks',
  report: 'metrics',
  model: 'model',
  settlement: 'payouts',
  signature: 'signature',
}

test('whatever field is changed, its check refuses, and the signature breaks too', () => {
  let seen = 0
  for (const path of leaves(made.card)) {
    const refused = refusedBy(changed(path))
    const where = path.join('.')
    seen++
    if (where.startsWith('network.peers')) {
      expect(refused, where).toEqual(['signature'])
      continue
    }
    const expected = where === 'model.accuracy' || where === 'model.loss' ? 'metrics' : CHECK_OF[path[0]!]
    expect(refused, where).toContain(expected)
    if (expected !== 'format') expect(refused, where).toContain('signature')
    if (path[0] === 'report') expect(refused, where).toContain(path[1] === 'winner' ? 'metrics' : 'report')
    if (where.startsWith('settlement.certificate')) expect(refused, where).toContain('evaluators')
  }
  expect(seen).toBeGreaterThan(150)
})

test('a client that signs a false card anew is caught by the chain', () => {
  const resigned = (path: readonly (string | number)[]) => {
    const card = changed(path)
    return { ...card, signature: bytesToHex(schnorrSign(cardDigest(card), keys.walletSecret)) }
  }
  expect(refusedBy(resigned(['report', 'miners', 0, 'accuracy']))).toEqual(['report', 'metrics'])
  expect(refusedBy(resigned(['settlement', 'refundToClient']))).toEqual(['payouts'])
  expect(refusedBy(resigned(['blocks', 0, 'verifiers', 0]))).toEqual(['blocks'])
  expect(refusedBy(resigned(['data', 'segments', 1]))).toEqual(['data'])
  const short = { ...made.card, blocks: made.card.blocks.slice(1) }
  expect(refusedBy({ ...short, signature: bytesToHex(schnorrSign(cardDigest(short), keys.walletSecret)) })).toEqual(['blocks'])
  const stranger = { ...made.card, signature: bytesToHex(schnorrSign(cardDigest(made.card), sha256(new Uint8Array(1)))) }
  expect(refusedBy(stranger)).toEqual(['signature'])
})

test('a card with fields taken away, added or of another kind is refused without a throw', () => {
  for (const key of Object.keys(made.card)) {
    const { [key as keyof ModelCard]: _, ...rest } = made.card
    expect(refusedBy(rest).length, `without ${key}`).toBeGreaterThan(0)
    for (const value of [null, 7, 'x', [], {}, [null]])
      expect(refusedBy({ ...made.card, [key]: value }).length, `${key} = ${JSON.stringify(value)}`).toBeGreaterThan(0)
  }
  expect(refusedBy({ ...made.card, more: 1 })).toEqual(['form', 'signature'])
  expect(refusedBy({ ...made.card, data: { ...made.card.data, more: 1 } })).toEqual(['data', 'signature'])
  for (const bad of ['', '[]', 'null', '{"format":"pouw-model-card","version":1}']) expect(readCard(bad), bad).toBeUndefined()
})

test('another model, a torn one or none is not the winner', () => {
  const other = made.model.slice()
  other[other.length - 4]! ^= 1
  expect(refusedBy(made.card, other)).toEqual(['model'])
  expect(refusedBy(made.card, made.model.subarray(0, made.model.length - 1))).toEqual(['model'])
  expect(refusedBy(made.card, new Uint8Array(0))).toEqual(['model'])
  expect(checkCard(readCard(text)!, { chain: observer.chain, genesis, model: undefined }).filter(({ ok }) => !ok).length).toBe(1)
})

test('a chain that has not come to the settlement holds no claim about the task', async () => {
  const early = createObserver(genesis, () => world.nowMs)
  const cut: Source = {
    name: 'cut',
    blocks: async () => encodeCertifiedBlocks(verifier.brain.chain.blocksAfter([], 1_000).slice(0, made.card.settlement.height - 1)),
  }
  expect((await early.follow(cut, { signal })).ok).toBe(true)
  const checks = checkCard(readCard(text)!, { chain: early.chain, genesis, model: made.model })
  expect(checks.flatMap(({ name, ok }) => (ok ? [name] : []))).toEqual(['form', 'genesis'])
  expect(checks.find(({ name }) => name === 'task')!.reason).toContain('EVALUATING')
})

test('a source that lies gets nothing past the observer', async () => {
  const blocks =
    decodeCertifiedBlocks((await served.blocks(new Uint8Array(0))) ?? new Uint8Array(0)) ?? verifier.brain.chain.blocksAfter([], 64)
  const lie = (change: (index: number) => unknown): Source => ({
    name: 'liar',
    blocks: async () =>
      encodeCertifiedBlocks(blocks.map((block, index) => (index === 2 ? { ...block, ...(change(index) as object) } : block))),
  })
  const follow = async (source: Source) => {
    const fresh = createObserver(genesis, () => world.nowMs)
    return fresh.follow(source, { signal })
  }
  const shortened = await follow(lie((index) => ({ certificate: blocks[index]!.certificate.slice(1) })))
  expect(shortened.ok).toBe(false)
  expect(shortened.height).toBe(2)
  const borrowed = await follow(lie((index) => ({ certificate: blocks[index - 1]!.certificate })))
  expect(borrowed.ok).toBe(false)
  const { header } = blocks[2]!.block
  const forged = await follow(lie((index) => ({ block: { ...blocks[index]!.block, header: { ...header, hashMsg: '11'.repeat(32) } } })))
  expect(forged.ok).toBe(false)
  expect(await follow({ name: 'mute', blocks: async () => undefined })).toEqual({ ok: false, reason: 'it gave no answer', height: 0 })
  expect(await follow({ name: 'noise', blocks: async () => new Uint8Array(9) })).toMatchObject({
    ok: false,
    reason: 'its answer is malformed',
  })
})

const io = () => {
  const said: string[] = []
  return { said, signal, say: (line: string) => void said.push(line) }
}

test('the files are whole, and are checked against the folder of a node', async () => {
  const folder = await newFolder()
  const delivered = (await deliverModel(client.brain, { ...delivery, folder }))!
  expect(delivered.modelFile).toBe(join(folder, made.card.task.id, 'model.safetensors'))
  expect(JSON.parse(await readFile(delivered.cardFile, 'utf8'))).toEqual(JSON.parse(text))
  expect(new Uint8Array(await readFile(delivered.modelFile))).toEqual(made.model)

  const options = { dataDir: folder, peers: [] }
  await expect(verifyCardFile(delivered.cardFile, options, io())).rejects.toThrow('is no data directory')
  const store = await openLevelStore({ path: join(folder, 'chain'), sync: false })
  const { chain } = verifier.brain
  for (const [index, block] of chain.blocksAfter([], 10_000).entries()) store.saveBlock(chain.at(index + 1)!.id, index + 1, block)
  await store.flush()
  await expect(verifyCardFile(delivered.cardFile, options, io())).rejects.toThrow('--peer')
  await store.close()

  const own = await verifyCardFile(delivered.cardFile, options, io())
  expect(own.checks.filter(({ ok }) => !ok)).toEqual([])
  expect(own.genesisPinned).toBe(false)
  expect(printVerification(own)).toContain('you must know from elsewhere')

  const genesisFile = join(folder, 'genesis.json')
  await writeGenesis(genesisFile, genesis)
  expect((await verifyCardFile(delivered.cardFile, { ...options, genesisFile }, io())).genesisPinned).toBe(true)
  await writeGenesis(genesisFile, { ...genesis, params: { ...genesis.params, name: 'other' } })
  await expect(verifyCardFile(delivered.cardFile, { ...options, genesisFile }, io())).rejects.toThrow('another network')

  await writeFile(delivered.cardFile, JSON.stringify(changed(['model', 'accuracy'])))
  const false1 = await verifyCardFile(delivered.cardFile, options, io())
  expect(false1.ok).toBe(false)
  expect(printVerification(false1)).toMatch(/REFUSED {2}metrics/)
})

test('the chain is asked of peers over libp2p; nobody there is an error that says what to pass', async () => {
  const folder = await newFolder()
  const nobody = await deliverModel(client.brain, { ...delivery, folder })
  await expect(verifyCardFile(nobody!.cardFile, { peers: [] }, io())).rejects.toThrow('--peer MULTIADDR')

  const network = await createNetwork(
    { networkId: made.card.network.id, peerSeed: sha256(new Uint8Array([1])), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [] },
    {
      gossip: () => 'ignore',
      message: () => {},
      request: async (service, payload) => (service === 'blocks' ? (verifier.brain.serve('blocks', payload) as Uint8Array) : undefined),
    },
  )
  try {
    const { cardFile } = (await deliverModel(client.brain, { ...delivery, peers: network.addresses, folder }))!
    const verification = await verifyCardFile(cardFile, { peers: [] }, io())
    expect(verification.checks.filter(({ ok }) => !ok)).toEqual([])
    expect(verification.sources).toEqual([network.peerId])
  } finally {
    await network.stop()
  }
})
