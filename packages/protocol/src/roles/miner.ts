/**
 * The miner of a task: prepares its batches, then loops the normative iteration, sends IT_RES, and turns lucky nonces into blocks
 * (spec 8, 9.1, 10.2, 10.3, 10.5; A9, A14, A22).
 *
 * Own messages are durable before they are sent. After a restart the miner trains again from its checkpoint with the cuts that its stored
 * messages declare, which gives the same bytes, and goes on where it stopped.
 */
import { type Entry, workTarget } from '@pouw/chain'
import {
  type Block,
  batchBytes,
  coreHash,
  decodeIterationResult,
  encodeBundle,
  type Hex,
  type IterationResult,
  type Message,
  modelParams,
  type RecordedMessage,
  type TaskWork,
} from '@pouw/primitives'
import type { Blocks } from '../blocks.ts'
import type { Context } from '../context.ts'
import { openMessage, sealResult } from '../envelope.ts'
import { decodeCheckpoint, decodeHashes, encodeCheckpoint } from '../framing.ts'
import { type Group, type Plan, planOf } from '../group.ts'
import { lastTrainingSlot, trainingComplete } from '../history/admission.ts'
import { createFollower, type Follower } from '../history/follower.ts'
import { cutIsCanonical, type LoggedResult, peerHash, ZERO_HASH } from '../history/log.ts'
import { createTemplateSource, type Template } from '../mining/templates.ts'
import type { IterateResult } from '../ports.ts'
import { commitmentDistance, peersNeeded, taskBudget } from '../verification/evidence.ts'

const RESEND_MS = 1000
/** Batch preimage: domain byte, task, index, data. */
const BATCH_OVERHEAD = 1 + 32 + 4

export interface MinerRun {
  readonly taskId: Hex
  /** The last due iteration is recorded. */
  isFinished(): boolean
  readonly follower: Follower
  onMessage(message: Message, bytes: Uint8Array): void
  onTip(connected: readonly Entry[]): void
  progress(): {
    readonly sequence: number
    readonly due: number
    readonly loss: number
    readonly accuracy: number
    readonly finalised: number
  }
  close(): void
}

interface Own {
  readonly message: IterationResult
  readonly bytes: Uint8Array
  readonly core: Hex
}

