/**
 * @pouw/p2p: messages between nodes over libp2p (TCP, Noise, Yamux, gossipsub). What a message means is not its matter.
 *
 * `Network` is the port; `createNetwork` the implementation with real sockets.
 */

export type { FailureCode } from './failure.ts'
export { createNetwork, type NetworkOptions } from './host.ts'
export { peerIdInAddress, peerIdOf } from './identity.ts'
export { BAN_SCORE, defaultLimits, type NetworkLimits, PENALTY } from './limits.ts'
export type { Log, LogLevel } from './log.ts'
export {
  type GossipVerdict,
  type Network,
  type NetworkEvents,
  type NetworkHandlers,
  type NetworkStats,
  type PeerInfo,
  SERVICES,
  type Service,
  TOPICS,
  type Topic,
} from './network.ts'
