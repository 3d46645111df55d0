/**
 * Gossipsub with our validators in front, tuned for networks from two hosts on one machine to some hundreds.
 *
 * - StrictNoSign: every payload carries its own signature (transaction, block, digest, task), which the validator
 *   checks. A second signature per hop would cost a verification per delivery and tell who first published what.
 * - Message id = SHA-256(topic || 0 || data). The topic is part of it so that nobody can have a block dropped as a
 *   duplicate by first sending its bytes under another topic, where they are ignored.
 * - Own scores only: our application score goes in with weight 1; the parts that suppose many independent hosts (one
 *   host per IP address, deliveries per mesh) are off, for honest hosts on loopback would fail them.
 */
import { createHash } from 'node:crypto'
import { gossipsub, StrictNoSign, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, PeerId } from './libp2p-types.ts'
import { type NetworkLimits, PENALTY } from './limits.ts'
import type { Log } from './log.ts'
import { type GossipVerdict, type NetworkStats, TOPICS, type Topic } from './network.ts'

const SEEN_MS = 60_000
/** A peer's gossip RPC may carry several messages (answers to IWANT), hence more than one message's bytes. */
const RPC_BYTES_MIN = 8 * 1024 * 1024

export interface GossipContext {
  networkId: string
  limits: NetworkLimits
  stats: NetworkStats
  log: Log
  score(peerId: string): number
  validate(topic: Topic, bytes: Uint8Array, from: string): GossipVerdict | Promise<GossipVerdict>
  penalise(peerId: string, points: number, reason: string): void
}

/** The libp2p service, for `services` of createLibp2p. */
export function gossipService({ networkId, limits, score }: GossipContext) {
  return gossipsub({
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => createHash('sha256').update(message.topic).update('\0').update(message.data).digest(),
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1'),
    allowedTopics: TOPICS.map((topic) => topicName(networkId, topic)),
    fallbackToFloodsub: false,
    emitSelf: false,
    floodPublish: true,
    batchPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    tagMeshPeers: false,
    doPX: false,
    // Meshes of five: in a full devnet the publisher floods to all, and every further link brings duplicates only.
    D: 4,
    Dlo: 3,
    Dhi: 8,
    Dscore: 3,
    Dout: 1,
    Dlazy: 5,
    idontwantMinDataSize: 16 * 1024,
    heartbeatInterval: limits.gossipHeartbeatMs,
    mcacheLength: 12,
    mcacheGossip: 6,
    seenTTL: SEEN_MS,
    fanoutTTL: SEEN_MS,
    // A pruned or restarted peer may come back soon; the usual minute is as long as a whole devnet task.
    pruneBackoff: 10_000,
    unsubcribeBackoff: 2_000,
    graftFloodThreshold: 1_000,
    maxInboundDataLength: Math.max(RPC_BYTES_MIN, 4 * limits.gossipBytes),
    maxOutboundBufferSize: 2 * Math.max(RPC_BYTES_MIN, 4 * limits.gossipBytes),
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    scoreParams: {
      topics: {},
      appSpecificScore: score,
      appSpecificWeight: 1,
      IPColocationFactorWeight: 0,
      // Broken promises happen to honest hosts that are short of CPU; only a host that lives on them is punished.
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 20,
      behaviourPenaltyDecay: 0.5,
      decayInterval: 1_000,
      decayToZero: 0.1,
      retainScore: 60_000,
    },
    scoreThresholds: {
      gossipThreshold: -40,
      publishThreshold: -60,
      graylistThreshold: -80,
      acceptPXThreshold: 0,
      opportunisticGraftThreshold: 0,
    },
  })
}

export function topicName(networkId: string, topic: Topic): string {
  return `/pouw/${networkId}/${topic}/1`
}

export type GossipService = ReturnType<ReturnType<typeof gossipService>>

