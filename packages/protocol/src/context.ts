/**
 * What every part of the brain shares: the ledger, the keys, the outbox of effects, and answers that are still under way.
 */
import { type Chain, createMempool, type Mempool, type Ticket } from '@pouw/chain'
import { bytesToHex, sha256 } from '@pouw/crypto'
import { encodeTx, type Hex, type Message, type NetworkParams, type Tx, txId, type Verdict } from '@pouw/primitives'
import type { BrainConfig } from './brain-types.ts'
import { sealMessage } from './envelope.ts'
import type { Effect, Job, JobResult, Service, Topic } from './ports.ts'

type Unsealed<T> = T extends unknown ? Omit<T, 'signature' | 'sender' | 'sequence'> : never

export interface Context {
  readonly config: BrainConfig
  readonly params: NetworkParams
  readonly chain: Chain
  readonly mempool: Mempool
  readonly networkId: Hex
  /** Time of the event being handled, in milliseconds; the only clock there is. */
  nowMs: number
  /** Our own libp2p identity, known from `start` on. */
  peer: string
  addresses: readonly string[]
  /** Peers we are connected to. */
  readonly connected: Set<string>
  readonly counters: Record<string, number>
  effect(effect: Effect): void
  emit(name: string, fields?: Record<string, unknown>): void
  count(name: string): void
  compute(job: Job, done: (result: JobResult) => void): void
  /** Fetches bytes by their SHA-256 from the peers in turn; retries until `keep()` says no. */
  fetch(hash: Hex, peers: () => readonly string[], bytesMax: number, keep: () => boolean, done: (bytes: Uint8Array) => void): void
  request(peer: string, service: Service, payload: Uint8Array, done: (bytes: Uint8Array | undefined) => void): void
  /** Calls back at a time; a later call with the same id replaces the earlier one. */
  at(id: string, atMs: number, wake: () => void): void
  putBlob(bytes: Uint8Array): Hex
  /** Our own ticket: the one whose key is this operator's. */
  ticket(): Ticket | undefined
  /** Adds a transaction of ours to the mempool and tells the network; false if the ledger refuses it. */
  submit(tx: Tx): Verdict
  /** Outpoints that our unconfirmed transactions spend already. */
  reserved(): Set<string>
  /** Seals a message as our ticket (or as the client of `taskId`). */
  seal(message: Unsealed<Message>, as: 'ticket' | 'client'): Uint8Array
  gossip(topic: Topic, bytes: Uint8Array): void
  /** Sends to whoever holds this ticket (or is this task's client), if his address is known. */
  sendTo(holder: Hex, bytes: Uint8Array): void
  peerOf(holder: Hex): string | undefined
}

/** A search that found nothing is repeated soon, since its provider may just be on its way, then more rarely. */
const FETCH_RETRY_MS_MIN = 150
const FETCH_RETRY_MS = 1200

/** Where HELLOs put the network addresses of tickets and clients. Bounded. */
export interface Directory {
  peerOf(holder: Hex): string | undefined
  learn(holder: Hex, sequence: number, peer: string): boolean
}

const DIRECTORY_MAX = 4096

export function createDirectory(): Directory {
  const entries = new Map<Hex, { sequence: number; peer: string }>()
  return {
    peerOf: (holder) => entries.get(holder)?.peer,
    learn(holder, sequence, peer) {
      const known = entries.get(holder)
      if (known && known.sequence >= sequence) return false
      entries.delete(holder)
      entries.set(holder, { sequence, peer })
      if (entries.size > DIRECTORY_MAX) entries.delete(entries.keys().next().value!)
      return true
    },
  }
}

export interface ContextParts {
  readonly context: Context
  /** Hands over the effects collected since the last call. */
  drain(): Effect[]
  fetched(id: number, bytes: Uint8Array | undefined): void
  answered(id: number, bytes: Uint8Array | undefined): void
  computed(id: number, result: JobResult): void
  timer(id: string): void
  /** Envelope sequences start above what an earlier life of this node may have used. */
  startSequence(from: number): void
  nextSequence(): number
}

