/**
 * The port through which nodes talk: gossip, ordered direct messages, requests, peer scores.
 *
 * `createNetwork` (host.ts) implements it over libp2p with real sockets; a simulator implements the same port over a
 * virtual network, so nothing here names libp2p, a socket or a clock.
 */

/** Gossip subjects. Announcements and small messages only; bulk goes through `request`. */
export type Topic = 'tx' | 'block' | 'digest' | 'task'

/** Things a peer can be asked for, one request and one answer each. */
export type Service = 'blob' | 'blocks' | 'slots' | 'mempool'

export const TOPICS: readonly Topic[] = ['tx', 'block', 'digest', 'task']
export const SERVICES: readonly Service[] = ['blob', 'blocks', 'slots', 'mempool']

/** What a gossip validator says about a message: forward it, drop it silently, or drop it and blame the sender. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface PeerInfo {
  readonly peerId: string
  /** 0 for a peer without faults, falling to -100 where it is banned. */
  readonly score: number
  readonly direction: 'inbound' | 'outbound'
}

/** What `on` reports, by event name. */
export interface NetworkEvents {
  /** First connection to this peer is open: direct messages and requests work. */
  'peer:connect': { readonly peerId: string }
  /** This peer subscribes to every topic and our gossip stream to it is open: publishing reaches it. */
  'peer:ready': { readonly peerId: string }
  /** Last connection to this peer is gone. */
  'peer:disconnect': { readonly peerId: string }
  penalty: { readonly peerId: string; readonly points: number; readonly reason: string; readonly score: number }
  ban: { readonly peerId: string; readonly reason: string; readonly untilMs: number }
}

/** Running totals since the start; every bounded queue that overflows shows here. */
export interface NetworkStats {
  framesSent: number
  framesReceived: number
  frameBytesSent: number
  frameBytesReceived: number
  /** Refused by `send`: queue full, or no connection and no address. */
  framesRefused: number
  /** Accepted by `send`, then given up: peer unreachable for too long, banned, or network stopped. */
  framesDropped: number
  gossipPublished: number
  gossipReceived: number
  gossipRejected: number
  /** Ignored before validation: over the rate of one peer or over the number in flight. */
  gossipShed: number
  requestsSent: number
  requestsServed: number
  requestsRefused: number
  dialsFailed: number
  bans: number
}

export interface Network {
  readonly peerId: string
  /** Our multiaddrs, each ending in /p2p/<peerId>. */
  readonly addresses: readonly string[]
  /** Connected peers, one entry each. */
  peers(): readonly PeerInfo[]
  /**
   * Connect to a multiaddr that ends in /p2p/<id>. Settles with the first attempt (rejects with `OperationError`
   * unavailable); with `keep` (default) the address stays known and is redialled with back-off for ever, also after a
   * first failure. Throws TypeError for an address that cannot be dialled by peer id.
   */
  connect(address: string, options?: { keep?: boolean }): Promise<void>
  /** Add addresses of a peer to the bounded address book used by `send` and `request` when not connected. */
  remember(peerId: string, addresses: readonly string[]): void
  /**
   * Gossip bytes. Never rejects for want of peers or for a repeated message; RangeError when longer than
   * `limits.gossipBytes` or empty.
   */
  publish(topic: Topic, bytes: Uint8Array): Promise<void>
  /**
   * Queue one direct message, 1..`limits.frameBytes` bytes (else RangeError). Ordered per peer, delivered at most once.
   * False (and counted) when the queue is full, the peer is banned, or there is neither connection nor address. The
   * bytes belong to the network from here on: do not change them.
   */
  send(peerId: string, bytes: Uint8Array): boolean
  /**
   * Ask one peer. Rejects with `OperationError`: timeout, too-large (answer above `maxBytes`), not-found (peer says
   * so), unavailable (no connection, peer busy or gone), aborted (signal or stop).
   */
  request(
    peerId: string,
    service: Service,
    payload: Uint8Array,
    options: { signal?: AbortSignal; maxBytes: number; timeoutMs: number },
  ): Promise<Uint8Array>
  /** Lower a peer's score by `points` > 0. At -100 it is disconnected and banned for `limits.banMs`. */
  penalise(peerId: string, points: number, reason: string): void
  /** Listen to an event; returns the function that stops listening. */
  on<E extends keyof NetworkEvents>(event: E, listener: (detail: NetworkEvents[E]) => void): () => void
  stats(): Readonly<NetworkStats>
  /** Close everything. Pending requests reject with `aborted`. Idempotent. */
  stop(): Promise<void>
}

/** The node's side. A handler that throws is logged and counts as ignore / nothing / no answer. */
export interface NetworkHandlers {
  /** Runs BEFORE a message is forwarded; 'reject' also costs the sender points. `bytes` is the handler's own copy. */
  gossip(topic: Topic, bytes: Uint8Array, from: string): GossipVerdict | Promise<GossipVerdict>
  /** One direct message, in the order sent. `bytes` is the handler's own copy. */
  message(bytes: Uint8Array, from: string): void
  /** Answer a request; undefined is told to the peer as not-found. The answer must not change while it is sent. */
  request(service: Service, payload: Uint8Array, from: string): Promise<Uint8Array | undefined>
}