/** Subscribe to all topics and put the handler before forwarding. */
export function joinTopics(gossip: GossipService, context: GossipContext): { forget(peerId: string): void } {
  const { limits, stats, log } = context
  const budgets = new Map<string, Budget>()
  let inFlight = 0

  async function judge(topic: Topic, data: Uint8Array, from: string): Promise<GossipVerdict> {
    stats.gossipReceived++
    if (data.length === 0 || data.length > limits.gossipBytes) {
      context.penalise(from, PENALTY.gossipRejected, `gossip message of ${data.length} bytes`)
      return 'reject'
    }
    let budget = budgets.get(from)
    if (budget === undefined) {
      budget = fullBudget(limits)
      budgets.set(from, budget)
    }
    if (!spend(budget, data.length, limits)) {
      stats.gossipShed++
      context.penalise(from, PENALTY.gossipOverRate, 'gossip above the rate of one peer')
      return 'ignore'
    }
    if (inFlight >= limits.gossipInFlight) {
      stats.gossipShed++
      return 'ignore'
    }
    inFlight++
    try {
      // A copy: the message's own bytes are forwarded after validation and must not change under a handler's hands.
      const verdict = await context.validate(topic, new Uint8Array(data), from)
      if (verdict === 'reject') {
        stats.gossipRejected++
        context.penalise(from, PENALTY.gossipRejected, `invalid ${topic} gossip`)
      }
      return verdict
    } catch (error) {
      log('error', 'gossip handler threw', { topic, peer: from, error })
      return 'ignore'
    } finally {
      inFlight--
    }
  }

  for (const topic of TOPICS) {
    const name = topicName(context.networkId, topic)
    gossip.topicValidators.set(name, async (peer: PeerId, message) => {
      const verdict = await judge(topic, message.data, peer.toString())
      if (verdict === 'accept') return TopicValidatorResult.Accept
      return verdict === 'reject' ? TopicValidatorResult.Reject : TopicValidatorResult.Ignore
    })
    gossip.subscribe(name)
  }
  return { forget: (peerId) => void budgets.delete(peerId) }
}

interface Budget {
  messages: number
  bytes: number
  atMs: number
}

const fullBudget = (limits: NetworkLimits): Budget => ({
  messages: 2 * limits.gossipPerSecond,
  bytes: 2 * limits.gossipBytesPerSecond,
  atMs: Date.now(),
})

/** Token buckets of two seconds' depth; false if this message does not fit. */
function spend(budget: Budget, bytes: number, limits: NetworkLimits): boolean {
  const nowMs = Date.now()
  const seconds = (nowMs - budget.atMs) / 1000
  budget.atMs = nowMs
  budget.messages = Math.min(2 * limits.gossipPerSecond, budget.messages + seconds * limits.gossipPerSecond)
  budget.bytes = Math.min(2 * limits.gossipBytesPerSecond, budget.bytes + seconds * limits.gossipBytesPerSecond)
  if (budget.messages < 1 || budget.bytes < bytes) return false
  budget.messages -= 1
  budget.bytes -= bytes
  return true
}

/** The parts of libp2p's registrar needed to offer a connection to gossipsub again. */
export interface Topologies {
  getTopologies(protocol: string): Iterable<{ onConnect?(peer: PeerId, connection: Connection): unknown }>
}

export interface GossipHealer {
  /** Look at the connected peers once; call every now and then. */
  sweep(connections: ReadonlyMap<string, Connection>): void
  isReady(peerId: string): boolean
}

/**
 * Gossipsub opens its stream to a peer once, after identify. It does not open another when that one dies while a
 * second connection lives, when identify timed out under load, or after a read error made it forget the peer; gossip
 * with that peer is then silent for ever. The sweep notices and hands gossipsub the live connection again.
 */
export function createGossipHealer(
  gossip: GossipService,
  registrar: Topologies,
  context: Pick<GossipContext, 'networkId' | 'penalise' | 'log'>,
  onReady: (peerId: string) => void,
): GossipHealer {
  const inside = gossip as unknown as { streamsOutbound: ReadonlyMap<string, unknown>; peers: ReadonlyMap<string, unknown> }
  const seen = new Map<string, { sweepsWithoutStream: number; ready: boolean }>()

  function sweep(connections: ReadonlyMap<string, Connection>): void {
    for (const peerId of seen.keys()) if (!connections.has(peerId)) seen.delete(peerId)
    const subscribed = TOPICS.map((topic) => new Set(gossip.getSubscribers(topicName(context.networkId, topic)).map(String)))
    for (const [peerId, connection] of connections) {
      let state = seen.get(peerId)
      if (state === undefined) {
        state = { sweepsWithoutStream: 0, ready: false }
        seen.set(peerId, state)
      }
      if (inside.streamsOutbound.has(peerId)) {
        state.sweepsWithoutStream = 0
        const ready = subscribed.every((peers) => peers.has(peerId))
        if (ready && !state.ready) onReady(peerId)
        state.ready = ready
        continue
      }
      if (state.ready && !inside.peers.has(peerId)) context.penalise(peerId, PENALTY.gossipBroken, 'gossip stream broke')
      state.ready = false
      if (++state.sweepsWithoutStream % 5 !== 0) continue
      context.log('debug', 'offering the connection to gossip again', { peer: peerId })
      for (const protocol of gossip.protocols)
        for (const topology of registrar.getTopologies(protocol)) void topology.onConnect?.(connection.remotePeer, connection)
    }
  }

  return { sweep, isReady: (peerId) => seen.get(peerId)?.ready === true }
}
