/** Blocks as they travel: header, transactions, the evidence of work, and the certificates of A12 and A18. */
import * as P from 'micro-packed'
import { bytesUpTo, type Coder, decodeStrict, type Hex, hash32, listOf } from './codec.ts'
import { type Digest, digestCoder } from './digest.ts'
import { type Header, headerCoder, headerId } from './header.ts'
import { LIMITS } from './limits.ts'
import { type Certificate, certificateCoder, type SlotHeader, slotHeaderCoder } from './slots.ts'
import { decodeTx, encodeTx, type Tx } from './transaction.ts'

/** A message as leaf `index` of `size` in its slot. */
export interface SlotPath {
  readonly header: SlotHeader
  readonly index: number
  readonly size: number
  readonly path: readonly Hex[]
}

/** A slot header (leaf index = its slot) in a history of `size` slots. */
export interface HistoryPath {
  readonly size: number
  readonly path: readonly Hex[]
}

/** A recorded message with its place under a history root. */
export interface RecordedMessage {
  readonly message: Uint8Array
  readonly inSlot: SlotPath
  readonly inHistory: HistoryPath
}

/** Filler work (A15): nothing but the claim and the signature over the block id; the replay starts from the template itself. */
export interface FillerWork {
  readonly kind: 'filler'
  readonly ticketId: Hex
  readonly iteration: number
  readonly endModelHash: Hex
  readonly endResidualHash: Hex
  readonly map: Uint8Array
  readonly signature: Uint8Array
}

/** Client-task work (10.5): the mined IT_RES n with its slot, n-1, the cut, the commitment i = n-k, the peers of A14, the bundle's address. */
export interface TaskWork {
  readonly kind: 'task'
  readonly result: Uint8Array
  readonly resultSlot: { readonly inSlot: SlotPath; readonly historyRoot: Hex; readonly certificate: Certificate }
  readonly previous: Uint8Array
  readonly cut: { readonly header: SlotHeader; readonly certificate: Certificate }
  readonly commitment: RecordedMessage
  readonly peers: readonly RecordedMessage[]
  readonly bundle: Hex
}

export interface Block {
  readonly header: Header
  readonly transactions: readonly Tx[]
  readonly work: FillerWork | TaskWork
  /** The parent's digests that record 06 commits; empty at height 1. */
  readonly parentCertificate: readonly Digest[]
}

/** A block with the quorum that makes it VERIFIED. */
export interface CertifiedBlock {
  readonly block: Block
  readonly certificate: readonly Digest[]
}

/** What a verifier needs besides model, residual and batch: the assignment, and all slots after the previous cut up to the declared one. */
export interface Bundle {
  readonly assignment: RecordedMessage
  readonly slots: readonly { readonly header: SlotHeader; readonly messages: readonly Uint8Array[] }[]
}

const PATH_MAX = 64
const message = bytesUpTo(LIMITS.resultBytes)

const slotPathCoder = P.struct({ header: slotHeaderCoder, index: P.U32LE, size: P.U32LE, path: listOf(hash32, PATH_MAX) })
const historyPathCoder = P.struct({ size: P.U32LE, path: listOf(hash32, PATH_MAX) })
const recordedCoder = P.struct({ message, inSlot: slotPathCoder, inHistory: historyPathCoder })

const fillerCoder = P.struct({
  ticketId: hash32,
  iteration: P.U32LE,
  endModelHash: hash32,
  endResidualHash: hash32,
  map: bytesUpTo(LIMITS.resultBytes),
  signature: P.bytes(64),
})

const taskCoder = P.struct({
  result: message,
  resultSlot: P.struct({ inSlot: slotPathCoder, historyRoot: hash32, certificate: certificateCoder }),
  previous: message,
  cut: P.struct({ header: slotHeaderCoder, certificate: certificateCoder }),
  commitment: recordedCoder,
  peers: listOf(recordedCoder, 256),
  bundle: hash32,
})

const workCoder = P.mappedTag(P.U8, { filler: [1, fillerCoder], task: [2, taskCoder] })

const transactionCoder: Coder<Tx> = P.apply(bytesUpTo(LIMITS.transactionBytes), {
  encode: (bytes: Uint8Array): Tx => {
    const tx = decodeTx(bytes)
    if (!tx) throw new RangeError('expected a transaction')
    return tx
  },
  decode: (tx: Tx) => encodeTx(tx),
})

const blockCoder = P.struct({
  header: headerCoder,
  transactions: listOf(transactionCoder, 10_000),
  work: workCoder,
  parentCertificate: listOf(digestCoder, 16),
})

const certifiedCoder = P.struct({ block: blockCoder, certificate: listOf(digestCoder, 16) })
const certifiedListCoder = listOf(certifiedCoder, 1024)

const bundleCoder = P.struct({
  assignment: recordedCoder,
  slots: listOf(P.struct({ header: slotHeaderCoder, messages: listOf(message, 4096) }), 4096),
})

type RawBlock = P.UnwrapCoder<typeof blockCoder>

function toRaw({ work, ...rest }: Block): RawBlock {
  const { kind, ...data } = work
  return { ...rest, work: { TAG: kind, data } } as unknown as RawBlock
}

function fromRaw({ work, ...rest }: RawBlock): Block {
  return { ...rest, work: { kind: work.TAG, ...work.data } } as unknown as Block
}

/** @throws RangeError or Error of the codec if a field is out of range */
export function encodeBlock(block: Block): Uint8Array {
  return blockCoder.encode(toRaw(block))
}

export function decodeBlock(bytes: Uint8Array): Block | undefined {
  const raw = decodeStrict(blockCoder, bytes, LIMITS.blockBytes)
  return raw && fromRaw(raw)
}

/** SHA256d of the header, raw order. */
export function blockId(block: Block): Hex {
  return headerId(block.header)
}

export function encodeCertifiedBlock({ block, certificate }: CertifiedBlock): Uint8Array {
  return certifiedCoder.encode({ block: toRaw(block), certificate: [...certificate] })
}

export function decodeCertifiedBlock(bytes: Uint8Array): CertifiedBlock | undefined {
  const raw = decodeStrict(certifiedCoder, bytes, LIMITS.blockBytes + 8192)
  return raw && { block: fromRaw(raw.block), certificate: raw.certificate }
}

/** A page of a peer's chain. */
export function encodeCertifiedBlocks(blocks: readonly CertifiedBlock[]): Uint8Array {
  return certifiedListCoder.encode(blocks.map(({ block, certificate }) => ({ block: toRaw(block), certificate: [...certificate] })))
}

export function decodeCertifiedBlocks(bytes: Uint8Array): CertifiedBlock[] | undefined {
  const raw = decodeStrict(certifiedListCoder, bytes, LIMITS.certifiedBlocksBytes)
  return raw?.map(({ block, certificate }) => ({ block: fromRaw(block), certificate }))
}

export function encodeBundle(bundle: Bundle): Uint8Array {
  return bundleCoder.encode(bundle as never)
}

export function decodeBundle(bytes: Uint8Array): Bundle | undefined {
  return decodeStrict(bundleCoder, bytes, LIMITS.bundleBytes) as Bundle | undefined
}
