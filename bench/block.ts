/**
 * What checking a block costs: the cheap checks that every node makes, and the replay that a drawn verifier makes.
 *
 * The block is real: three miners train a net of the example's size in the simulator until one of them finds it. Every sample starts with
 * a fresh chain and without remembered verifications, as in a node that sees the block for the first time.
 */
import { type Chain, createChain } from '@pouw/chain'
import { bytesToHex, ecvrfProve, ecvrfVerify, hexToBytes, sha256 } from '@pouw/crypto'
import { type Block, blockId, decodeBlock, decodeBundle, encodeBlock, type Hex, type Verdict } from '@pouw/primitives'
import { createComputer, type JobResult } from '@pouw/protocol'
import { minerTicket } from '../packages/protocol/src/blocks.ts'
import { type Plan, planOf } from '../packages/protocol/src/group.ts'
import { certificateIsValid } from '../packages/protocol/src/history/certificate.ts'
import { checkWork } from '../packages/protocol/src/verification/evidence.ts'
import { assignmentOf, blobsOf, checkInputs, checkReplay } from '../packages/protocol/src/verification/replay-checks.ts'
import { checkCertificate, checkDigest, verifierAlpha } from '../packages/protocol/src/verification/sortition.ts'
import { readExample } from './example-task.ts'
import { forgetVerifications } from './forget.ts'
import { createStopwatch, type Stopwatch } from './measure.ts'
import { row, type Topic } from './row.ts'
import { mineTaskBlock, type TaskBlock } from './task-block.ts'

const WHOLE_MS = { must: 40, aim: 20 }
const REPLAY_MS = { must: 30, aim: 10 }

