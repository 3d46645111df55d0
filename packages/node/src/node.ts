/**
 * The body of a node: one operating-system process around one brain.
 *
 * The brain (`@pouw/protocol`) decides, this file obeys: it feeds events to it one at a time and performs the effects it answers, in
 * order. Rules live there, sockets, disks, clocks and threads here.
 *
 *     network ─┐                         ┌─> outbox ──> network     (send, gossip, request: after what was persisted is durable)
 *     timers  ─┼─> events ─> brain ─> effects ─> store, blobs       (handed in at once)
 *     compute ─┘                         └─> compute, timers, fetch (at once; they answer with events)
 */
import { bytesToHex } from '@pouw/crypto'
import type { Network, NetworkHandlers, Service as NetworkService } from '@pouw/p2p'
import { OperationError } from '@pouw/primitives'
import type { Brain, Command, Effect, Event, NodeStatus } from '@pouw/protocol'
import { type BlobFetch, createBlobFetch } from './blob-fetch.ts'
import type { Compute } from './compute/compute.ts'
import { createOutbox } from './outbox.ts'
import type { BlobStore } from './store/blobs.ts'
import type { Store } from './store/store.ts'
import { type Clock, createTimers } from './timers.ts'

export interface NodeConfig {
  /** Blob searches in the network at one time. */
  readonly fetchesAtOnce: number
  /** Blob searches known at one time; more are answered "not found" at once. */
  readonly fetchesMax: number
  /** Patience with a peer's answer to a request, ms. */
  readonly requestTimeoutMs: number
  /** Longest answer taken from a peer's service, bytes. */
  readonly answerBytesMax: number
  /** Gossip kept while no peer hears us, newest first to stay. */
  readonly unheardMax: number
  /** Events waiting for the brain; messages beyond it are dropped as if the network had lost them. */
  readonly eventsMax: number
}

export const defaultNodeConfig: NodeConfig = {
  fetchesAtOnce: 16,
  fetchesMax: 4_096,
  requestTimeoutMs: 10_000,
  // A page of blocks: `blocksAfter` answers several blocks of up to 4 MiB.
  answerBytesMax: 64 * 1024 * 1024,
  unheardMax: 1_024,
  eventsMax: 10_000,
}

export interface NodePorts {
  readonly brain: Brain
  /** Opens the network with the node's handlers; called once. */
  openNetwork(handlers: NetworkHandlers): Promise<Network>
  readonly store: Store
  readonly blobs: BlobStore
  readonly compute: Pick<Compute, 'run' | 'close'>
  readonly clock: Clock
  /** For people: what the brain emits, and the body's own remarks (`effect-failed`, `events-dropped`). */
  emit(name: string, fields: Readonly<Record<string, unknown>>): void
}

export interface RunningNode {
  readonly peerId: string
  readonly addresses: readonly string[]
  /** Connected peers. */
  peers(): number
  status(): NodeStatus
  command(command: Command): void
  /** Ends cleanly: everything handed in so far is on disk afterwards. */
  stop(): Promise<void>
  /** Resolves after `stop`; rejects with what ended the node against its will: a bug in the brain, or a disk that refuses to write. */
  readonly done: Promise<void>
}

/** Points for a request that no honest peer writes. */
const MALFORMED_POINTS = 20

/** Events handled in one go before the machine's own events (sockets, disk, timers) get their turn. */
const TURN_MS = 10

/**
 * Opens the network, hands the brain its past and lets it run.
 *
 * @throws OperationError if the store cannot be read or the network cannot be opened.
 */
