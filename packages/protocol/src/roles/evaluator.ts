/**
 * An evaluator: after training, scores every final model on the revealed test segments, commits to its report, and with the others
 * signs the settlement (spec 14, A20, A21).
 */
import { buildCharge, buildRecord, finishCharge, groupDigest, type TaskState } from '@pouw/chain'
import { bls, bytesToHex, equalBytes, hexToBytes, hkdfSha256, sha256, sha256Hex, utf8 } from '@pouw/crypto'
import { decodeTx, encodeReport, encodeTx, type Hex, type Message, modelBytesOf, type Report, sampleBytes, type Tx } from '@pouw/primitives'
import { segmentsRoot, splitSegments } from '@pouw/training'
import type { Context } from '../context.ts'
import { decodeSlots } from '../framing.ts'
import { type Group, type Member, threshold } from '../group.ts'
import { combineShares, groupSigned, type Share } from '../history/certificate.ts'
import { createTaskLog, type TaskLog } from '../history/log.ts'

const REPEAT_MS = 700
const LOG_BYTES_MAX = 512 << 20
const SEGMENT_OVERHEAD = 64
const MODEL_OVERHEAD = 128

export interface EvaluatorRun {
  readonly taskId: Hex
  onTip(): void
  onMessage(message: Message): void
  close(): void
}

interface Score {
  readonly ticket: Hex
  readonly recorded: number
  readonly modelHash: Hex
  readonly loss: number
  readonly accuracy: number
  readonly beatsTrivial: boolean
  readonly missing: boolean
}