export const block: Topic = async ({ quick, say }) => {
  const example = await readExample()
  const found = mineTaskBlock(example, say)
  const { certified } = found
  const bytes = encodeBlock(certified.block)
  say(`task block of ${bytes.length} bytes at height ${found.ancestors.length + 1} after ${found.seconds.toFixed(1)} s`)
  const watch = createStopwatch<string>()
  const { time, of } = watch
  const computer = createComputer({ filler: found.genesis.params.filler })
  const samples = quick ? 2 : 11
  const warm = quick ? 1 : 2
  let planMs = 0
  let plan: Plan | undefined

  for (let sample = -warm; sample < samples; sample++) {
    const chain = chainBelow(found)
    forgetVerifications()
    if (sample === 0) watch.turn(true)
    time('whole', () => {
      const evidence = time('cheap', () => cheapChecks(chain, bytes, found, time))
      const { maps, rate, model, residual, batch } = time('inputs', () => {
        const blobs = blobsOf(evidence)
        const bundle = decodeBundle(hashed(found, blobs.bundle))!
        const assignment = assignmentOf(evidence, certified.block, bundle)
        if (!assignment.ok) throw new Error(assignment.code)
        const inputs = checkInputs(evidence, hashed(found, assignment.tableHash), bundle, (hashes) => {
          if (plan) return plan
          const start = performance.now()
          plan = planOf(evidence.group, hashes)
          planMs = performance.now() - start
          return plan
        })
        if (!inputs.ok) throw new Error(inputs.code)
        return { ...inputs, model: hashed(found, blobs.model), residual: hashed(found, blobs.residual), batch: hashed(found, blobs.batch) }
      })
      const { group, result } = evidence
      const replayed = time('replay', () =>
        computer.run({
          kind: 'replay',
          document: group.document,
          taskId: group.taskId,
          ticketId: result.ticketId,
          sequence: result.sequence,
          model,
          residual,
          maps,
          batch,
          rate,
          verifier: result.ticketId,
        }),
      )
      time('outcome', () => expectOk(checkReplay(evidence, certified.block, chain.params, asReplay(replayed))))
    })
    // The rest is not part of the whole above: a node meets it elsewhere.
    const view = chain.view()
    const miner = view.ticket(minerTicket(certified.block)!)!.owner
    const { params, networkId } = chain
    const [digest] = certified.certificate
    if (!digest) throw new Error('the block has an empty certificate')
    forgetVerifications()
    time('digest', () => expectOk(checkDigest(digest, view, params, networkId, miner)))
    const alpha = verifierAlpha(view.blockId, digest.height, digest.round, digest.ticketId)
    forgetVerifications()
    time('vrf verify', () => ecvrfVerify('ELL2', hexToBytes(view.ticket(digest.ticketId)!.vrfKey), alpha, digest.proof)!)
    time('vrf prove', () => ecvrfProve('ELL2', new Uint8Array(32).fill(3), alpha))
    const { cut } = evidenceOf(certified.block, chain)
    forgetVerifications()
    time('slot certificate', () => {
      if (!certificateIsValid(cut.group, cut.header, certified.block.header.hashMsgHist, cut.certificate)) throw new Error('certificate')
    })
    forgetVerifications()
    time('certificate', () => expectOk(checkCertificate(certified.certificate, blockId(certified.block), miner, view, params, networkId)))
    time('certificate known', () =>
      expectOk(checkCertificate(certified.certificate, blockId(certified.block), miner, view, params, networkId, () => true)),
    )
    time('connect', () => expectOk(chain.connect(certified).verdict))
  }

  const quorum = certified.certificate.length
  return [
    row('whole check of a real task block (109,386 parameters, batch 128), checks 1-16 and replay', of('whole'), 'ms', {
      atMost: WHOLE_MS,
    }),
    row('  cheap checks 1-9, nothing remembered', of('cheap'), 'ms'),
    row('    decode the block', of('decode'), 'ms'),
    row('    header and transactions', of('header and body'), 'ms'),
    row('    work: paths, signatures, two slot certificates', of('work'), 'ms'),
    row('  hash and check the inputs of the replay (checks 10-13)', of('inputs'), 'ms'),
    row('  replay of its iteration', of('replay'), 'ms', { atMost: REPLAY_MS }),
    row('  compare the outcome (checks 14-16)', of('outcome'), 'ms'),
    row('one slot certificate: BLS signature of the supervisors', of('slot certificate'), 'ms'),
    row('plan of the task, once per task', planMs, 'ms'),
    row('ECVRF proof made by a drawn verifier', of('vrf prove'), 'ms'),
    row('ECVRF proof verified', of('vrf verify'), 'ms'),
    row('one verifier digest checked', of('digest'), 'ms'),
    row(`certificate of ${quorum} digests, nothing remembered`, of('certificate'), 'ms'),
    row(`certificate of ${quorum} digests known from gossip`, of('certificate known'), 'ms', { baseline: of('certificate') }),
    row('connect the block to the chain (state and fork choice)', of('connect'), 'ms'),
  ]

  function cheapChecks(chain: Chain, encoded: Uint8Array, { nowMs }: TaskBlock, time: Stopwatch<string>['time']) {
    const decoded = time('decode', () => decodeBlock(encoded)!)
    time('header and body', () => {
      expectOk(chain.checkHeader(decoded, nowMs))
      expectOk(chain.checkBody(decoded))
    })
    const checked = time('work', () => checkWork(decoded, chain.view(), chain.params, chain.networkId))
    if (!checked.ok) throw new Error(checked.code)
    const { evidence } = checked
    if (evidence.kind !== 'task') throw new Error('expected a task block')
    return evidence
  }
}

/** The certificate over the history that the block's work stands on, with the group that signed it. */
function evidenceOf(checked: Block, chain: Chain) {
  const work = checkWork(checked, chain.view(), chain.params, chain.networkId)
  if (!work.ok || work.evidence.kind !== 'task') throw new Error('expected a valid task block')
  return { cut: { ...work.evidence.work.cut, group: work.evidence.group } }
}

/** A chain whose tip is the block's parent. */
function chainBelow({ genesis, ancestors }: TaskBlock): Chain {
  const chain = createChain(genesis)
  for (const ancestor of ancestors) expectOk(chain.connect(ancestor, { trusted: true }).verdict)
  return chain
}

/** A blob whose hash was checked, as after a fetch. */
function hashed({ blobs }: TaskBlock, hash: Hex): Uint8Array {
  const bytes = blobs.get(hash)
  if (!bytes || bytesToHex(sha256(bytes)) !== hash) throw new Error(`no blob ${hash}`)
  return bytes
}

function expectOk(verdict: Verdict): void {
  if (!verdict.ok) throw new Error(`refused: ${verdict.code} ${verdict.detail ?? ''}`)
}

function asReplay(result: JobResult) {
  if (result.kind !== 'replay') throw new Error(`the replay was refused: ${JSON.stringify(result)}`)
  return result
}