export async function createNode(config: NodeConfig, ports: NodePorts): Promise<RunningNode> {
  const { brain, store, blobs, compute, clock } = ports
  const abort = new AbortController()
  const done = Promise.withResolvers<void>()
  // Whoever is interested waits on `done`; nobody has to.
  done.promise.catch(() => {})
  let started = false
  let ended = false
  let dropped = 0
  let ending: Promise<void> | undefined
  const events: Event[] = []
  let draining = false

  const past = await store.load()
  if (past.lost > 0) remark('blocks-lost', { lost: past.lost })

  const outbox = createOutbox({ flush: () => Promise.all([store.flush(), blobs.flush()]).then(() => {}), failed: fail })
  const timers = createTimers(clock, (id) => post({ kind: 'timer', id }))
  const ready = new Set<string>()
  /** What nobody would have heard: gossip repeats nothing of its own accord, so it is said when the first peer is there. */
  const unheard: (Effect & { kind: 'gossip' })[] = []
  const network = await ports.openNetwork({
    gossip(topic, bytes, from) {
      if (!started || ended) return 'ignore'
      const judged = think(() => brain.gossip(topic, bytes, from, clock.now()))
      if (!judged) return 'ignore'
      perform(judged.effects)
      return judged.verdict
    },
    message(bytes, from) {
      if (events.length >= config.eventsMax) return void dropped++
      post({ kind: 'message', bytes, from })
    },
    request: serve,
  })
  const blobFetch: BlobFetch = createBlobFetch({
    blobs,
    network,
    atOnce: config.fetchesAtOnce,
    searchesMax: config.fetchesMax,
    signal: abort.signal,
  })
  // Ready, not merely connected: from here on gossip reaches the peer too.
  network.on('peer:ready', ({ peerId }) => {
    ready.add(peerId)
    for (const effect of unheard.splice(0)) publish(effect)
    post({ kind: 'peer', peer: peerId, connected: true })
  })
  network.on('peer:disconnect', ({ peerId }) => {
    if (ready.delete(peerId)) post({ kind: 'peer', peer: peerId, connected: false })
  })

  started = true
  events.unshift({ kind: 'start', stored: past.stored, blocks: past.blocks, peer: network.peerId, addresses: network.addresses })
  drain()

  return {
    peerId: network.peerId,
    addresses: network.addresses,
    peers: () => network.peers().length,
    status: () => brain.status(),
    command: (command) => post({ kind: 'command', command }),
    stop: () => end(),
    done: done.promise,
  }

  function post(event: Event): void {
    if (ended) return
    events.push(event)
    drain()
  }

  /** One event at a time, never one inside another: what an effect triggers at once waits in line. */
  function drain(): void {
    if (draining || !started) return
    draining = true
    const untilMs = clock.now() + TURN_MS
    while (events.length > 0 && !ended) {
      const event = events.shift()!
      const effects = think(() => brain.handle(event, clock.now()))
      if (effects) perform(effects)
      if (events.length > 0 && clock.now() >= untilMs) {
        setImmediate(() => {
          draining = false
          drain()
        })
        return
      }
    }
    draining = false
    if (dropped > 0) {
      remark('events-dropped', { count: dropped })
      dropped = 0
    }
  }

  /** A brain that throws has a bug, and its state cannot be trusted any more: the process must stop before it signs something wrong. */
  function think<T>(thought: () => T): T | undefined {
    try {
      return thought()
    } catch (error) {
      fail(error)
      return undefined
    }
  }

  function perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (ended) return
      try {
        performOne(effect)
      } catch (error) {
        // Without the write nothing later may leave (A22), so this one failure is not survivable. Everything else is like a lost packet.
        if (effect.kind === 'persist' || effect.kind === 'save-block') return fail(error)
        remark('effect-failed', { effect: effect.kind, error: messageOf(error) })
      }
    }
  }

  function performOne(effect: Effect): void {
    switch (effect.kind) {
      case 'gossip':
        return outbox.leave(() => publish(effect))
      case 'send':
        return outbox.leave(() => guarded(effect, () => network.send(effect.peer, effect.bytes)))
      case 'request':
        return outbox.leave(() => {
          const options = { maxBytes: config.answerBytesMax, timeoutMs: config.requestTimeoutMs, signal: abort.signal }
          network.request(effect.peer, effect.service, effect.payload, options).then(
            (bytes) => post({ kind: 'answered', id: effect.id, bytes }),
            () => post({ kind: 'answered', id: effect.id, bytes: undefined }),
          )
        })
      case 'fetch':
        blobFetch
          .fetch(effect.hash, effect.peers, effect.bytesMax)
          .catch((error) => {
            effectFailed(effect)(error)
            return undefined
          })
          .then((bytes) => post({ kind: 'fetched', id: effect.id, bytes }))
        return
      case 'put-blob':
        outbox.persisted()
        return blobs.put(effect.hash, effect.bytes)
      case 'drop-blob':
        return blobs.drop(effect.hash)
      case 'persist':
        outbox.persisted()
        return store.persist(effect.key, effect.value)
      case 'save-block':
        outbox.persisted()
        return store.saveBlock(effect.id, effect.height, effect.block)
      case 'timer':
        return timers.set(effect.id, effect.atMs)
      case 'compute':
        compute
          .run(effect.job)
          .catch((error) => {
            if (!ended) effectFailed(effect)(error)
            return { kind: 'refused' as const, code: 'compute-unavailable' }
          })
          .then((result) => post({ kind: 'computed', id: effect.id, result }))
        return
      case 'remember':
        return network.remember(effect.peer, effect.addresses)
      case 'penalise':
        return network.penalise(effect.peer, effect.points, effect.reason)
      case 'emit':
        return remark(effect.name, effect.fields)
      default:
        effect satisfies never
    }
  }

  function publish(effect: Effect & { kind: 'gossip' }): void {
    if (ready.size > 0) {
      network.publish(effect.topic, effect.bytes).catch(effectFailed(effect))
      return
    }
    unheard.push(effect)
    if (unheard.length > config.unheardMax) unheard.shift()
  }

  async function serve(service: NetworkService, payload: Uint8Array, from: string): Promise<Uint8Array | undefined> {
    if (!started || ended) return undefined
    if (service === 'blob' && payload.length === 32) return blobs.get(bytesToHex(payload))
    const answer = service === 'blob' ? 'malformed' : think(() => brain.serve(service, payload))
    if (answer !== 'malformed') return answer
    network.penalise(from, MALFORMED_POINTS, `malformed ${service} request`)
    return undefined
  }

  function guarded(effect: Effect, act: () => unknown): void {
    try {
      act()
    } catch (error) {
      effectFailed(effect)(error)
    }
  }

  function effectFailed(effect: Effect): (error: unknown) => void {
    return (error) => remark('effect-failed', { effect: effect.kind, error: messageOf(error) })
  }

  function remark(name: string, fields: Readonly<Record<string, unknown>>): void {
    try {
      ports.emit(name, fields)
    } catch {
      // What people read must never decide whether the node lives.
    }
  }

  function fail(error: unknown): void {
    if (ended) return
    void end(error)
  }

  function end(error?: unknown): Promise<void> {
    if (ending) return ending
    ended = true
    abort.abort(new OperationError('aborted', 'the node is stopping'))
    timers.clear()
    ending = (async () => {
      const closing = await Promise.allSettled([network.stop(), compute.close(), blobs.flush(), store.close()])
      const broken = closing.find((result) => result.status === 'rejected')
      if (error !== undefined) done.reject(error)
      else if (broken) done.reject(broken.reason)
      else done.resolve()
    })()
    return ending
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
