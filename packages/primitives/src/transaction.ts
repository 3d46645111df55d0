/**
 * Transactions are Bitcoin's own bytes (D4): BIP144 serialisation, BIP341 key-path signatures. The codec is @scure/btc-signer's.
 */
import { bytesToHex, hexToBytes, sha256, sha256d } from '@pouw/crypto'
import { RawTx, Transaction } from '@scure/btc-signer'
import type { Hex } from './codec.ts'
import { LIMITS } from './limits.ts'

export interface TxInput {
  /** Raw byte order; `printHash` turns it round for people. */
  readonly txid: Hex
  readonly index: number
  readonly scriptSig: Uint8Array
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}

export interface TxOutput {
  /** Base units, 0 to 2^63-1. */
  readonly amount: bigint
  readonly script: Uint8Array
}

export interface Tx {
  readonly version: number
  readonly inputs: readonly TxInput[]
  readonly outputs: readonly TxOutput[]
  readonly lockTime: number
}

type RawTransaction = Parameters<typeof RawTx.encode>[0]

/** btc-signer keeps txids in printed order, we keep them raw. */
function toRaw(tx: Tx, withWitness: boolean): RawTransaction {
  const segwit = withWitness && tx.inputs.some((input) => input.witness.length > 0)
  return {
    version: tx.version,
    ...(segwit
      ? { segwitFlag: true, witnesses: tx.inputs.map((input) => [...input.witness]) }
      : { segwitFlag: undefined, witnesses: undefined }),
    inputs: tx.inputs.map((input) => ({
      txid: hexToBytes(input.txid).reverse(),
      index: input.index,
      finalScriptSig: input.scriptSig,
      sequence: input.sequence,
    })),
    outputs: tx.outputs.map(({ amount, script }) => ({ amount, script })),
    lockTime: tx.lockTime,
  } as RawTransaction
}

/** @throws RangeError or Error of the codec if a field is out of range */
export function encodeTx(tx: Tx): Uint8Array {
  return RawTx.encode(toRaw(tx, true))
}

/** Undefined unless the bytes are the one encoding of a transaction with at least one input and one output. */
export function decodeTx(bytes: Uint8Array): Tx | undefined {
  if (bytes.length > LIMITS.transactionBytes) return undefined
  try {
    const raw = RawTx.decode(bytes)
    const tx: Tx = {
      version: raw.version,
      inputs: raw.inputs.map((input, index) => ({
        txid: bytesToHex(Uint8Array.from(input.txid).reverse()),
        index: input.index,
        scriptSig: input.finalScriptSig,
        sequence: input.sequence,
        witness: raw.witnesses?.[index] ?? [],
      })),
      outputs: raw.outputs.map(({ amount, script }) => ({ amount, script })),
      lockTime: raw.lockTime,
    }
    if (tx.inputs.length === 0 || tx.outputs.length === 0) return undefined
    return bytesToHex(encodeTx(tx)) === bytesToHex(bytes) ? tx : undefined
  } catch {
    return undefined
  }
}

/** SHA256d of the serialisation without witnesses, raw byte order. */
export function txId(tx: Tx): Hex {
  return bytesToHex(sha256d(RawTx.encode(toRaw(tx, false))))
}

/** SHA256d of the serialisation with witnesses. */
export function wtxId(tx: Tx): Hex {
  return bytesToHex(sha256d(encodeTx(tx)))
}

/** Weight units: three times the bare size plus the full size (BIP141). */
export function txWeight(tx: Tx): number {
  return 3 * RawTx.encode(toRaw(tx, false)).length + encodeTx(tx).length
}

/**
 * BIP341 key-path signature hash, with the annex of the signed input if its witness has one.
 *
 * @param prevouts the outputs that the inputs spend, in input order
 * @throws RangeError if the numbers of inputs and prevouts differ, or for an input or hash type that BIP341 does not sign
 */
export function signatureHash(tx: Tx, inputIndex: number, prevouts: readonly TxOutput[], hashType = 0): Uint8Array {
  if (prevouts.length !== tx.inputs.length) throw new RangeError(`expected ${tx.inputs.length} prevouts, received ${prevouts.length}`)
  if (!tx.inputs[inputIndex]) throw new RangeError(`expected an input below ${tx.inputs.length}, received ${inputIndex}`)
  // The library would sign these; BIP341 makes such a signature invalid.
  if (!HASH_TYPES.has(hashType)) throw new RangeError(`expected a hash type of BIP341, received ${hashType}`)
  if ((hashType & 3) === SINGLE && inputIndex >= tx.outputs.length)
    throw new RangeError(`expected an output ${inputIndex} for SIGHASH_SINGLE`)
  const raw = toRaw(tx, false)
  const library = new Transaction({
    version: tx.version,
    lockTime: tx.lockTime,
    allowUnknownOutputs: true,
    allowUnknownInputs: true,
    disableScriptCheck: true,
  })
  const open = library as unknown as { inputs: unknown[]; outputs: unknown[] }
  open.inputs = raw.inputs as unknown[]
  open.outputs = raw.outputs as unknown[]
  const scripts = prevouts.map((output) => output.script)
  const amounts = prevouts.map((output) => output.amount)
  return library.preimageWitnessV1(inputIndex, scripts, hashType, amounts, -1, undefined, 0xc0, annexOf(tx.inputs[inputIndex]!))
}

const HASH_TYPES: ReadonlySet<number> = new Set([0, 1, 2, 3, 0x81, 0x82, 0x83])
const SINGLE = 3

const ANNEX_TAG = 0x50

/** The annex (BIP341): the last of at least two witness items, if it starts with 0x50. With the tag byte. */
export function annexOf(input: TxInput): Uint8Array | undefined {
  const last = input.witness.at(-1)
  return input.witness.length >= 2 && last?.[0] === ANNEX_TAG ? last : undefined
}

/** A transaction's attachment: the annex of input 0 without its tag (A19). */
export function attachmentOf(tx: Tx): Uint8Array | undefined {
  return annexOf(tx.inputs[0]!)?.subarray(1)
}

/** 0x50 || attachment. */
export function annexWith(attachment: Uint8Array): Uint8Array {
  const annex = new Uint8Array(1 + attachment.length)
  annex[0] = ANNEX_TAG
  annex.set(attachment, 1)
  return annex
}

/** BIP341 sha_outputs: SHA-256 over all serialised outputs (the "outputs hash" of A19). */
export function outputsHash(tx: Tx): Uint8Array {
  const bare = RawTx.encode(toRaw({ ...tx, inputs: [NO_INPUT] }, false))
  // version (4), input count (1), one bare input (41), output count (1, 3 or 5) ... lock time (4)
  const countAt = 4 + 1 + 41
  const first = bare[countAt]!
  const countBytes = first < 0xfd ? 1 : first === 0xfd ? 3 : 5
  return sha256(bare.subarray(countAt + countBytes, bare.length - 4))
}

const NO_INPUT: TxInput = { txid: '00'.repeat(32), index: 0, scriptSig: new Uint8Array(0), sequence: 0, witness: [] }
