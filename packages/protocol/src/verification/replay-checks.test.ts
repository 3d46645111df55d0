import { bytesToHex, sha256Hex } from '@pouw/crypto'
import { type Bundle, decodeBundle, encodeBundle, encodeMap, type IterationResult, messageId } from '@pouw/primitives'
import { createReplayTrainer, fillerSeed, replay, replayFiller } from '@pouw/training'
import { describe, expect, test } from 'vitest'
import { batchesOf, DOCUMENT, id, MINERS, NETWORK, PARAMS, TASK, VIEW } from '../../test/group.ts'
import { A, B, C, CUT, certify, copyLog, MINED, readyMessage, record, seal, TRAINING } from '../../test/history.ts'
import { BUDGET, fillerBlock, replayTask, taskBlock } from '../../test/work.ts'
import { sealMessage } from '../envelope.ts'
import { decodeHashes, encodeHashes } from '../framing.ts'
import { type Plan, planOf } from '../group.ts'
import { peerHash, slotRoot } from '../history/log.ts'
import { nonceAt, nonceZero } from '../mining/nonce.ts'
import type { ReplayResult } from '../ports.ts'
import { checkWork, type Evidence } from './evidence.ts'
import { assignmentOf, blobsOf, checkInputs, checkReplay } from './replay-checks.ts'

type TaskEvidence = Evidence & { kind: 'task' }

const OTHER = id('something else')
const { log, table } = TRAINING
const honest = taskBlock()
const { block, bundle } = honest
const evidence = evidenceOf(block)
const MAPS = log.peers(A.ticketId, 4, CUT).map((peer) => peer.message.map)

function evidenceOf(of: typeof block): TaskEvidence {
  const checked = checkWork(of, VIEW, PARAMS, NETWORK)
  if (!checked.ok || checked.evidence.kind !== 'task') throw new Error('expected task work that passes the cheap checks')
  return checked.evidence
}

/** The evidence of a block whose mined message says something else, signed and recorded as it is. */
const lying = (change: Partial<IterationResult>) => evidenceOf(taskBlock({ result: change }).block)

const refused = (check: number, code: string, action = 'slash') => ({ ok: false, code, action, check })
const unavailable = (code: string) => refused(10, code, 'drop')

