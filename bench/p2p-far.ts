/** The far host of the p2p topic, a process of its own: counts frames and says so, answers requests with so many bytes as asked. */
import { createNetwork } from '@pouw/p2p'
import { FAR_SEED, networkOptions, noHandlers } from './p2p-hosts.ts'

const content = Buffer.alloc(40_000_000, 7)
let expected = 0
let seen = 0
const network = await createNetwork(networkOptions(FAR_SEED), {
  ...noHandlers,
  message(bytes) {
    // The head of a series names its length.
    if (bytes.length === 5 && bytes[0] === 0xff) {
      expected = Buffer.from(bytes).readUInt32LE(1)
      seen = 0
    } else if (++seen === expected) process.send?.('received')
  },
  request: async (_service, payload) => content.subarray(0, Buffer.from(payload).readUInt32LE(0)),
})
process.on('message', () => network.stop().then(() => process.disconnect()))
// Whoever measured is gone.
process.on('disconnect', () => process.exit())
process.send?.({ addresses: network.addresses, peerId: network.peerId })
