/** A host in a process of its own, for kill.test.ts: `node peer-process.ts <listen address>`; tells its address, echoes frames to its parent. */
import { createNetwork } from '../src/index.ts'

const network = await createNetwork(
  { networkId: 'ab02', peerSeed: new Uint8Array(32).fill(2), listen: [process.argv[2] as string], bootstrap: [] },
  {
    gossip(_topic, bytes) {
      process.send?.({ gossip: Buffer.from(bytes).toString() })
      return 'accept'
    },
    message: (bytes) => process.send?.({ frame: Buffer.from(bytes).toString() }),
    request: async (_service, payload) => payload,
  },
)
process.send?.({ address: network.addresses[0] })
