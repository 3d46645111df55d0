import type { NetworkHandlers } from '@pouw/p2p'

const NETWORK_ID = 'be2c4'
export const FAR_SEED = 2
export const NEAR_SEED = 1

/** A host on a free loopback port whose identity is this number. */
export function networkOptions(seed: number) {
  return { networkId: NETWORK_ID, peerSeed: new Uint8Array(32).fill(seed), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [] }
}

export const noHandlers: NetworkHandlers = { gossip: () => 'accept', message: () => {}, request: async () => undefined }