/** @param stored what this miner kept of the task: own IT_RES by sequence, and the newest checkpoint */
export function createMinerRun(
  context: Context,
  blocks: Blocks,
  group: Group,
  me: Hex,
  stored: {
    readonly results: ReadonlyMap<number, Uint8Array>
    readonly checkpoint: Uint8Array | undefined
    readonly ready: Uint8Array | undefined
    readonly final: Uint8Array | undefined
  },
): MinerRun {
  const { taskId, document } = group
  const { params, chain } = context
  const S = document.ml.staleness
  const k = commitmentDistance(S)
  const templates = createTemplateSource(context, blocks)
  const commitments = new Map<number, Template>()
  const batches = new Map<number, Uint8Array>()
  const sent = new Map<number, Own>()
  const wins = new Map<number, { readonly own: Own; readonly template: Template; readonly win: NonNullable<IterateResult['win']> }>()
  let closed = false
  let plan: Plan | undefined
  let preparing = false
  let ready: Uint8Array | undefined
  let opened = false
  let last: Own | undefined
  let busy = false
  let broken = false
  let finalMessage: Uint8Array | undefined
  let finalAsked = false

  const follower = createFollower(context, group, {
    keep: false,
    active: () => !closed,
    onSlot(slot) {
      for (const [sequence] of wins) propose(sequence)
      const newest = follower.log.latest(me)?.message.sequence ?? 0
      for (const sequence of sent.keys()) if (sequence <= newest) sent.delete(sequence)
      // A miner that restarts finds its assignment in the history; nobody sends it again.
      const [assignment] = slot === 0 ? follower.log.find('ASSIGNMENT') : []
      if (assignment && !plan && !preparing) prepare(assignment.message)
      if (slot === 0) resend()
      advance()
    },
  })
  resend()

  return {
    taskId,
    follower,
    isFinished: () => plan !== undefined && (follower.log.latest(me)?.message.sequence ?? 0) === plan.schedule(me)!.iterations,
    onMessage(message) {
      if (message.kind === 'ASSIGNMENT' && !plan && !preparing) prepare(message)
      if (message.kind === 'SLOT_FINAL') {
        const { header, historyRoot, certificate, messages } = message
        follower.receive({ header, historyRoot, certificate, messages })
      }
    },
    onTip() {
      advance()
    },
    progress: () => ({
      sequence: last?.message.sequence ?? 0,
      due: plan?.schedule(me)?.iterations ?? 0,
      loss: last?.message.loss ?? 0,
      accuracy: last?.message.accuracy ?? 0,
      finalised: follower.log.latest(me)?.message.sequence ?? 0,
    }),
    close() {
      closed = true
      context.compute({ kind: 'close-run', run: taskId }, () => {})
      for (const sequence of stored.results.keys()) context.effect({ kind: 'persist', key: resultKey(taskId, sequence), value: undefined })
      for (let sequence = 1; sequence <= (last?.message.sequence ?? 0); sequence++) {
        context.effect({ kind: 'persist', key: resultKey(taskId, sequence), value: undefined })
      }
      for (const key of [checkpointKey(taskId), readyKey(taskId), finalKey(taskId)])
        context.effect({ kind: 'persist', key, value: undefined })
    },
  }

  /** ASSIGNMENT -> batch table -> own batches -> READY. The supervisors' certificate over slot 0 confirms the assignment later. */
  function prepare(assignment: Message & { kind: 'ASSIGNMENT' }): void {
    if (!group.supervisors.some((member) => member.ticketId === assignment.sender)) return
    preparing = true
    const supervisors = () => group.supervisors.map((member) => context.peerOf(member.ticketId)).filter((peer) => peer !== undefined)
    context.fetch(
      assignment.tableHash,
      supervisors,
      32 * assignment.batches,
      () => !closed,
      (table) => {
        const hashes = decodeHashes(table)
        plan = hashes && planOf(group, hashes)
        if (!plan || plan.batchRoot !== assignment.batchRoot) {
          plan = undefined
          preparing = false
          context.emit('assignment-refused', { taskId })
          return
        }
        const own = plan.ownBatches(me)
        let missing = own.length
        context.emit('batches-assigned', { taskId, batches: own.length, of: hashes!.length })
        own.forEach((batch, turn) => {
          const rotated = () => {
            const peers = supervisors()
            return peers.map((_, index) => peers[(index + turn) % peers.length]!)
          }
          context.fetch(
            plan!.batchHashes[batch]!,
            rotated,
            BATCH_OVERHEAD + batchBytes(document),
            () => !closed,
            (bytes) => {
              batches.set(batch, bytes)
              if (--missing === 0) open()
            },
          )
        })
      },
    )
  }

  function open(): void {
    const checkpoint = stored.checkpoint && decodeCheckpoint(stored.checkpoint)
    const from = checkpoint && stored.results.has(checkpoint.sequence) ? checkpoint : undefined
    context.compute({ kind: 'open-run', run: taskId, document, taskId, ticketId: me, ...(from && { resume: from }) }, (result) => {
      if (closed || result.kind !== 'open-run') return
      opened = true
      if (from) {
        const bytes = stored.results.get(from.sequence)!
        const message = decodeIterationResult(bytes)!
        last = { bytes, message, core: coreHash(message) }
      }
      if (follower.log.lastSlot < 0) {
        // Durable before it leaves, and the same bytes after a restart (A22): supervisors hold the first one.
        ready = stored.ready ?? context.seal({ kind: 'READY', taskId, initialModelHash: plan!.initialModelHash(me) }, 'ticket')
        context.effect({ kind: 'persist', key: readyKey(taskId), value: ready })
      }
      context.emit('miner-ready', { taskId, resumedAt: result.sequence })
      resend(true)
      advance()
    })
  }

  /** Repeats what is not yet recorded: the network may have lost it, a supervisor may have restarted. */
  function resend(once = false): void {
    if (closed) return
    if (ready && follower.log.lastSlot < 0) toSupervisors(ready)
    for (const own of sent.values()) if (context.nowMs - own.message.finishedMs >= RESEND_MS) toSupervisors(own.bytes)
    if (finalMessage && follower.log.find('FINAL_MODEL').every((logged) => logged.message.sender !== me)) toSupervisors(finalMessage)
    if (!once) context.at(`resend:${taskId}`, context.nowMs + RESEND_MS, () => resend())
  }

  function toSupervisors(bytes: Uint8Array): void {
    for (const member of group.supervisors) context.sendTo(member.ticketId, bytes)
  }

  /** Starts the next iteration if everything it depends on is final. */
  function advance(): void {
    if (closed || busy || broken || !opened || !plan || follower.log.lastSlot < 0) return
    const { log } = follower
    const schedule = plan.schedule(me)!
    const sequence = (last?.message.sequence ?? 0) + 1
    if (sequence > schedule.iterations) return finish()
    const known = stored.results.get(sequence)
    const again = known && decodeIterationResult(known)
    if (!again && trainingStopped()) return finish()
    if (sequence - (log.latest(me)?.message.sequence ?? 0) > S && !again) return
    const previousCut = last?.message.peerCut ?? 0
    const cut = again ? again.peerCut : chooseCut(previousCut)
    if (cut > log.lastSlot) return
    const peers = log.peers(me, previousCut, cut)
    const due = schedule.at(sequence)
    const template = again ? undefined : templates.current(me)
    if (template) {
      commitments.set(sequence, template)
      commitments.delete(sequence - 4 * k)
    }
    const ripe = commitments.get(sequence - k)
    const mining = ripe && mayMine(sequence, previousCut, cut, peers, ripe) ? miningTicket(ripe, cut) : undefined
    const startedMs = context.nowMs
    busy = true
    context.compute(
      {
        kind: 'iterate',
        run: taskId,
        sequence,
        maps: peers.map((peer) => peer.message.map),
        batch: batches.get(due.batchIndex)!,
        rate: due.rate,
        checkpoint: sequence % context.config.checkpointEvery === 0,
        ...(mining && { mining }),
        draft: {
          taskId,
          ticketId: me,
          sequence,
          epoch: due.epoch,
          batchIndex: due.batchIndex,
          batchHash: plan.batchHashes[due.batchIndex]!,
          startModelHash: last?.message.endModelHash ?? plan.initialModelHash(me),
          startResidualHash: last?.message.endResidualHash ?? plan.initialResidualHash(me),
          peerCut: cut,
          peerHash: peerHash(peers),
          rate: due.rate,
          tau: document.ml.optimizer.tau,
          commitment: again?.commitment ?? template!.zeroNonceHash,
          previousHash: last?.core ?? ZERO_HASH,
        },
      },
      (result) => {
        busy = false
        if (closed) return
        if (result.kind !== 'iterate') {
          broken = true
          const { code, layer } = result.kind === 'refused' ? result : { code: result.kind, layer: undefined }
          context.emit('training-broken', { taskId, sequence, code, ...(layer !== undefined && { layer }) })
          return
        }
        iterated(sequence, due, cut, peers, startedMs, result, again && known, ripe)
        advance()
      },
    )
  }

  function iterated(
    sequence: number,
    due: { readonly epoch: number; readonly batchIndex: number; readonly rate: number },
    cut: number,
    peers: readonly LoggedResult[],
    startedMs: number,
    result: IterateResult,
    known: Uint8Array | undefined,
    ripe: Template | undefined,
  ): void {
    let own: Own
    if (known) {
      const message = decodeIterationResult(known)!
      if (message.endModelHash !== result.endModelHash || message.endResidualHash !== result.endResidualHash) {
        broken = true
        context.emit('training-broken', { taskId, sequence, code: 'replay-differs' })
        return
      }
      own = { message, bytes: known, core: coreHash(message) }
    } else {
      const { bytes, message } = sealResult(
        context.networkId,
        {
          taskId,
          ticketId: me,
          sequence,
          epoch: due.epoch,
          batchIndex: due.batchIndex,
          batchHash: plan!.batchHashes[due.batchIndex]!,
          startModelHash: last?.message.endModelHash ?? plan!.initialModelHash(me),
          endModelHash: result.endModelHash,
          startResidualHash: last?.message.endResidualHash ?? plan!.initialResidualHash(me),
          endResidualHash: result.endResidualHash,
          peerCut: cut,
          peerHash: peerHash(peers),
          map: result.map,
          loss: result.loss,
          accuracy: result.accuracy,
          rate: due.rate,
          tau: document.ml.optimizer.tau,
          overdrive: result.overdrive,
          startedMs,
          finishedMs: context.nowMs,
          commitment: commitments.get(sequence)!.zeroNonceHash,
          previousHash: last?.core ?? ZERO_HASH,
        },
        context.config.keys.ticketSeed,
      )
      own = { message, bytes, core: coreHash(message) }
      context.effect({ kind: 'persist', key: resultKey(taskId, sequence), value: bytes })
    }
    if (result.checkpoint) {
      context.effect({ kind: 'persist', key: checkpointKey(taskId), value: encodeCheckpoint({ sequence, ...result.checkpoint }) })
    }
    last = own
    if (sequence > (follower.log.latest(me)?.message.sequence ?? 0)) {
      sent.set(sequence, own)
      toSupervisors(own.bytes)
    }
    context.count('iterations')
    context.counters.trainUs = (context.counters.trainUs ?? 0) + (result.trainUs ?? 0)
    context.counters.overheadUs = (context.counters.overheadUs ?? 0) + (result.overheadUs ?? 0)
    if (result.win && ripe) {
      wins.set(sequence, { own, template: ripe, win: result.win })
      context.emit('lucky-nonce', { taskId, sequence })
    }
  }

  /** The newest slot that makes a canonical cut; the previous one if none does. */
  function chooseCut(previous: number): number {
    for (let cut = follower.log.lastSlot; cut > previous; cut--) if (cutIsCanonical(follower.log, me, previous, cut)) return cut
    return previous
  }

  /** A14: may iteration `sequence` try nonces on the template committed k iterations before? */
  function mayMine(sequence: number, previousCut: number, cut: number, peers: readonly LoggedResult[], template: Template): boolean {
    if (template.parentId !== chain.tip().id || chain.view().task(taskId)?.state !== 'TRAINING') return false
    const committed = follower.log.result(me, sequence - k)
    if (!committed || committed.slot > cut || cut === previousCut) return false
    return evidencePeers(peers, committed.slot).length >= peersNeeded(group)
  }

  function evidencePeers(peers: readonly LoggedResult[], commitmentSlot: number): LoggedResult[] {
    const chosen = new Map<Hex, LoggedResult>()
    for (const peer of peers)
      if (peer.message.peerCut >= commitmentSlot && !chosen.has(peer.message.ticketId)) chosen.set(peer.message.ticketId, peer)
    return [...chosen.values()].slice(0, peersNeeded(group))
  }

  function miningTicket(template: Template, cut: number) {
    return {
      zeroNonceHeader: template.zeroNonceHeader,
      historyRoot: follower.log.rootAt(cut),
      target: workTarget(params, template.header.bits, 'task'),
      budget: taskBudget(params, document),
    }
  }

  /** A lucky iteration becomes a proposal once its message is in a final slot. */
  function propose(sequence: number): void {
    const lucky = wins.get(sequence)!
    const { log } = follower
    const recorded = log.result(me, sequence)
    if (!recorded) return
    wins.delete(sequence)
    const { message } = lucky.own
    if (lucky.template.parentId !== chain.tip().id || recorded.slot - message.peerCut > params.maxLateSlots) {
      context.count('luck-too-late')
      return
    }
    const committed = log.result(me, sequence - k)!
    const previous = log.result(me, sequence - 1)!
    const cutSlot = log.slot(message.peerCut)!
    const resultSlot = log.slot(recorded.slot)!
    const peers = log.peers(me, previous.message.peerCut, message.peerCut)
    const slots = []
    for (let s = previous.message.peerCut + 1; s <= message.peerCut; s++)
      slots.push({ header: log.slot(s)!.header, messages: [...log.slot(s)!.messages] })
    const assignment: RecordedMessage = log.recorded(log.find('ASSIGNMENT')[0]!, message.peerCut)
    const bundle = context.putBlob(encodeBundle({ assignment, slots }))
    context.putBlob(lucky.win.startModel)
    context.putBlob(lucky.win.startResidual)
    const work: TaskWork = {
      kind: 'task',
      result: lucky.own.bytes,
      resultSlot: { inSlot: log.slotPath(recorded), historyRoot: resultSlot.historyRoot, certificate: resultSlot.certificate },
      previous: previous.bytes,
      cut: { header: cutSlot.header, certificate: cutSlot.certificate },
      commitment: log.recorded(committed, message.peerCut),
      peers: evidencePeers(peers, committed.slot).map((peer) => log.recorded(peer, message.peerCut)),
      bundle,
    }
    const block: Block = {
      header: { ...lucky.template.header, nonce: lucky.win.nonce, hashMsg: lucky.own.core, hashMsgHist: log.rootAt(message.peerCut) },
      transactions: lucky.template.transactions,
      work,
      parentCertificate: blocks.certificateOf(lucky.template.parentId),
    }
    blocks.propose(block)
  }

  /** Two blocks before the deadline training is over whatever is missing (A20). */
  function trainingStopped(): boolean {
    const task = chain.view().task(taskId)
    return task !== undefined && chain.tip().height >= task.participationHeight + document.workers.deadline - 2
  }

  /** Everybody is done: apply the last peer maps, publish the model's hash in the history, serve the model. */
  function finish(): void {
    if (finalAsked || !plan || !(trainingComplete(group, plan, follower.log) || trainingStopped())) return
    finalAsked = true
    const maps = follower.log.peers(me, last?.message.peerCut ?? 0, lastTrainingSlot(group, follower.log)).map((peer) => peer.message.map)
    context.compute({ kind: 'final-model', run: taskId, maps }, (result) => {
      if (closed || result.kind !== 'final-model') return
      context.putBlob(result.bytes)
      const kept = stored.final && openMessage(stored.final)
      const fits = kept && 'kind' in kept && kept.kind === 'FINAL_MODEL' && kept.modelHash === result.hash
      finalMessage =
        (fits ? stored.final : undefined) ??
        context.seal({ kind: 'FINAL_MODEL', taskId, modelHash: result.hash, lastSequence: last?.message.sequence ?? 0 }, 'ticket')
      context.effect({ kind: 'persist', key: finalKey(taskId), value: finalMessage })
      context.emit('training-finished', { taskId, iterations: last?.message.sequence, params: modelParams(document) })
      toSupervisors(finalMessage)
    })
  }
}

export function resultKey(taskId: Hex, sequence: number): string {
  return `result/${taskId}/${String(sequence).padStart(8, '0')}`
}

export function checkpointKey(taskId: Hex): string {
  return `checkpoint/${taskId}`
}

export function readyKey(taskId: Hex): string {
  return `ready/${taskId}`
}

export function finalKey(taskId: Hex): string {
  return `final/${taskId}`
}