export function createContext(config: BrainConfig, chain: Chain, directory: Directory): ContextParts {
  let outbox: Effect[] = []
  let nextId = 1
  let sequence = 1
  const computing = new Map<number, (result: JobResult) => void>()
  const fetching = new Map<number, (bytes: Uint8Array | undefined) => void>()
  const asking = new Map<number, (bytes: Uint8Array | undefined) => void>()
  const timers = new Map<string, () => void>()

  const context: Context = {
    config,
    params: chain.params,
    chain,
    mempool: createMempool(chain),
    networkId: chain.networkId,
    nowMs: 0,
    peer: '',
    addresses: [],
    connected: new Set(),
    counters: {},
    effect(effect) {
      outbox.push(effect)
    },
    emit(name, fields = {}) {
      outbox.push({ kind: 'emit', name, fields })
    },
    count(name) {
      context.counters[name] = (context.counters[name] ?? 0) + 1
    },
    compute(job, done) {
      const id = nextId++
      computing.set(id, done)
      outbox.push({ kind: 'compute', id, job })
    },
    fetch(hash, peers, bytesMax, keep, done) {
      let retryMs = FETCH_RETRY_MS_MIN
      const attempt = () => {
        if (!keep()) return
        const id = nextId++
        fetching.set(id, (bytes) => {
          if (!keep()) return
          if (bytes) return done(bytes)
          context.at(`fetch:${id}`, context.nowMs + retryMs, attempt)
          retryMs = Math.min(2 * retryMs, FETCH_RETRY_MS)
        })
        outbox.push({ kind: 'fetch', id, hash, peers: peers(), bytesMax })
      }
      attempt()
    },
    request(peer, service, payload, done) {
      const id = nextId++
      asking.set(id, done)
      outbox.push({ kind: 'request', id, peer, service, payload })
    },
    at(id, atMs, wake) {
      timers.set(id, wake)
      outbox.push({ kind: 'timer', id, atMs })
    },
    putBlob(bytes) {
      const hash = bytesToHex(sha256(bytes))
      outbox.push({ kind: 'put-blob', hash, bytes })
      return hash
    },
    ticket() {
      return chain
        .view()
        .tickets({ owner: config.keys.walletPublic })
        .find((ticket) => ticket.vrfKey === config.keys.ticketPublic && ticket.state !== 'SPENT')
    },
    submit(tx) {
      const verdict = context.mempool.add(tx)
      if (verdict.ok) context.gossip('tx', encodeTx(tx))
      else context.emit('transaction-refused', { txid: txId(tx), code: verdict.code, detail: verdict.detail })
      return verdict
    },
    reserved() {
      const spent = new Set<string>()
      for (const tx of context.mempool.all()) for (const input of tx.inputs) spent.add(`${input.txid}:${input.index}`)
      return spent
    },
    seal(message, as) {
      const sender = as === 'client' ? message.taskId : context.ticket()!.id
      const signer = as === 'client' ? { clientSecret: config.keys.walletSecret } : { ticketSeed: config.keys.ticketSeed }
      return sealMessage(chain.networkId, { ...message, sender, sequence: sequence++ } as never, signer)
    },
    gossip(topic, bytes) {
      outbox.push({ kind: 'gossip', topic, bytes })
    },
    sendTo(holder, bytes) {
      const peer = directory.peerOf(holder)
      if (peer) outbox.push({ kind: 'send', peer, bytes })
    },
    peerOf: (holder) => directory.peerOf(holder),
  }

  const settle = <T>(waiting: Map<number, (value: T) => void>, id: number, value: T) => {
    const done = waiting.get(id)
    waiting.delete(id)
    done?.(value)
  }

  return {
    context,
    drain() {
      const effects = outbox
      outbox = []
      return effects
    },
    fetched: (id, bytes) => settle(fetching, id, bytes),
    answered: (id, bytes) => settle(asking, id, bytes),
    computed: (id, result) => settle(computing, id, result),
    timer(id) {
      const wake = timers.get(id)
      timers.delete(id)
      wake?.()
    },
    startSequence(from) {
      sequence = Math.max(sequence, from)
    },
    nextSequence: () => sequence,
  }
}