describe('10: the bundle', () => {
  const assigned = (changed: Bundle) => assignmentOf(evidence, block, changed)

  test('survives its encoding', () => {
    const bytes = encodeBundle(bundle)
    expect(sha256Hex(bytes)).toBe(block.work.bundle)
    expect(assigned(decodeBundle(bytes)!)).toEqual({ ok: true, tableHash: sha256Hex(table) })
  })

  test('is addressed by what the block and its message name', () => {
    expect(blobsOf(evidence)).toEqual({
      bundle: block.work.bundle,
      model: sha256Hex(TRAINING.startModel),
      residual: sha256Hex(TRAINING.startResidual),
      batch: sha256Hex(TRAINING.batch),
    })
  })

  test('holds the ASSIGNMENT', () => {
    const ready = log.recorded(log.find('READY')[0]!, CUT)
    const result = log.recorded(log.result(A.ticketId, 1)!, CUT)
    for (const wrong of [ready, result, { ...bundle.assignment, message: new Uint8Array(7) }])
      expect(assigned({ ...bundle, assignment: wrong })).toEqual(unavailable('assignment'))
  })

  test('of this task', () => {
    const foreign = sealMessage(
      NETWORK,
      { kind: 'ASSIGNMENT', taskId: OTHER, sender: A.ticketId, sequence: 1, batchRoot: OTHER, tableHash: OTHER, batches: 42 },
      A,
    )
    expect(assigned({ ...bundle, assignment: { ...bundle.assignment, message: foreign } })).toEqual(unavailable('assignment'))
  })

  test('with its place in slot 0 under the history root', () => {
    const { assignment } = bundle
    const wrong = unavailable('assignment-path')
    const changes: Partial<typeof assignment>[] = [
      { inSlot: { ...assignment.inSlot, index: assignment.inSlot.index ^ 1 } },
      { inSlot: { ...assignment.inSlot, header: log.slot(1)!.header } },
      { inSlot: { ...assignment.inSlot, header: { ...assignment.inSlot.header, taskId: OTHER } } },
      { inHistory: { ...assignment.inHistory, size: CUT } },
      { inHistory: log.historyPath(0, CUT - 1) },
      { inHistory: { ...assignment.inHistory, path: assignment.inHistory.path.slice(1) } },
    ]
    for (const change of changes) expect(assigned({ ...bundle, assignment: { ...assignment, ...change } })).toEqual(wrong)
    expect(assignmentOf(evidence, { ...block, header: { ...block.header, hashMsgHist: OTHER } }, bundle)).toEqual(wrong)
  })

  test('an ASSIGNMENT recorded later than slot 0 does not count', () => {
    const late = copyLog(log, 5)
    const original = log.find('ASSIGNMENT')[0]!
    const again = original.bytes.slice()
    // Another sequence, so that it is another message.
    again[71]! ^= 0xff
    record(late, [again])
    const placed = late.recorded(late.find('ASSIGNMENT')[1]!, CUT)
    expect(placed.inSlot.header.slot).toBe(6)
    const header = { ...block.header, hashMsgHist: late.rootAt(CUT) }
    expect(assignmentOf(evidence, { ...block, header }, { ...bundle, assignment: placed })).toEqual(unavailable('assignment-path'))
  })

  test('needs a batch table that fits the task', () => {
    const hashes = decodeHashes(table)!
    for (const wrong of [table.subarray(1), table.subarray(32), encodeHashes([...hashes, OTHER]), new Uint8Array(0)])
      expect(checkInputs(evidence, wrong, bundle)).toEqual(unavailable('batch-table'))
  })

  test('holds every slot after the previous cut up to the declared one', () => {
    const inputs = (slots: Bundle['slots']) => checkInputs(evidence, table, { ...bundle, slots })
    const [five, six] = bundle.slots as [Bundle['slots'][0], Bundle['slots'][0]]
    const four = { header: log.slot(4)!.header, messages: log.slot(4)!.messages }
    expect(inputs([five])).toEqual(unavailable('slots-missing'))
    expect(inputs([])).toEqual(unavailable('slots-missing'))
    expect(inputs([six])).toEqual(unavailable('slot-malformed'))
    expect(inputs([six, five])).toEqual(unavailable('slot-malformed'))
    expect(inputs([four, five, six])).toEqual(unavailable('slot-malformed'))
    expect(inputs([five, six, six])).toEqual(unavailable('slot-malformed'))
    const longer = record(copyLog(log), [seal(TRAINING.result)])
    expect(inputs([five, six, longer])).toEqual(unavailable('slots-missing'))
  })

  test('each slot with all its messages, linked to the next and to the cut', () => {
    const inputs = (slots: Bundle['slots']) => checkInputs(evidence, table, { ...bundle, slots })
    const [five, six] = bundle.slots as [Bundle['slots'][0], Bundle['slots'][0]]
    const malformed = unavailable('slot-malformed')
    expect(inputs([five, { ...six, messages: six.messages.slice(1) }])).toEqual(malformed)
    expect(inputs([five, { ...six, messages: [...six.messages].reverse() }])).toEqual(malformed)
    expect(inputs([{ ...five, header: { ...five.header, taskId: OTHER } }, six])).toEqual(malformed)
    // A slot of one's own making: consistent in itself, but not the one that the next header names.
    const fewer = five.messages.slice(1)
    const made = { header: { ...five.header, root: slotRoot(fewer.map(messageId)) }, messages: fewer }
    expect(inputs([made, six])).toEqual(malformed)
    const last = { header: { ...six.header, root: slotRoot(six.messages.slice(1).map(messageId)) }, messages: six.messages.slice(1) }
    expect(inputs([five, last])).toEqual(unavailable('slots-elsewhere'))
    expect(inputs([five, { ...six, header: { ...six.header, timeMs: six.header.timeMs + 1 } }])).toEqual(unavailable('slots-elsewhere'))
  })
})

