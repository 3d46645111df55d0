/**
 * The client: commits the data, pays, serves training segments, reveals the test segments when training is over, fetches the best model
 * (spec 3, 5.3, 14).
 */
import { buildPayForTask, buildRecord, type TaskState } from '@pouw/chain'
import { bytesToHex, hkdfSha256, sha256, utf8 } from '@pouw/crypto'
import {
  decodeReport,
  decodeTx,
  documentHash,
  encodeTaskDocument,
  encodeTx,
  type Hex,
  modelBytesOf,
  type Report,
  type TaskDocument,
  type Tx,
  txId,
} from '@pouw/primitives'
import { segmentsRoot, splitSegments } from '@pouw/training'
import type { Context } from '../context.ts'
import { rootOf } from '../group.ts'

const STEP_MS = 1000
/** Everybody hears it when the state changes; repeated for those who come later. */
const TELL_MS = 4000
const MODEL_OVERHEAD = 128

export interface ClientRun {
  onTip(): void
  readonly result:
    | {
        readonly taskId: Hex
        readonly modelHash: Hex
        readonly report: Report
        readonly model: Uint8Array
        readonly commitments: readonly Hex[]
      }
    | undefined
}

export function createClientRun(
  context: Context,
  document: TaskDocument,
  data: { readonly features: Uint8Array; readonly labels: Uint8Array },
  stored: ReadonlyMap<string, Uint8Array>,
): ClientRun {
  const { chain, config, params } = context
  const hash = documentHash(encodeTaskDocument(document))
  const seed = hkdfSha256(config.keys.walletSecret, new Uint8Array(0), utf8(`pouw/client-data/${hash}`), 32)
  let commitments: readonly Hex[] | undefined
  let segments: readonly Uint8Array[] = []
  const paymentKey = `payment/${hash}`
  const kept = stored.get(paymentKey)
  let payment: Tx | undefined = kept && decodeTx(kept)
  let served: Hex = ''
  let toldMs = 0
  let toldTo = ''
  let revealed = false
  let fetching = false
  let result: ClientRun['result']
  let emitted = ''

  context.emit('data-committing', { samples: data.labels.length })
  context.compute({ kind: 'commit-data', document, seed, ...data }, (done) => {
    if (done.kind !== 'commit-data') return context.emit('task-refused', { code: done.kind === 'refused' ? done.code : 'commit-data' })
    commitments = done.commitments
    segments = done.segments
    step()
  })
  tick()
  return {
    onTip: step,
    get result() {
      return result
    },
  }

  function tick(): void {
    context.at('client', context.nowMs + STEP_MS, () => {
      step()
      if (context.nowMs - toldMs >= TELL_MS) tell()
      tick()
    })
  }

  /** Our task on the chain, found again after a restart by client key and document. */
  function mine(): TaskState | undefined {
    return chain
      .view()
      .tasks()
      .find((task) => task.client === config.keys.walletPublic && task.record.documentHash === hash && task.state !== 'FAILED')
  }

  function step(): void {
    if (!commitments) return
    const task = mine()
    if (!task) return submit()
    if (task.blockId !== served) serveTraining(task)
    if (task.state !== emitted) {
      emitted = task.state
      context.emit('task-state', { taskId: task.id, state: task.state })
    }
    // New listeners: whoever saw the task block, the group, the evaluators.
    const listeners = `${task.state}:${task.evaluators.length}`
    if (listeners !== toldTo) {
      toldTo = listeners
      tell()
    }
    if (task.state === 'EVALUATING') {
      reveal(task)
      tellTest(task)
    }
    if (task.state === 'SETTLED') fetchModel(task)
  }

  function wallet() {
    return { secret: config.keys.walletSecret, publicKey: config.keys.walletPublic }
  }

  /** Pays once enough tickets of every kind are old enough to be drawn for the next block. */
  function submit(): void {
    // The same payment again, never a second one: whoever restarts before it is in a block would pay twice.
    if (payment && (context.mempool.has(txId(payment)) || context.submit(payment).ok)) return
    const view = chain.view()
    const live = (role: 1 | 2 | 3 | 4) =>
      view.tickets({ role, state: 'LIVE' }).filter((ticket) => (ticket.families >>> (document.workers.family % 32)) & 1).length
    const { workers } = document
    if (live(1) < workers.miners || live(2) < workers.supervisors || live(3) < workers.evaluators) return
    const { tx, taskId } = buildPayForTask(
      view,
      wallet(),
      params,
      document,
      segmentsRoot([...commitments!]),
      params.minTxFee,
      context.reserved(),
    )
    context.effect({ kind: 'persist', key: paymentKey, value: encodeTx(tx) })
    if (!context.submit(tx).ok) return
    payment = tx
    context.emit('task-submitted', { taskId })
  }

  /** Training segments become fetchable by their commitments once the task block has decided which they are. */
  function serveTraining(task: TaskState): void {
    served = task.blockId
    const { dataset } = document.ml
    const { training } = splitSegments(task.blockId, task.id, dataset.segments, dataset.testSegments)
    for (const segment of training) context.putBlob(segments[segment]!)
  }

  /** Who we are, what we committed; repeated, since workers come and go. */
  function tell(): void {
    const task = mine()
    if (!task || !commitments || task.state === 'SETTLED') return
    toldMs = context.nowMs
    context.gossip('task', context.seal({ kind: 'TASK_DOC', taskId: task.id, commitments: [...commitments] }, 'client'))
    context.gossip(
      'task',
      context.seal({ kind: 'HELLO', taskId: task.id, peerId: context.peer, addresses: [...context.addresses] }, 'client'),
    )
  }

  /** To each evaluator, until the task is settled: he may have started again. */
  function tellTest(task: TaskState): void {
    const { dataset } = document.ml
    const { test } = splitSegments(task.blockId, task.id, dataset.segments, dataset.testSegments)
    const bytes = context.seal({ kind: 'TEST_SEGMENTS', taskId: task.id, indices: test }, 'client')
    for (const evaluator of task.evaluators) context.sendTo(evaluator, bytes)
  }

  /** The test segments, secret until now: served by commitment, and named on chain (0A). */
  function reveal(task: TaskState): void {
    const { dataset } = document.ml
    const { test } = splitSegments(task.blockId, task.id, dataset.segments, dataset.testSegments)
    if (!revealed) for (const segment of test) context.putBlob(segments[segment]!)
    if (revealed || task.testReveal) return
    const testRoot = rootOf(test.map((segment) => commitments![segment]!))
    const keyHash = bytesToHex(sha256(utf8('POUW-TEST-OPEN-v1')))
    // A help for readers that holds 16 segments; the root above it commits to all.
    const bitSet = test.reduce((bits, segment) => (segment < 16 ? bits | (1 << segment) : bits), 0)
    const tx = buildRecord(
      chain.view(),
      wallet(),
      { type: 'TEST_REVEAL', flags: 0, taskId: task.id, testRoot, keyHash, bitSet },
      params.minTxFee,
      context.reserved(),
    )
    revealed = context.submit(tx).ok
  }

  function fetchModel(task: TaskState): void {
    if (fetching || !task.report) return
    fetching = true
    const report =
      typeof task.report === 'object' && 'slots' in task.report ? (task.report as Report) : decodeReport(task.report as Uint8Array)!
    const best = report.miners.find((miner) => miner.rank === 1)
    if (!best) return context.emit('task-without-winner', { taskId: task.id })
    const providers = () => [best.ticket, ...report.evaluators].map((ticket) => context.peerOf(ticket)).filter((peer) => peer !== undefined)
    context.fetch(
      best.modelHash,
      providers,
      modelBytesOf(document) + MODEL_OVERHEAD,
      () => true,
      (model) => {
        result = { taskId: task.id, modelHash: best.modelHash, report, model, commitments: commitments! }
        context.emit('task-result', { taskId: task.id, modelHash: best.modelHash, accuracy: best.accuracy, loss: best.loss })
      },
    )
  }
}
