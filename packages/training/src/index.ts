/**
 * Training as functions: who gets which data, one iteration with its bytes and hashes, its bit-exact replay, filler work, evaluation.
 *
 * Nothing here knows the network, the ledger or a clock. Equal input gives equal bits on every machine and backend (spec 5.2, 9.1).
 */

export type { Assignment } from './assignment.ts'
export { assignBatches } from './assignment.ts'
export type { Batch, CutBatch } from './batches.ts'
export { batchBytes, batchRoot, cutBatches, openBatch } from './batches.ts'
export type { Evaluation } from './evaluation.ts'
export { evaluate } from './evaluation.ts'
export type { FillerEngine, FillerParams, FillerRun, FillerStep } from './filler.ts'
export { createFiller, createFillerEngine, fillerBatchBytes, fillerMessageHash, fillerParams, fillerSeed, replayFiller } from './filler.ts'
export type { IterationFailure, IterationOutput } from './iteration.ts'
export { openMap } from './iteration.ts'
export type { Backend } from './model.ts'
export { initialWeights } from './model.ts'
export type { ReplayInput, ReplayOutput, ReplayTrainer } from './replay.ts'
export { createReplayTrainer, replay } from './replay.ts'
export type { LayerShape, SafetensorsModel } from './safetensors.ts'
export { decodeSafetensors, encodeSafetensors, layerShapes } from './safetensors.ts'
export type { Schedule } from './schedule.ts'
export { createSchedule, epochOrder, quantum, rateAt } from './schedule.ts'
export type { Segment, SegmentData, Split } from './segments.ts'
export { decodeSegmentData, encodeSegmentData, openSegment, segmentBytes, segmentsRoot, splitSegments } from './segments.ts'
export type { ModelState, ResidualState } from './state-bytes.ts'
export { modelBytes, modelHash, openModel, openResidual, residualBytes, residualHash } from './state-bytes.ts'
export { syntheticDataset } from './synthetic.ts'
export type { IterateInput, Trainer } from './trainer.ts'
export { createTrainer } from './trainer.ts'
