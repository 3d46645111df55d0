/** The nouns of the network and their bytes. Whether they are valid is the business of the packages above. */
export { decodeAddress, encodeAddress } from './address.ts'
export type { Block, Bundle, CertifiedBlock, FillerWork, HistoryPath, RecordedMessage, SlotPath, TaskWork } from './block.ts'
export {
  blockId,
  decodeBlock,
  decodeBundle,
  decodeCertifiedBlock,
  decodeCertifiedBlocks,
  encodeBlock,
  encodeBundle,
  encodeCertifiedBlock,
  encodeCertifiedBlocks,
} from './block.ts'
export type { Hex } from './codec.ts'
export type { Digest } from './digest.ts'
export { decodeDigest, digestSignedBytes, encodeDigest } from './digest.ts'
export type { TaskDocument } from './document.ts'
export {
  answersOf,
  batchBytes,
  batchesPerSegment,
  bf16Numbers,
  decodeTaskDocument,
  documentHash,
  documentMatchesRecord,
  encodeTaskDocument,
  flopsPerIteration,
  lossRows,
  modelBytesOf,
  modelNumbers,
  modelParams,
  modelSizes,
  modelSpec,
  parseTaskDocument,
  recordOfDocument,
  residualBytesOf,
  residualNumbers,
  sampleBytes,
  segmentSamples,
  trainingBatches,
} from './document.ts'
export type { Header } from './header.ts'
export { decodeHeader, encodeHeader, headerId, printHash, ZERO_NONCE_HEADER_BYTES, zeroNonceHash } from './header.ts'
export type { IterationResult } from './iteration-result.ts'
export { coreHash, decodeIterationResult, encodeIterationResult, messageId, signedBytes } from './iteration-result.ts'
export { LIMITS } from './limits.ts'
export type { Message, MessageKind } from './messages.ts'
export { decodeMessage, encodeMessage, MESSAGE_TYPES } from './messages.ts'
export type { DeclaredLayer, DeclaredModel, Tensor } from './model/declare.ts'
export { countParameters, declareModel } from './model/declare.ts'
export { optimizerSchema, scheduleSchema } from './model/model-schema.ts'
export type { ClipSpec, OptimizerSpec, ScheduleSpec } from './model/optimizer.ts'
export { REGISTERS } from './model/optimizer.ts'
export type { Activation, InitializerSpec, InputSpec, LayerSpec, LossSpec, ModelSpec, Pair } from './model/spec.ts'
export type { Window } from './model/window.ts'
export { windowOf } from './model/window.ts'
export type { OperationCode } from './operation-error.ts'
export { OperationError } from './operation-error.ts'
export type { NetworkParams } from './params.ts'
export { decodeNetworkParams, encodeNetworkParams, paramsHash } from './params.ts'
export type { ChainRecord, RecordType } from './records.ts'
export { checkRecord, decodeRecord, encodeRecord, outputId, RECORD_CODES, taskIdOf, ticketIdOf } from './records.ts'
export type { Report } from './report.ts'
export { decodeReport, decodeSettlement, encodeReport, encodeSettlement } from './report.ts'
export type { ParsedScript } from './scripts.ts'
export { escrowScript, parseScript, payToKey, recordScript, stakeScript, witnessCommitmentScript } from './scripts.ts'
export type { Certificate, SlotHeader } from './slots.ts'
export {
  decodeCertificate,
  decodeSlotHeader,
  encodeCertificate,
  encodeSlotHeader,
  slotHeaderHash,
  slotLeaf,
  slotSigningHash,
} from './slots.ts'
export type { Anchor } from './target.ts'
export { asert, bitsToTarget, hashMeets, targetToBits, targetToWork } from './target.ts'
export type { Tx, TxInput, TxOutput } from './transaction.ts'
export { annexOf, annexWith, attachmentOf, decodeTx, encodeTx, outputsHash, signatureHash, txId, txWeight, wtxId } from './transaction.ts'
export { decodeMap, encodeMap } from './update-map.ts'
export type { Accepted, Refusal, Verdict } from './verdict.ts'
export { OK, refuse } from './verdict.ts'
export type { Keys } from './wallet.ts'
export { deriveKeys, deriveWalletPath, newMnemonic } from './wallet.ts'
