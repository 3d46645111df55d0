/**
 * The libp2p host behind the `Network` port: TCP, Noise, Yamux, gossipsub, one stream protocol for direct messages and
 * one per service for requests.
 *
 * Whatever a peer sends ends in a handler call, a log line or a penalty; nothing it does throws past this package.
 */
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { createAddressBook } from './address-book.ts'
import { coalescing } from './coalesce.ts'
import { createDirect } from './direct.ts'
import { createEvents } from './events.ts'
import { failure } from './failure.ts'
import { createGossipHealer, type GossipContext, gossipService, joinTopics, type Topologies, topicName } from './gossip.ts'
import { peerIdInAddress, privateKeyOf } from './identity.ts'
import type { Connection } from './libp2p-types.ts'
import { completeLimits, type NetworkLimits } from './limits.ts'
import type { Log } from './log.ts'
import {
  type Network,
  type NetworkHandlers,
  type NetworkStats,
  type PeerInfo,
  SERVICES,
  type Service,
  TOPICS,
  type Topic,
} from './network.ts'
import { quietLogger } from './quiet-logger.ts'
import { createRedial } from './redial.ts'
import { createReputation } from './reputation.ts'
import { createRequests } from './requests.ts'

export interface NetworkOptions {
  /** Lower-case hex; part of every protocol and topic name, so hosts of different networks have nothing in common. */
  networkId: string
  /** 32-byte Ed25519 seed of the host's identity. */
  peerSeed: Uint8Array
  /** Multiaddrs to listen on, such as /ip4/127.0.0.1/tcp/0. Empty: dial only. */
  listen: readonly string[]
  /** Multiaddrs with /p2p/<id>, redialled for ever. Our own address in the list is skipped. */
  bootstrap: readonly string[]
  limits?: Partial<NetworkLimits>
  log?: Log
}

const SWEEP_MS = 100
const CALM_SWEEP_MS = 1_000

/**
 * Start a host; it listens when the promise resolves. TypeError or RangeError for bad options, `OperationError`
 * unavailable when an address cannot be listened on.
 */