describe('11 to 13: what the iteration started from', () => {
  test('honest inputs: the maps of the peers in slot order, and the rate that is due', () => {
    expect(checkInputs(evidence, table, bundle)).toEqual({ ok: true, maps: MAPS, rate: TRAINING.result.rate })
    expect(MAPS.length).toBe(4)
  })

  test('a plan at hand is used', () => {
    const asked: (readonly string[])[] = []
    const planFor = (hashes: readonly string[]): Plan | undefined => {
      asked.push(hashes)
      return planOf(evidence.group, hashes)
    }
    expect(checkInputs(evidence, table, bundle, planFor)).toMatchObject({ ok: true })
    expect(asked).toEqual([decodeHashes(table)])
  })

  test('11: an iteration that is due', () => {
    const { iterations } = TRAINING.plan.schedule(A.ticketId)!
    const beyond = { ...evidence, result: { ...evidence.result, sequence: iterations + 1 } }
    expect(checkInputs(beyond, table, bundle)).toEqual(refused(11, 'sequence-not-due'))
    expect(checkInputs({ ...beyond, result: { ...evidence.result, sequence: iterations } }, table, bundle)).toEqual(
      refused(11, 'batch-not-due'),
    )
  })

  test('11: the batch that is due, not one mined before, not that of somebody else', () => {
    const wrong = refused(11, 'batch-not-due')
    const hashes = decodeHashes(table)!
    const used = log.result(A.ticketId, MINED - 1)!.message
    const [foreign] = TRAINING.plan.ownBatches(B.ticketId)
    expect(checkInputs(lying({ epoch: 1 }), table, bundle)).toEqual(wrong)
    expect(checkInputs(lying({ batchHash: OTHER }), table, bundle)).toEqual(wrong)
    expect(checkInputs(lying({ batchIndex: used.batchIndex, batchHash: used.batchHash }), table, bundle)).toEqual(wrong)
    expect(checkInputs(lying({ batchIndex: foreign!, batchHash: hashes[foreign!]! }), table, bundle)).toEqual(wrong)
    expect(checkInputs(lying({ batchIndex: foreign! }), table, bundle)).toEqual(wrong)
  })

  test('11: rate and tau of the document', () => {
    expect(checkInputs(lying({ rate: Math.fround(0.2) }), table, bundle)).toEqual(refused(11, 'schedule'))
    expect(checkInputs(lying({ tau: Math.fround(0.2) }), table, bundle)).toEqual(refused(11, 'schedule'))
  })

  test('12: the peer hash is over everybody in those slots, in their order', () => {
    const wrong = refused(12, 'peer-hash')
    const peers = log.peers(A.ticketId, 4, CUT)
    for (const list of [peers.slice(1), peers.slice(0, -1), [...peers].reverse(), [], log.peers(B.ticketId, 4, CUT)])
      expect(checkInputs(lying({ peerHash: peerHash(list) }), table, bundle)).toEqual(wrong)
  })

  /** Slot 6 with other messages; certified, so that only the inputs of the replay can tell. */
  function withSlot6(messages: readonly Uint8Array[]): { of: TaskEvidence; with: Bundle } {
    const other = copyLog(log, 5)
    const { header, messages: recorded } = record(other, messages)
    const peers = other.peers(A.ticketId, 4, CUT)
    return {
      of: {
        ...evidence,
        result: { ...evidence.result, peerHash: peerHash(peers) },
        work: { ...evidence.work, cut: { header, certificate: certify(header, other.rootAt(CUT)) } },
      },
      with: { ...bundle, slots: [bundle.slots[0]!, { header, messages: recorded }] },
    }
  }

  test('12: the cut is canonical', () => {
    const word = (value: number) => encodeMap(Uint32Array.of(value))
    const cancelling = withSlot6([
      seal({ ...log.result(B.ticketId, 6)!.message, map: word(5) }),
      seal({ ...log.result(C.ticketId, 6)!.message, map: word(0x80000005) }),
    ])
    expect(checkInputs(cancelling.of, table, cancelling.with)).toEqual(refused(12, 'cut-not-canonical'))
    const ownOnly = withSlot6([seal({ ...TRAINING.result, finishedMs: 1 })])
    expect(checkInputs(ownOnly.of, table, ownOnly.with)).toEqual(refused(12, 'cut-not-canonical'))
  })

  test('other messages in those slots are no peers', () => {
    const mixed = withSlot6([...log.slot(6)!.messages, readyMessage(B, OTHER)])
    expect(checkInputs(mixed.of, table, mixed.with)).toEqual({ ok: true, maps: MAPS, rate: TRAINING.result.rate })
  })

  test('the previous cut again: no slots, no peers', () => {
    const still = {
      ...evidence,
      result: { ...evidence.result, peerHash: peerHash([]) },
      previous: { ...evidence.previous, peerCut: CUT },
    }
    expect(checkInputs(still, table, { ...bundle, slots: [] })).toEqual({ ok: true, maps: [], rate: TRAINING.result.rate })
  })

  test('13: it starts where the previous one ended', () => {
    expect(checkInputs(lying({ startModelHash: OTHER }), table, bundle)).toEqual(refused(13, 'start-model'))
    expect(checkInputs(lying({ startResidualHash: OTHER }), table, bundle)).toEqual(refused(13, 'start-residual'))
    const swapped = lying({ startModelHash: TRAINING.result.startResidualHash })
    expect(checkInputs(swapped, table, bundle)).toEqual(refused(13, 'start-model'))
  })
})

