/** Every bound of the host. All of them hold against a hostile peer; docs list them by these names. */

export interface NetworkLimits {
  /** Longest direct message, bytes: a slot with its messages. Judged at the length prefix, before any memory is taken. */
  frameBytes: number
  /** Longest gossip message, bytes. */
  gossipBytes: number
  /** Longest request payload, bytes. (The longest answer is each request's own `maxBytes`.) */
  requestBytes: number
  /** Direct messages waiting for one peer, bytes and count. */
  queueBytes: number
  queueFrames: number
  /** A direct message that could not be handed to the peer for so long is given up, ms. */
  queueMs: number
  /** Requests in flight per peer, each way; the client side queues the rest, up to `requestsWaiting` per peer. */
  requestsPerPeer: number
  requestsWaiting: number
  /** Requests being answered at one time, all peers together. */
  requestsServed: number
  /** A peer that neither reads what we write nor writes what it promised for so long is cut, ms. */
  stallMs: number
  /** Gossip taken from one peer, messages and bytes per second (bursts of two seconds' worth pass). */
  gossipPerSecond: number
  gossipBytesPerSecond: number
  /** Gossip messages under validation at one time. */
  gossipInFlight: number
  /** Gossipsub's heartbeat, ms: how soon meshes form and heal. */
  gossipHeartbeatMs: number
  /** Open connections. */
  connections: number
  /** Address book: peers, and addresses of each (as many again that the peer itself announced). */
  addressBookPeers: number
  addressesPerPeer: number
  /** Ban list entries and how long a ban lasts, ms. */
  bannedPeers: number
  banMs: number
  /** Redialling of kept addresses: first and longest pause, ms. Both are jittered. */
  redialMsMin: number
  redialMsMax: number
  /** One dial, handshakes included, ms. */
  dialMs: number
  /** Liveness: how often each connection is pinged and how long a silent one lives on, ms. */
  pingMs: number
  pingTimeoutMs: number
}

const KiB = 1024
const MiB = 1024 * KiB

export const defaultLimits: Readonly<NetworkLimits> = {
  frameBytes: 4 * MiB,
  gossipBytes: 256 * KiB,
  requestBytes: 64 * KiB,
  queueBytes: 16 * MiB,
  queueFrames: 16_384,
  queueMs: 10_000,
  requestsPerPeer: 16,
  requestsWaiting: 1_024,
  requestsServed: 128,
  stallMs: 10_000,
  gossipPerSecond: 2_000,
  gossipBytesPerSecond: 32 * MiB,
  gossipInFlight: 1_024,
  gossipHeartbeatMs: 250,
  connections: 300,
  addressBookPeers: 4_096,
  addressesPerPeer: 8,
  bannedPeers: 1_024,
  banMs: 300_000,
  redialMsMin: 100,
  redialMsMax: 1_000,
  dialMs: 5_000,
  pingMs: 5_000,
  pingTimeoutMs: 15_000,
}

/** Points a peer loses; at -100 it is banned. 0.1 point per second comes back. */
export const PENALTY = {
  /** A gossip message our validator rejects: the sixth within minutes puts the peer out. */
  gossipRejected: 20,
  /** Lengths and headers no honest peer writes: the second one puts it out. */
  frameOversized: 60,
  requestMalformed: 60,
  answerMalformed: 60,
  /** The peer's gossip stream broke (undecodable or oversized RPC, or an overfull buffer on its side). */
  gossipBroken: 10,
  /** Started a request or an answer and stopped writing. */
  stalled: 10,
  /** One gossip message above the rate. */
  gossipOverRate: 1,
} as const

export const BAN_SCORE = -100

/** Fill in defaults and refuse nonsense. Throws RangeError naming the limit. */
export function completeLimits(given: Partial<NetworkLimits> = {}): NetworkLimits {
  const limits: NetworkLimits = { ...defaultLimits, ...given }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value <= 0) throw new RangeError(`limits.${name}: expected a positive integer, received ${value}`)
  }
  if (limits.frameBytes > 0xffff_ffff) throw new RangeError('limits.frameBytes: a frame length is a u32')
  return limits
}
