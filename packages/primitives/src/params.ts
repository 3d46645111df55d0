/** Network parameters: everything that differs from network to network. Their canonical hash is in the genesis coinbase (A16). */
import { sha256Hex } from '@pouw/crypto'
import type { Hex } from './codec.ts'
import { amount, binary32, type Check, decodeCanonical, encodeCanonical, integer, list, literal, object, text } from './schema.ts'

export interface NetworkParams {
  name: string
  /** Prefix of addresses. */
  hrp: string
  genesisTime: number
  genesisBits: number
  /** Easiest target there can be. */
  limitBits: number
  spacingS: number
  halfLifeS: number
  /** How far a block's time may run ahead of the local clock (A26). */
  maxAheadS: number
  subsidy: bigint
  halvingInterval: number
  verifierFeeBp: number
  coinbaseMaturity: number
  /** M: blocks until a ticket is LIVE. */
  ticketMaturity: number
  ticketPriceMin: bigint
  maxNewTicketsPerBlock: number
  /** W_part. */
  participationWindow: number
  evidenceWindow: number
  graceBlocks: number
  bondBp: number
  maxBlockBytes: number
  minTxFee: bigint
  /** Nonce budget (10.2), 32-bit fractions. */
  omegaB: number
  omegaM: number
  flopsPerTry: number
  /** F of A11. */
  fillerFactor: number
  filler: {
    /** J. */
    iterations: number
    batch: number
    features: number
    classes: number
    hidden: number[]
    samples: number
    dataSeed: string
    scale: number
    rate: number
    tau: number
    magnitude: number
  }
  /** D and Q of A17. */
  verifierDraw: number
  verifierQuorum: number
  /** L of 9.4. */
  maxLateSlots: number
  slotMs: number
  proposalMs: number
  commitMs: number
  verifyMs: number
  evaluateMs: number
  leadMs: number
  groupKeys: 'aggregate'
}

const u32 = integer(0, 2 ** 32 - 1)
const positive = integer(1, 2 ** 31)

const check: Check<NetworkParams> = object<NetworkParams>({
  name: text(1, 32),
  hrp: text(1, 16),
  genesisTime: u32,
  genesisBits: u32,
  limitBits: u32,
  spacingS: positive,
  halfLifeS: positive,
  maxAheadS: positive,
  subsidy: amount,
  halvingInterval: positive,
  verifierFeeBp: integer(0, 10_000),
  coinbaseMaturity: u32,
  ticketMaturity: u32,
  ticketPriceMin: amount,
  maxNewTicketsPerBlock: positive,
  participationWindow: positive,
  evidenceWindow: u32,
  graceBlocks: positive,
  bondBp: integer(0, 10_000),
  maxBlockBytes: positive,
  minTxFee: amount,
  omegaB: u32,
  omegaM: u32,
  flopsPerTry: integer(1, Number.MAX_SAFE_INTEGER),
  fillerFactor: positive,
  filler: object({
    iterations: integer(1, 1024),
    batch: positive,
    features: positive,
    classes: integer(2, 256),
    hidden: list(positive, 0, 16),
    samples: positive,
    dataSeed: text(1, 128),
    scale: binary32(1e-30, 1e30),
    rate: binary32(1e-12, 1e6),
    tau: binary32(1e-12, 1e12),
    magnitude: binary32(1e-6, 1e6),
  }),
  verifierDraw: positive,
  verifierQuorum: integer(1, 16),
  maxLateSlots: positive,
  slotMs: integer(50, 5_000),
  proposalMs: positive,
  commitMs: literal(0) as Check<number>,
  verifyMs: positive,
  evaluateMs: positive,
  leadMs: positive,
  groupKeys: literal('aggregate'),
})

/** @throws TypeError that names the field */
export function encodeNetworkParams(params: NetworkParams): Uint8Array {
  return encodeCanonical(check(params, ''))
}

/** @throws TypeError for anything but canonical bytes */
export function decodeNetworkParams(bytes: Uint8Array): NetworkParams {
  return decodeCanonical(bytes, check)
}

export function paramsHash(params: NetworkParams): Hex {
  return sha256Hex(encodeNetworkParams(params))
}