describe('14 to 16: what the replay says', () => {
  const replayed = replayTask()
  const judge = (result: ReplayResult, of = evidence, on = block) => checkReplay(of, on, PARAMS, result)

  test('an honest iteration replays to the last bit', () => {
    expect(judge(replayed)).toEqual({ ok: true })
    expect(judge(replayTask())).toEqual({ ok: true })
  })

  test('another order of the maps of the peers gives the same bits, another set does not', () => {
    expect(judge(replayTask({ maps: [...MAPS].reverse() }))).toEqual({ ok: true })
    for (const left of MAPS.keys()) expect(judge(replayTask({ maps: MAPS.filter((_, at) => at !== left) }))).not.toEqual({ ok: true })
    expect(judge(replayTask({ maps: [] }))).toMatchObject({ ok: false, check: 14 })
  })

  test('another batch, another rate, another start give another end', () => {
    const [foreign] = TRAINING.plan.ownBatches(B.ticketId)
    expect(judge(replayTask({ batch: batchesOf()[foreign!]!.bytes }))).toMatchObject({ ok: false, check: 14, action: 'slash' })
    expect(judge(replayTask({ rate: Math.fround(0.2) }))).toMatchObject({ ok: false, check: 14, action: 'slash' })
  })

  test('a start that is not the state before this iteration cannot be replayed', () => {
    const run = (change: object) =>
      replay(createReplayTrainer(DOCUMENT, TASK, A.ticketId), {
        sequence: MINED,
        startModel: TRAINING.startModel,
        startResidual: TRAINING.startResidual,
        maps: MAPS,
        batch: TRAINING.batch,
        rate: TRAINING.result.rate,
        ...change,
      })
    const bad = { ok: false, code: 'bad-start' }
    expect(run({ sequence: MINED + 1 })).toEqual(bad)
    expect(run({ startModel: TRAINING.startResidual })).toEqual(bad)
    expect(run({ startModel: TRAINING.startModel.subarray(4) })).toEqual(bad)
  })

  test('14: the map is what residual and gradient make', () => {
    const words = new Uint32Array(TRAINING.result.map.slice().buffer)
    const changed = [words.slice(1), words.slice(0, -1), Uint32Array.from(words, (word) => (word ^ 0x80000000) >>> 0)]
    for (const map of changed) expect(judge(replayed, lying({ map: encodeMap(map) }))).toEqual(refused(14, 'update-map'))
  })

  test('14: end model and end residual', () => {
    expect(judge(replayed, lying({ endModelHash: OTHER }))).toEqual(refused(14, 'end-model'))
    expect(judge(replayed, lying({ endResidualHash: OTHER }))).toEqual(refused(14, 'end-residual'))
  })

  test('15: loss, accuracy, overdrive, to the bit', () => {
    const { loss, accuracy, overdrive } = TRAINING.result
    const up = new Float32Array(1)
    const bits = new Uint32Array(up.buffer)
    up[0] = loss
    bits[0]! += 1
    expect(up[0]).not.toBe(loss)
    expect(judge(replayed, lying({ loss: up[0]! }))).toEqual(refused(15, 'loss'))
    expect(judge(replayed, lying({ accuracy: accuracy === 1 ? 0.5 : 1 }))).toEqual(refused(15, 'accuracy'))
    expect(judge(replayed, lying({ overdrive: overdrive + 1 }))).toEqual(refused(15, 'overdrive'))
  })

  test('15: zero and minus zero are different bits', () => {
    const zero = { ...evidence, result: { ...evidence.result, accuracy: -0 } }
    expect(judge({ ...replayed, accuracy: 0 }, zero)).toEqual(refused(15, 'accuracy'))
    expect(judge({ ...replayed, accuracy: -0 }, zero)).toEqual({ ok: true })
  })

  test('16: the nonce is rebuilt from what was replayed', () => {
    const zero = nonceZero(replayed.endModelHash, replayed.map)
    const with16 = (j: number) => ({ ...block, header: { ...block.header, nonce: bytesToHex(nonceAt(zero, j)) } })
    for (let j = 0; j < BUDGET; j++) expect(judge(replayed, evidence, with16(j))).toEqual({ ok: true })
    expect(judge(replayed, evidence, with16(BUDGET))).toEqual(refused(16, 'nonce'))
  })

  test('the gradient hash is bound to the verifier', () => {
    const trainer = createReplayTrainer(DOCUMENT, TASK, A.ticketId)
    const { startModel, startResidual, batch, result } = TRAINING
    const output = replay(trainer, { sequence: MINED, startModel, startResidual, maps: MAPS, batch, rate: result.rate })
    if (!output.ok) throw new Error(output.code)
    expect(new Set(MINERS.map((miner) => output.gradientHash(miner.ticketId))).size).toBe(3)
  })
})