export async function createNetwork(options: NetworkOptions, handlers: NetworkHandlers): Promise<Network> {
  const { networkId } = options
  if (!/^[0-9a-f]{2,64}$/.test(networkId)) throw new TypeError(`networkId: expected 2..64 lower-case hex digits, received ${networkId}`)
  const limits = completeLimits(options.limits)
  const log: Log = options.log ?? (() => {})
  const privateKey = await privateKeyOf(options.peerSeed)
  const self = peerIdFromPrivateKey(privateKey).toString()
  const bootstrap = options.bootstrap.map((address) => ({ address, peerId: requirePeerId(address) }))

  const stats = zeroStats()
  const events = createEvents(log)
  const book = createAddressBook(limits.addressBookPeers, limits.addressesPerPeer)
  const reputation = createReputation({
    peersMax: limits.addressBookPeers,
    bannedMax: limits.bannedPeers,
    banMs: limits.banMs,
    now: Date.now,
  })
  let stopping: Promise<void> | undefined
  let topics: { forget(peerId: string): void } | undefined

  const gossipContext: GossipContext = {
    networkId,
    limits,
    stats,
    log,
    score: reputation.score,
    validate: (topic, bytes, from) => handlers.gossip(topic, bytes, from),
    penalise,
  }
  const host = await createLibp2p({
    privateKey,
    start: false,
    logger: quietLogger(),
    nodeInfo: { name: 'pouw', userAgent: 'pouw' },
    addresses: { listen: [...options.listen] },
    transports: [tcp({ backlog: 511 })],
    connectionEncrypters: [coalescing(noise())],
    streamMuxers: [yamux({ maxInboundStreams: 1_024, maxOutboundStreams: 1_024 })],
    connectionManager: {
      maxConnections: limits.connections,
      maxParallelDials: 32,
      maxDialQueueLength: 1_024,
      maxPeerAddrsToDial: 2 * limits.addressesPerPeer,
      dialTimeout: limits.dialMs,
      addressDialTimeout: limits.dialMs,
      inboundUpgradeTimeout: limits.dialMs,
      inboundStreamProtocolNegotiationTimeout: limits.dialMs,
      outboundStreamProtocolNegotiationTimeout: limits.dialMs,
      // All hosts of a devnet share one address and start together: limits per address would lock them out.
      inboundConnectionThreshold: 1_000,
      maxIncomingPendingConnections: 128,
      // Redialling is ours (redial.ts): libp2p's gives up after some attempts.
      reconnectRetries: 0,
    },
    connectionMonitor: {
      protocolPrefix: `pouw/${networkId}`,
      pingInterval: limits.pingMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs, maxTimeout: limits.pingTimeoutMs },
    },
    connectionGater: {
      denyDialPeer: (peer) => reputation.isBanned(peer.toString()),
      denyDialMultiaddr: () => false,
      denyInboundEncryptedConnection: (peer) => reputation.isBanned(peer.toString()),
      denyOutboundEncryptedConnection: (peer) => reputation.isBanned(peer.toString()),
    },
    services: {
      identify: identify({ protocolPrefix: `pouw/${networkId}`, timeout: limits.dialMs }),
      ping: ping({ protocolPrefix: `pouw/${networkId}`, maxInboundStreams: 4 }),
      gossip: gossipService(gossipContext),
      // Only a service is given libp2p's components; this one hands out the registrar.
      inside: (components) => ({ registrar: components.registrar }),
    },
  })
  const { gossip } = host.services
  const { registrar } = host.services.inside as { registrar: Topologies }

  const connectionsOf = (peerId: string): readonly Connection[] => {
    const open = host.getConnections(peerIdFromString(peerId)).filter((connection) => connection.status === 'open')
    return open
  }

  /** The newest connection: after a restart the peer's old one may look open until its pings fail. */
  const newestConnection = (peerId: string): Connection | undefined => connectionsOf(peerId).at(-1)

  async function connectionTo(peerId: string, signal: AbortSignal): Promise<Connection> {
    const open = newestConnection(peerId)
    if (open !== undefined) return open
    const addresses = book.addressesOf(peerId)
    if (addresses.length === 0) throw failure('unavailable', `no connection to ${peerId} and no address known`)
    try {
      return await host.dial(
        addresses.map((address) => multiaddr(address)),
        { signal },
      )
    } catch (error) {
      stats.dialsFailed++
      throw error
    }
  }

  const direct = createDirect({
    protocol: `/pouw/${networkId}/msg/1`,
    limits,
    stats,
    log,
    connectionTo,
    penalise,
    onMessage(bytes, from) {
      try {
        // An async handler fits the type too; its rejection must not end the process.
        const result: unknown = handlers.message(bytes, from)
        if (result instanceof Promise) result.catch((error) => log('error', 'message handler threw', { peer: from, error }))
      } catch (error) {
        log('error', 'message handler threw', { peer: from, error })
      }
    },
  })
  const protocolOf = (service: Service) => `/pouw/${networkId}/${service}/1`
  const requests = createRequests({
    protocolOf,
    limits,
    stats,
    log,
    connectionTo,
    penalise,
    answer: async (service, payload, from) => handlers.request(service, payload, from),
  })
  const dialKept = (peerId: string) => connectionTo(peerId, AbortSignal.timeout(limits.dialMs))
  const redial = createRedial(limits, (peerId) => newestConnection(peerId) !== undefined, dialKept)

  host.addEventListener('peer:connect', ({ detail }) => {
    const peerId = detail.toString()
    redial.connected(peerId)
    direct.kick(peerId)
    sweepSoon()
    log('info', 'peer connected', { peer: peerId })
    events.emit('peer:connect', { peerId })
  })
  host.addEventListener('peer:disconnect', ({ detail }) => {
    const peerId = detail.toString()
    topics?.forget(peerId)
    healer.sweep(liveConnections())
    log('info', 'peer disconnected', { peer: peerId })
    events.emit('peer:disconnect', { peerId })
    redial.disconnected(peerId)
  })
  host.addEventListener('connection:open', ({ detail: connection }) => {
    // A host dials only when it sees no open connection. If it dials again while we still hold its earlier one, that
    // one died on its side without our hearing of it, as after a power loss.
    for (const older of connectionsOf(connection.remotePeer.toString()))
      if (older.id !== connection.id && older.direction === 'inbound' && connection.direction === 'inbound')
        older.abort(new Error('replaced by a newer connection'))
    sweepSoon()
  })
  host.addEventListener('connection:close', () => sweepSoon())
  host.addEventListener('peer:identify', ({ detail }) =>
    book.learn(
      detail.peerId.toString(),
      detail.listenAddrs.slice(0, limits.addressesPerPeer).map((address) => address.toString()),
    ),
  )

  function penalise(peerId: string, points: number, reason: string): void {
    if (peerId === self) return
    const wasBanned = reputation.isBanned(peerId)
    const { score, bannedUntilMs } = reputation.penalise(peerId, points)
    if (wasBanned) return
    log('debug', 'peer penalised', { peer: peerId, points, reason, score })
    events.emit('penalty', { peerId, points, reason, score })
    if (bannedUntilMs === undefined) return
    stats.bans++
    log('warn', 'peer banned', { peer: peerId, reason, untilMs: bannedUntilMs })
    direct.drop(peerId)
    // Not at once: the penalty may come from within a read of this very connection.
    setImmediate(() => {
      for (const connection of connectionsOf(peerId)) connection.abort(new Error('banned'))
    })
    events.emit('ban', { peerId, reason, untilMs: bannedUntilMs })
  }

  function liveConnections(): Map<string, Connection> {
    const live = new Map<string, Connection>()
    for (const connection of host.getConnections()) if (connection.status === 'open') live.set(connection.remotePeer.toString(), connection)
    return live
  }

  const healer = createGossipHealer(gossip, registrar, gossipContext, (peerId) => events.emit('peer:ready', { peerId }))
  let sweepTimer: NodeJS.Timeout | undefined
  let sweepAtMs = Number.POSITIVE_INFINITY
  function sweepIn(ms: number): void {
    const atMs = Date.now() + ms
    if (atMs >= sweepAtMs || stopping !== undefined) return
    clearTimeout(sweepTimer)
    sweepAtMs = atMs
    sweepTimer = setTimeout(() => {
      sweepAtMs = Number.POSITIVE_INFINITY
      const live = liveConnections()
      healer.sweep(live)
      sweepIn([...live.keys()].every(healer.isReady) ? CALM_SWEEP_MS : SWEEP_MS)
    }, ms).unref()
  }
  function sweepSoon(): void {
    sweepIn(SWEEP_MS)
  }
  // A subscription arriving is what makes a peer ready; looking then spares the wait for the next sweep.
  gossip.addEventListener('subscription-change', () => sweepIn(1))

  await host.handle(`/pouw/${networkId}/msg/1`, direct.receive, { maxInboundStreams: 4 })
  for (const service of SERVICES)
    await host.handle(protocolOf(service), (stream, connection) => requests.serve(service, stream, connection), {
      maxInboundStreams: 2 * limits.requestsPerPeer,
    })
  try {
    await host.start()
  } catch (error) {
    await Promise.resolve(host.stop()).catch(() => {})
    throw failure('unavailable', `cannot listen on ${options.listen.join(', ')}`, error)
  }
  topics = joinTopics(gossip, gossipContext)

  function keep(address: string, peerId: string): void {
    book.remember(peerId, [address])
    redial.keep(peerId)
  }

  async function connect(address: string, { keep: kept = true }: { keep?: boolean } = {}): Promise<void> {
    const peerId = requirePeerId(address)
    if (peerId === self) throw new TypeError('address: that is this host')
    book.remember(peerId, [address])
    try {
      await dialKept(peerId)
    } catch (error) {
      throw failure('unavailable', `cannot connect to ${address}`, error)
    } finally {
      if (kept && stopping === undefined) redial.keep(peerId)
    }
  }

  async function publish(topic: Topic, bytes: Uint8Array): Promise<void> {
    if (!TOPICS.includes(topic)) throw new TypeError(`topic: unknown topic ${topic}`)
    if (bytes.length === 0 || bytes.length > limits.gossipBytes)
      throw new RangeError(`bytes: expected 1..${limits.gossipBytes} bytes, received ${bytes.length}`)
    if (stopping !== undefined) return
    try {
      await gossip.publish(topicName(networkId, topic), bytes)
      stats.gossipPublished++
    } catch (error) {
      log('warn', 'gossip not published', { topic, error })
    }
  }

  function send(peerId: string, bytes: Uint8Array): boolean {
    if (bytes.length === 0 || bytes.length > limits.frameBytes)
      throw new RangeError(`bytes: expected 1..${limits.frameBytes} bytes, received ${bytes.length}`)
    const reachable = stopping === undefined && peerId !== self && !reputation.isBanned(peerId) && isReachable(peerId)
    if (reachable) return direct.send(peerId, bytes)
    stats.framesRefused++
    return false
  }

  const isReachable = (peerId: string) => direct.isOpen(peerId) || book.addressesOf(peerId).length > 0 || hasConnection(peerId)

  function hasConnection(peerId: string): boolean {
    try {
      return newestConnection(peerId) !== undefined
    } catch {
      return false // not a peer id
    }
  }

  function peers(): PeerInfo[] {
    return [...liveConnections()].map(([peerId, { direction }]) => ({ peerId, score: reputation.score(peerId), direction }))
  }

  async function stop(): Promise<void> {
    stopping ??= (async () => {
      redial.stop()
      requests.stop()
      direct.stop()
      clearTimeout(sweepTimer)
      await host.stop()
      events.clear()
    })()
    return stopping
  }

  for (const { address, peerId } of bootstrap) if (peerId !== self) keep(address, peerId)

  return {
    peerId: self,
    get addresses() {
      return host.getMultiaddrs().map((address) => address.toString())
    },
    peers,
    connect,
    remember: (peerId, addresses) => {
      if (peerId !== self) book.remember(peerId, addresses)
    },
    publish,
    send,
    request: requests.request,
    penalise,
    on: events.on,
    stats: () => ({ ...stats }),
    stop,
  }
}

function requirePeerId(address: string): string {
  const peerId = peerIdInAddress(address)
  if (peerId === undefined) throw new TypeError(`address: expected a multiaddr ending in /p2p/<peer id>, received ${address}`)
  return peerId
}

function zeroStats(): NetworkStats {
  return {
    framesSent: 0,
    framesReceived: 0,
    frameBytesSent: 0,
    frameBytesReceived: 0,
    framesRefused: 0,
    framesDropped: 0,
    gossipPublished: 0,
    gossipReceived: 0,
    gossipRejected: 0,
    gossipShed: 0,
    requestsSent: 0,
    requestsServed: 0,
    requestsRefused: 0,
    dialsFailed: 0,
    bans: 0,
  }
}