export function createEvaluatorRun(context: Context, group: Group, me: Hex): EvaluatorRun {
  const { taskId, document } = group
  const { chain, config, params } = context
  let closed = false
  let commitments: readonly Hex[] | undefined
  let testAsked = false
  let segments: Uint8Array[] | undefined
  let log: TaskLog | undefined
  let scoring = false
  let report: Uint8Array | undefined
  let committed = false
  const salts = new Map<Hex, Hex>()
  /** T_eval counts from our own report: others needed about as long as we. */
  let reportMs = 0
  let charge:
    | { readonly tx: Tx; readonly digest: Uint8Array; readonly bytes: Uint8Array; readonly shares: Map<number, Share>; done: boolean }
    | undefined

  fetchLog()
  tick()

  return {
    taskId,
    onTip() {
      if (!closed) settle()
    },
    onMessage(message) {
      switch (message.kind) {
        case 'TASK_DOC':
          if (!commitments && segmentsRoot([...message.commitments]) === task()?.record.segmentsRoot) commitments = message.commitments
          return fetchTest()
        case 'TEST_SEGMENTS':
          testAsked = true
          return fetchTest()
        case 'REPORT':
          return onReport(message)
        case 'PROPOSE':
          return onProposal(message)
        case 'SIG_SHARE':
          return onShare(message)
      }
    },
    close() {
      closed = true
    },
  }

  function task(): TaskState | undefined {
    return chain.view().task(taskId)
  }

  /** The history as the chain's 05 records name it, checked slot by slot. */
  function fetchLog(): void {
    const records = task()?.history.records ?? []
    const parts: Uint8Array[] = []
    let missing = records.length
    records.forEach((record, place) => {
      context.fetch(
        record.logHash,
        supervisorPeers,
        LOG_BYTES_MAX,
        () => !closed,
        (bytes) => {
          parts[place] = bytes
          if (--missing === 0) readLog(parts)
        },
      )
    })
  }

  function supervisorPeers(): string[] {
    return group.supervisors.map((member) => context.peerOf(member.ticketId)).filter((peer) => peer !== undefined)
  }

  function readLog(parts: readonly Uint8Array[]): void {
    const read = createTaskLog(taskId)
    for (const part of parts) {
      for (const slot of decodeSlots(part) ?? []) {
        // The hash of this log is in a record that the group signed, so are the certificates in it: only the chain of slots is left to check.
        if (!read.append(slot)) {
          return context.emit('history-refused', { taskId, slot: slot.header.slot })
        }
      }
    }
    if (read.lastSlot !== task()?.history.lastSlot || read.rootAt(read.lastSlot) !== task()?.history.root)
      return context.emit('history-refused', { taskId, slot: read.lastSlot })
    log = read
    score()
  }

  /** Test segments by the commitments that were fixed before the task block (spec 5.3). */
  function fetchTest(): void {
    if (!testAsked || !commitments || segments) return
    segments = []
    const received: Uint8Array[] = []
    const { dataset } = document.ml
    const { test } = splitSegments(group.taskBlockId, taskId, dataset.segments, dataset.testSegments)
    const bytesMax = SEGMENT_OVERHEAD + Math.ceil(dataset.samples / dataset.segments) * sampleBytes(document)
    let missing = test.length
    const client = () => [context.peerOf(taskId)].filter((peer) => peer !== undefined)
    test.forEach((segment, place) => {
      context.fetch(
        commitments![segment]!,
        client,
        bytesMax,
        () => !closed,
        (bytes) => {
          received[place] = bytes
          if (--missing > 0) return
          segments = received
          score()
        },
      )
    })
  }

  /** Fetches each final model by the hash that its miner published in the history, and evaluates it exactly. */
  function score(): void {
    const { test } = splitSegments(group.taskBlockId, taskId, document.ml.dataset.segments, document.ml.dataset.testSegments)
    if (scoring || !log || segments?.length !== test.length) return
    scoring = true
    const finals = new Map(log.find('FINAL_MODEL').map((logged) => [logged.message.sender, logged.message.modelHash]))
    const scores: Score[] = []
    let missing = group.miners.length
    const add = (entry: Score) => {
      scores.push(entry)
      if (--missing === 0) finish(scores)
    }
    for (const miner of group.miners) {
      const recorded = log.latest(miner.ticketId)?.message.sequence ?? 0
      const modelHash = finals.get(miner.ticketId)
      const none: Score = {
        ticket: miner.ticketId,
        recorded,
        modelHash: modelHash ?? '00'.repeat(32),
        loss: 0,
        accuracy: 0,
        beatsTrivial: false,
        missing: true,
      }
      if (!modelHash) {
        add(none)
        continue
      }
      // Who has scored a model serves it, so that a miner who leaves now has his model scored by all or by none.
      const providers = () =>
        [miner.ticketId, ...(task()?.evaluators ?? [])].map((ticket) => context.peerOf(ticket)).filter((peer) => peer !== undefined)
      let awaited = true
      context.at(`model:${taskId}:${miner.ticketId}`, context.nowMs + params.evaluateMs, () => {
        if (!awaited) return
        awaited = false
        context.emit('model-missing', { taskId, ticket: miner.ticketId })
        add(none)
      })
      context.fetch(
        modelHash,
        providers,
        modelBytesOf(document) + MODEL_OVERHEAD,
        () => !closed && awaited,
        (model) => {
          awaited = false
          context.putBlob(model)
          context.compute({ kind: 'evaluate', document, model, segments: segments! }, (result) => {
            if (result.kind !== 'evaluate') {
              context.emit('model-refused', { taskId, ticket: miner.ticketId, ...('code' in result && { code: result.code }) })
              return add(none)
            }
            const { loss, accuracy, beatsTrivial } = result
            context.emit('model-scored', { taskId, ticket: miner.ticketId, loss, accuracy })
            add({ ...none, loss, accuracy, beatsTrivial, missing: false })
          })
        },
      )
    }
  }

  /** Rank: accuracy down, loss up, ticket up; unpaid if not better than a trivial model (A21). Where the loss has no classes, all accuracies are 0. */
  function finish(scores: readonly Score[]): void {
    const order = [...scores].filter((entry) => !entry.missing && entry.beatsTrivial)
    order.sort((a, b) => b.accuracy - a.accuracy || a.loss - b.loss || (a.ticket < b.ticket ? -1 : 1))
    const rank = new Map(order.map((entry, index) => [entry.ticket, index + 1]))
    const byTicket = new Map(scores.map((entry) => [entry.ticket, entry]))
    const signed = group.supervisors.map((_, index) => {
      let count = 0
      for (let slot = 0; slot <= log!.lastSlot; slot++) if ((log!.slot(slot)!.certificate.signers >>> index) & 1) count++
      return count
    })
    const value: Report = {
      slots: log!.lastSlot + 1,
      miners: group.miners.map(({ ticketId }) => {
        const { recorded, modelHash, loss, accuracy } = byTicket.get(ticketId)!
        return { ticket: ticketId, rank: rank.get(ticketId) ?? 0, recorded, modelHash, loss, accuracy }
      }),
      supervisors: group.supervisors.map(({ ticketId }, index) => ({ ticket: ticketId, signed: signed[index]! })),
      evaluators: [...task()!.evaluators],
    }
    report = encodeReport(value)
    reportMs = context.nowMs
    context.emit('report-ready', {
      taskId,
      miners: value.miners.map((miner) => ({ ticket: miner.ticket, rank: miner.rank, accuracy: miner.accuracy, recorded: miner.recorded })),
    })
    commit()
  }

  /** The salt follows from our key and the task, so a restart commits to the same bytes. */
  function ownSalt(): Uint8Array {
    return hkdfSha256(config.keys.ticketSeed, hexToBytes(taskId), utf8('pouw/report-salt'), 32)
  }

  function commit(): void {
    if (!report || committed || task()?.state !== 'EVALUATING') return
    committed = true
    salts.set(me, bytesToHex(ownSalt()))
    if (task()!.commits.some((entry) => entry.ticketId === me)) return
    const tx = buildRecord(
      chain.view(),
      wallet(),
      { type: 'EVAL_COMMIT', flags: 0, taskId, ticketId: me, commitment: bytesToHex(sha256(report, ownSalt())) },
      params.minTxFee,
      context.reserved(),
    )
    context.submit(tx)
  }

  function wallet() {
    return { secret: config.keys.walletSecret, publicKey: config.keys.walletPublic }
  }

  /** Salts are shown when every drawn evaluator has committed, or after T_eval. Then the first evaluator that lives proposes 07. */
  function tick(): void {
    if (closed) return
    context.at(`evaluate:${taskId}`, context.nowMs + REPEAT_MS, tick)
    settle()
  }

  function settle(): void {
    const now = task()
    if (!now || now.state !== 'EVALUATING' || !report) return
    const all = now.evaluators.every((ticket) => now.commits.some((entry) => entry.ticketId === ticket))
    const late = context.nowMs - reportMs >= params.evaluateMs
    if (!all && !late) return
    const salt = bytesToHex(ownSalt())
    toEvaluators(now, context.seal({ kind: 'REPORT', taskId, reportHash: sha256Hex(report), salt }, 'ticket'))
    const committedNow = now.evaluators.filter((ticket) => now.commits.some((entry) => entry.ticketId === ticket))
    const turn = Math.floor((context.nowMs - reportMs) / params.evaluateMs)
    if (committedNow[turn % Math.max(1, committedNow.length)] !== me) return
    if (committedNow.every((ticket) => salts.has(ticket)) || late) propose(now)
  }

  function toEvaluators(now: TaskState, bytes: Uint8Array): void {
    for (const ticket of now.evaluators) if (ticket !== me) context.sendTo(ticket, bytes)
  }

  function onReport(message: Message & { kind: 'REPORT' }): void {
    const commitment = task()?.commits.find((entry) => entry.ticketId === message.sender)
    if (!report || !commitment) return
    if (bytesToHex(sha256(report, hexToBytes(message.salt))) === commitment.commitment) salts.set(message.sender, message.salt)
    else context.count('report-differs')
  }

  function members(now: TaskState): Member[] {
    return now.evaluators.map((id) => {
      const ticket = chain.view().ticket(id)!
      return { ticketId: id, owner: ticket.owner, vrfKey: ticket.vrfKey, blsKey: hexToBytes(ticket.blsKey) }
    })
  }

  function saltsInOrder(now: TaskState): Hex[] {
    return now.evaluators.map((ticket) => salts.get(ticket) ?? '00'.repeat(32))
  }

  function propose(now: TaskState): void {
    if (charge?.done) return
    const tx = buildCharge(chain.view(), taskId, report!, saltsInOrder(now))
    const digest = groupDigest(tx)
    // A salt that came meanwhile makes it another settlement, for which nobody has signed yet.
    if (charge && equalBytes(charge.digest, digest)) return toEvaluators(now, charge.bytes)
    const bytes = context.seal({ kind: 'PROPOSE', taskId, transaction: encodeTx(tx) }, 'ticket')
    const index = now.evaluators.indexOf(me)
    charge = { tx, digest, bytes, shares: new Map([[index, { index, signature: bls.sign(config.keys.blsSecret, digest) }]]), done: false }
    toEvaluators(now, bytes)
    finishShares(now)
  }

  /** Signs the settlement if our own report and the shown salts give the same transaction. */
  function onProposal(message: Message & { kind: 'PROPOSE' }): void {
    const now = task()
    if (!now || !report || !now.evaluators.includes(message.sender) || now.state !== 'EVALUATING') return
    const proposed = decodeTx(message.transaction)
    if (!proposed) return
    const own = buildCharge(chain.view(), taskId, report, saltsInOrder(now))
    if (!equalBytes(encodeTx(own), message.transaction)) return context.count('settlement-differs')
    const digest = groupDigest(own)
    context.sendTo(
      message.sender,
      context.seal({ kind: 'SIG_SHARE', taskId, digest: bytesToHex(digest), share: bls.sign(config.keys.blsSecret, digest) }, 'ticket'),
    )
  }

  function onShare(message: Message & { kind: 'SIG_SHARE' }): void {
    const now = task()
    if (!now || !charge || charge.done || message.digest !== bytesToHex(charge.digest)) return
    const index = now.evaluators.indexOf(message.sender)
    if (index < 0 || charge.shares.has(index)) return
    charge.shares.set(index, { index, signature: message.share })
    finishShares(now)
  }

  function finishShares(now: TaskState): void {
    const needed = threshold(now.evaluators.length)
    if (!charge || charge.done || charge.shares.size < needed) return
    const group = members(now)
    const certificate = combineShares([...charge.shares.values()], needed)
    if (!certificate || !groupSigned(group, needed, charge.digest, certificate)) {
      for (const share of charge.shares.values())
        if (!bls.verify(group[share.index]!.blsKey, charge.digest, share.signature)) charge.shares.delete(share.index)
      return
    }
    charge.done = true
    const verdict = context.submit(finishCharge(charge.tx, certificate))
    context.emit('settlement-submitted', { taskId, ok: verdict.ok })
    if (!verdict.ok) charge = undefined
  }
}
