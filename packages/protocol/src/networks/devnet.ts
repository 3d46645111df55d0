/**
 * The network parameters of a devnet: real rules, seconds instead of minutes, one small machine.
 *
 * This file is the one place where they stand. A devnet's genesis commits to their canonical bytes (A16), so two devnets with other
 * values, or another start, are other networks.
 */
import type { NetworkParams } from '@pouw/primitives'

/** Base units of one coin. */
export const COIN = 100_000_000n

/**
 * What a devnet's tickets say of themselves. Logarithms of a task like the MNIST example in the byte layout of A24 (model size, batch
 * bytes, epochs, fee, deadline, miners, stake; family 0), so that the ticket nearly always hits such a task; one family only, which is
 * the other part of the similarity.
 */
export const DEVNET_TICKET = {
  preferences: '808020f03010d000ff00000000000000',
  families: 1,
  price: 1n * COIN,
  // Six weeks of two-second blocks: no devnet outlives its tickets.
  expiry: 2_000_000,
}

export function devnetParams(genesisTime: number): NetworkParams {
  return {
    name: 'devnet',
    // Addresses of different networks must not be mistaken for each other.
    hrp: 'dpouw',
    // Set at each start: ASERT measures from genesis, and an old time would make the first block look hours late.
    genesisTime,
    // 2^247, about 500 tries a block: half a second of one miner's leisurely filler work, since one miner alone has a ticket at first and
    // everybody waits for block 1. ASERT finds the right target within a few half lives.
    genesisBits: 0x1f7fffff,
    // 2^252, 16 tries a block: even a machine that is busy with everything else finds those.
    limitBits: 0x200fffff,

    // Long enough that a block reaches everybody and is replayed before the next one, short enough to watch.
    spacingS: 2,
    // Four spacings, as A26 says for a devnet.
    halfLifeS: 8,
    // A26.
    maxAheadS: 30,

    subsidy: 50n * COIN,
    // Bitcoin's; no devnet lives that long.
    halvingInterval: 210_000,
    // Spec A18: five per cent of the subsidy go to the verifiers.
    verifierFeeBp: 500,
    // A reorganisation of more than a few blocks does not happen between processes of one machine.
    coinbaseMaturity: 4,

    // Workers buy at height h and may work from h + 1: nobody waits on a devnet.
    ticketMaturity: 1,
    ticketPriceMin: DEVNET_TICKET.price,
    // The authors' chain has the same bound, against floods of tickets.
    maxNewTicketsPerBlock: 20,

    // Two blocks are enough for all workers to see the task and answer; doubled once by relaxation (A24).
    participationWindow: 2,
    // Time for evidence before the stakes unlock; short, so that a devnet shows the end of a task's life too.
    evidenceWindow: 4,
    // Blocks for the settlement after training ended: about two minutes, evaluation takes seconds.
    graceBlocks: 60,
    // A19: the client's bond, five per cent of the fee.
    bondBp: 500,

    maxBlockBytes: 1_000_000,
    // Keeps the mempool rule alive without emptying a purse.
    minTxFee: 1_000n,

    // 1/100 as 32-bit fractions: large enough that the FLOP bound below decides for every task, so that tries follow work (10.2).
    omegaB: 42_949_673,
    omegaM: 42_949_673,
    // The filler iteration (6 x 34,186 x 64 = 13 million) earns 14 tries, one of the MNIST example (84 million) 93: 0.1 ms of hashing
    // beside 1.5 ms of training with wide tiles, 2.4 without. At batch 1,024 it is 0.6 ms beside 12, or 19.
    flopsPerTry: 900_000,
    // A client's block is twice as easy as a filler block (A11). Measured: with this factor three miners training the MNIST example and
    // three miners at filler work find blocks at about the same rate, so the target need not move when one follows the other.
    fillerFactor: 2,
    filler: {
      // Bounds the replay: 16 iterations of this model take about 10 ms.
      iterations: 16,
      batch: 64,
      // 256-128-10: 34,186 parameters. Large enough that arithmetic, not bookkeeping, is what a filler miner pays for.
      features: 256,
      classes: 10,
      hidden: [128],
      // Exactly the 16 batches of one run (A15 takes batch j from the j-th slice of the order).
      samples: 1_024,
      dataSeed: 'pouw devnet filler',
      // Bytes to 0..1, as binary32.
      scale: Math.fround(1 / 255),
      rate: Math.fround(0.1),
      // Small enough that the first iteration already announces some coordinates: an empty map has no tries.
      tau: 1,
      magnitude: Math.fround(2.24),
    },

    // A17's devnet values: with four verifiers all are drawn, and one may be missing.
    verifierDraw: 4,
    verifierQuorum: 3,

    // Spec 9.4 rule 3.
    maxLateSlots: 20,

    // An MNIST iteration takes about 15 ms here and the staleness bound allows S per slot.
    slotMs: 50,
    // Older proposals are not worth a replay: five spacings.
    proposalMs: 10_000,
    // No commit round: the gradient hash is bound to the ticket already (A18).
    commitMs: 0,
    // Four spacings before a second draw; a replay takes milliseconds even on a busy machine.
    verifyMs: 8_000,
    // Evaluation of three models on 21,000 samples takes seconds; who is silent longer is replaced.
    evaluateMs: 15_000,
    // Spec 15.2: max(3 slots, 2 s).
    leadMs: 2_000,
    // A20: no key generation ceremony; a certificate is the aggregate of the supervisors' own keys.
    groupKeys: 'aggregate',
  }
}
