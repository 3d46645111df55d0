/** Blocks made of honest work, and the same with one thing changed. */
import { bytesToHex, ed25519Sign, sha256Hex } from '@pouw/crypto'
import {
  type Block,
  type Bundle,
  blockId,
  coreHash,
  decodeIterationResult,
  encodeBundle,
  type FillerWork,
  type Header,
  type IterationResult,
  type SlotHeader,
  type TaskWork,
  zeroNonceHash,
} from '@pouw/primitives'
import {
  createFillerEngine,
  createReplayTrainer,
  fillerMessageHash,
  fillerSeed,
  type ReplayInput,
  replay as replayIteration,
} from '@pouw/training'
import { ZERO_HASH } from '../src/history/log.ts'
import { nonceAt, nonceZero } from '../src/mining/nonce.ts'
import type { ReplayResult } from '../src/ports.ts'
import { fillerBudget, fillerSigned, taskBudget } from '../src/verification/evidence.ts'
import { DOCUMENT, PARAMS, TASK, type Worker } from './group.ts'
import { A, B, CUT, certify, copyLog, MINED, nextSlot, seal, TEMPLATE, TRAINING, type Training } from './history.ts'

export const BUDGET = taskBudget(PARAMS, DOCUMENT)
export const FILLER_BUDGET = fillerBudget(PARAMS)

export interface TaskBlock {
  readonly block: Block & { readonly work: TaskWork }
  readonly bundle: Bundle
}

export interface TaskChanges {
  /** Fields of the mined message, signed and recorded as they are. */
  readonly result?: Partial<IterationResult>
  /** Fields of the slot that records it, certified as they are. */
  readonly resultSlot?: Partial<SlotHeader>
  readonly training?: Training
}

/** The block that A proposes once its IT_RES 6 is in slot 7, with the last nonce of its budget. */
export function taskBlock({ result: change = {}, resultSlot = {}, training = TRAINING }: TaskChanges = {}): TaskBlock {
  const bytes = seal({ ...training.result, ...change })
  const result = decodeIterationResult(bytes)!
  const log = copyLog(training.log)
  const slot = nextSlot(log, [bytes])
  log.append(slot)
  const header = { ...slot.header, ...resultSlot }
  const recorded = log.result(A.ticketId, MINED) ?? log.logged(CUT + 1)[0]!
  const previous = log.result(A.ticketId, MINED - 1)!
  const peer = log.peers(A.ticketId, previous.message.peerCut, CUT).find((one) => one.message.ticketId === B.ticketId)!
  const bundle: Bundle = {
    assignment: log.recorded(log.find('ASSIGNMENT')[0]!, CUT),
    slots: [5, 6].map((s) => ({ header: log.slot(s)!.header, messages: log.slot(s)!.messages })),
  }
  const cut = log.slot(CUT)!
  return {
    bundle,
    block: {
      header: {
        ...headerOf(training),
        nonce: bytesToHex(nonceAt(nonceZero(result.endModelHash, result.map), BUDGET - 1)),
        hashMsg: coreHash(result),
        hashMsgHist: log.rootAt(CUT),
      },
      transactions: [],
      parentCertificate: [],
      work: {
        kind: 'task',
        result: bytes,
        resultSlot: {
          inSlot: { ...log.slotPath(recorded), header },
          historyRoot: slot.historyRoot,
          certificate: certify(header, slot.historyRoot),
        },
        previous: previous.bytes,
        cut: { header: cut.header, certificate: cut.certificate },
        commitment: log.recorded(log.result(A.ticketId, 1)!, CUT),
        peers: [log.recorded(peer, CUT)],
        bundle: sha256Hex(encodeBundle(bundle)),
      },
    },
  }
}

const templates = new Map<Training, Header>([[TRAINING, TEMPLATE]])

/** Remembers which template a training committed to. */
export function trainedWith(training: Training, template: Header): Training {
  templates.set(training, template)
  return training
}

function headerOf(training: Training): Header {
  return templates.get(training)!
}

/** What a verifier computes from the bundle and the blobs. */
export function replayTask(input: Partial<ReplayInput> = {}, training = TRAINING): ReplayResult {
  const peers = training.log.peers(A.ticketId, 4, CUT)
  const output = replayIteration(createReplayTrainer(DOCUMENT, TASK, A.ticketId), {
    sequence: MINED,
    startModel: training.startModel,
    startResidual: training.startResidual,
    maps: peers.map((peer) => peer.message.map),
    batch: training.batch,
    rate: training.result.rate,
    ...input,
  })
  if (!output.ok) throw new Error(output.code)
  const { map, loss, accuracy, overdrive, endModelHash, endResidualHash } = output
  return { kind: 'replay', map, loss, accuracy, overdrive, endModelHash, endResidualHash, gradientHash: output.gradientHash(B.ticketId) }
}

/** A filler run on a template of one's own, and the signed block of its iteration j. */
export function fillerBlock(iteration = 2, miner: Worker = A, template: Header = TEMPLATE): Block & { readonly work: FillerWork } {
  const { work, header } = fillerClaim(iteration, miner, template)
  return signFiller(header, work, miner)
}

function fillerClaim(iteration: number, miner: Worker, template: Header) {
  const run = createFillerEngine(PARAMS.filler).start(fillerSeed(zeroNonceHash(template), miner.ticketId), miner.ticketId)
  let step = run.iterate()
  for (let j = 1; j < iteration; j++) step = run.iterate()
  if (!step.ok) throw new Error(step.code)
  const { map, endModelHash, endResidualHash } = step
  const work = { kind: 'filler', ticketId: miner.ticketId, iteration, endModelHash, endResidualHash, map } as const
  const header = {
    ...template,
    nonce: bytesToHex(nonceAt(nonceZero(endModelHash, map), FILLER_BUDGET - 1)),
    hashMsg: fillerMessageHash(miner.ticketId, iteration, endModelHash, endResidualHash, map),
    hashMsgHist: ZERO_HASH,
  }
  return { work, header }
}

export function signFiller(header: Header, work: Omit<FillerWork, 'signature'>, miner: Worker = A): Block & { readonly work: FillerWork } {
  const unsigned = { header, transactions: [], parentCertificate: [], work: { ...work, signature: new Uint8Array(64) } }
  return { ...unsigned, work: { ...work, signature: ed25519Sign(fillerSigned(blockId(unsigned)), miner.ticketSeed) } }
}