describe('14 and 16 for filler work', () => {
  const filler = fillerBlock()
  const checked = checkWork(filler, VIEW, PARAMS, NETWORK)
  const of = (checked.ok && checked.evidence) as Evidence & { kind: 'filler' }
  const run = (seed = of.seed, iteration = filler.work.iteration): ReplayResult => {
    const output = replayFiller(PARAMS.filler, seed, filler.work.ticketId, iteration)
    if (!output.ok) throw new Error(output.code)
    const { map, endModelHash, endResidualHash } = output
    const gradientHash = output.gradientHash(B.ticketId)
    return { kind: 'replay', map, loss: 0, accuracy: 0, overdrive: 0, endModelHash, endResidualHash, gradientHash }
  }
  const judge = (result: ReplayResult, change = {}) => checkReplay({ ...of, work: { ...of.work, ...change } }, filler, PARAMS, result)

  test('honest filler work replays from the template', () => {
    expect(judge(run())).toEqual({ ok: true })
  })

  test('work for another template, ticket or iteration', () => {
    expect(judge(run(fillerSeed(OTHER, A.ticketId)))).toMatchObject({ ok: false, check: 14, action: 'slash' })
    expect(judge(run(of.seed, 1))).toMatchObject({ ok: false, check: 14, action: 'slash' })
  })

  test('14: map, end model, end residual', () => {
    expect(judge(run(), { map: filler.work.map.slice(4) })).toEqual(refused(14, 'update-map'))
    expect(judge(run(), { endModelHash: OTHER })).toEqual(refused(14, 'end-model'))
    expect(judge(run(), { endResidualHash: OTHER })).toEqual(refused(14, 'end-residual'))
  })

  test('16: the nonce', () => {
    const elsewhere = { ...filler, header: { ...filler.header, nonce: '00'.repeat(32) } }
    expect(checkReplay(of, elsewhere, PARAMS, run())).toEqual(refused(16, 'nonce'))
  })
})
