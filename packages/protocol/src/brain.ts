/**
 * One node's brain: the ledger, the block tracker and the roles, driven by events, answering with effects.
 *
 *   event --> brain --> effects
 *              |-- blocks     proposals, digests, fork choice, sync
 *              |-- worker     ticket, draw, HELLO
 *              |-- filler     mining when nothing trains
 *              |-- miner | supervisor | evaluator | client   one run per task
 *              '-- verifier   replays what others mined
 */
import { createChain, type Entry, type TaskState } from '@pouw/chain'
import { hexToBytes } from '@pouw/crypto'
import { decodeIterationResult, decodeTx, type Hex, type IterationResult, type Message, printHash, txId } from '@pouw/primitives'
import { createBlocks } from './blocks.ts'
import type { BlockSummary, Brain, BrainConfig, NodeStatus } from './brain-types.ts'
import { createContext, createDirectory } from './context.ts'
import { openMessage, signedByClient, signedByTicket } from './envelope.ts'
import { decodeTransactions, encodeTransactions } from './framing.ts'
import { type Group, groupOf } from './group.ts'
import { serveSlots } from './history/follower.ts'
import type { TaskLog } from './history/log.ts'
import { createFillerMiner } from './mining/filler.ts'
import type { Event, GossipVerdict, Topic } from './ports.ts'
import { type ClientRun, createClientRun } from './roles/client.ts'
import { createEvaluatorRun, type EvaluatorRun } from './roles/evaluator.ts'
import { checkpointKey, createMinerRun, finalKey, type MinerRun, readyKey } from './roles/miner.ts'
import { assignmentKey, createSupervisorRun, proposalKey, type SupervisorRun, signedKey } from './roles/supervisor.ts'
import { createTrainingData, type TrainingData } from './roles/training-data.ts'
import { createVerifier } from './roles/verifier.ts'
import { createWorker } from './roles/worker.ts'

/** Envelope sequences are reserved durably in steps, so a restart never uses one twice. */
const SEQUENCE_KEY = 'sequence'
const SEQUENCE_STEP = 1_000_000
const SYNC_MS = 2000
const PARKED_MAX = 32
const MEMPOOL_ANSWER_BYTES = 512 * 1024

export function createBrain(config: BrainConfig): Brain {
  const chain = createChain(config.genesis)
  const directory = createDirectory()
  const parts = createContext(config, chain, directory)
  const { context } = parts
  const blocks = createBlocks(context, {
    onTip,
    onChecked: (candidate) => verifier.onChecked(candidate),
    onBundle: (candidate, bundle) => verifier.onBundle(candidate, bundle),
  })
  const verifier = createVerifier(context, blocks)
  const worker = createWorker(context)
  const filler = createFillerMiner(context, blocks, (taskId) => miner?.taskId === taskId && miner.isFinished())
  let stored: ReadonlyMap<string, Uint8Array> = new Map()
  let started = false
  let miner: MinerRun | undefined
  let supervisor: SupervisorRun | undefined
  let data: TrainingData | undefined
  let evaluator: EvaluatorRun | undefined
  let client: ClientRun | undefined
  let lastTaskDoc: Message<'TASK_DOC'> | undefined
  let syncTurn = 0
  let reservedSequence = 0
  /** Messages of the topic `task` whose sender we do not know yet. */
  const parked: Uint8Array[] = []
  /** Who was drawn for a task, and from which block: after a reorganisation the same task may have another group. */
  const draws = new Map<Hex, string>()

  return {
    handle(event, nowMs) {
      context.nowMs = nowMs
      onEvent(event)
      return parts.drain()
    },
    gossip(topic, bytes, from, nowMs) {
      context.nowMs = nowMs
      const verdict = started ? onGossip(topic, bytes, from) : 'ignore'
      return { verdict, effects: parts.drain() }
    },
    serve(service, payload) {
      if (service === 'blocks') return blocks.serve(payload)
      if (service === 'mempool') return payload.length === 1 && payload[0] === 0 ? serveMempool() : 'malformed'
      if (payload.length !== 36) return 'malformed'
      const log = logOf(payload.subarray(0, 32))
      return log && serveSlots(log, new DataView(payload.buffer, payload.byteOffset).getUint32(32, true))
    },
    status,
    result: () => client?.result,
    chain,
  }

  function onEvent(event: Event): void {
    switch (event.kind) {
      case 'start':
        return start(event)
      case 'gossip':
        onGossip(event.topic, event.bytes, event.from)
        return
      case 'message':
        return onMessage(event.bytes, event.from)
      case 'fetched':
        return parts.fetched(event.id, event.bytes)
      case 'answered':
        return parts.answered(event.id, event.bytes)
      case 'computed':
        return parts.computed(event.id, event.result)
      case 'timer':
        return parts.timer(event.id)
      case 'peer':
        if (!event.connected) {
          context.connected.delete(event.peer)
          return
        }
        context.connected.add(event.peer)
        worker.onPeer()
        blocks.sync(event.peer)
        syncMempool(event.peer)
        return
      case 'command':
        if (event.command.kind === 'submit-task') client ??= createClientRun(context, event.command.document, event.command.data, stored)
        return
    }
  }

  function start(event: Event & { kind: 'start' }): void {
    stored = event.stored
    context.peer = event.peer
    context.addresses = event.addresses
    blocks.load(event.blocks)
    const used = event.stored.get(SEQUENCE_KEY)
    const from = used && used.length === 4 ? new DataView(used.buffer, used.byteOffset).getUint32(0, true) : 1
    parts.startSequence(from)
    reserveSequences()
    started = true
    context.emit('started', { height: chain.tip().height, role: config.role })
    onTip([], [])
    syncTick()
  }

  /** So many numbers are ours on disk before we use the first of them. */
  function reserveSequences(): void {
    if (reservedSequence - parts.nextSequence() > SEQUENCE_STEP / 2) return
    reservedSequence = parts.nextSequence() + SEQUENCE_STEP
    const next = new Uint8Array(4)
    new DataView(next.buffer).setUint32(0, reservedSequence, true)
    context.effect({ kind: 'persist', key: SEQUENCE_KEY, value: next })
  }

  /** Gossip can lose a block; asking one peer in turn for what follows our tip mends it. */
  function syncTick(): void {
    context.at('sync', context.nowMs + SYNC_MS, syncTick)
    reserveSequences()
    const peers = [...context.connected]
    const peer = peers[syncTurn++ % Math.max(1, peers.length)]
    if (!peer) return
    blocks.sync(peer)
    syncMempool(peer)
  }

  /** Gossip tells only those who listen at the moment: a node that comes later, or a transaction sent before anybody was there, is mended here. */
  function syncMempool(peer: string): void {
    context.request(peer, 'mempool', new Uint8Array(1), (bytes) => {
      const list = bytes && decodeTransactions(bytes)
      if (bytes && !list) return punish(peer, 'mempool-malformed')
      for (const tx of list ?? []) if (!context.mempool.has(txId(tx))) context.mempool.add(tx)
    })
  }

  function serveMempool(): Uint8Array {
    return encodeTransactions(context.mempool.select(MEMPOOL_ANSWER_BYTES))
  }

  function onTip(connected: readonly Entry[], _disconnected: readonly Entry[]): void {
    if (!started) return
    for (const entry of connected) emitBlock(entry)
    worker.onTip()
    for (const task of chain.view().tasks()) followTask(task)
    for (const bytes of parked.splice(0)) onTaskGossip(bytes)
    miner?.onTip(connected)
    supervisor?.onTip(connected)
    client?.onTip()
    filler.poke()
  }

  function emitBlock(entry: Entry): void {
    const summary = summaryOf(entry)
    if (summary) context.emit('block', { ...summary })
  }

  function summaryOf(entry: Entry): BlockSummary | undefined {
    const certified = chain.block(entry.id)
    if (!certified) return undefined
    const { work } = certified.block
    const result = work.kind === 'task' ? decodeIterationResult(work.result) : undefined
    return {
      height: entry.height,
      hash: printHash(entry.id),
      miner: work.kind === 'filler' ? work.ticketId : result!.ticketId,
      iteration: work.kind === 'filler' ? work.iteration : result!.sequence,
      taskId: result?.taskId ?? null,
      verifiers: certified.certificate.map((digest) => digest.ticketId),
      verified: true,
      timeS: entry.header.time,
    }
  }

  /** Opens our run of a task when we are in its group, closes it when the task is over. */
  function followTask(task: TaskState): void {
    const me = context.ticket()
    if (!me) return
    const over = task.state === 'SETTLED' || task.state === 'FAILED'
    if (over) {
      closeRuns(task.id, true)
      if (data?.taskId === task.id) {
        data.close()
        data = undefined
      }
      return
    }
    if (me.role === 2) followData(task, me.id)
    const group = groupOf(chain.view(), task)
    if (!group) return
    const draw = [group.taskBlockId, ...task.miners, ...task.supervisors].join()
    const redrawn = draws.has(task.id) && draws.get(task.id) !== draw
    draws.set(task.id, draw)
    if (redrawn) closeRuns(task.id, false)
    if (!miner && task.miners.includes(me.id)) {
      miner = createMinerRun(context, blocks, group, me.id, {
        results: storedResults(task.id),
        checkpoint: stored.get(checkpointKey(task.id)),
        ready: stored.get(readyKey(task.id)),
        final: stored.get(finalKey(task.id)),
      })
    }
    if (task.supervisors.includes(me.id) && supervisor?.taskId !== task.id) {
      supervisor = createSupervisorRun(context, group, me.id, data!, {
        slots: [...stored]
          .filter(([key]) => key.startsWith(`slot/${task.id}/`))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, value]) => value),
        signed: stored.get(signedKey(task.id)),
        proposal: stored.get(proposalKey(task.id)),
        assignment: stored.get(assignmentKey(task.id)),
      })
    }
    if (task.state === 'EVALUATING' && me.role === 3) followEvaluation(task, group, me.id)
  }

  /** @param serve a supervisor of a task that is over goes on to serve its history */
  function closeRuns(taskId: Hex, serve: boolean): void {
    if (miner?.taskId === taskId) {
      miner.close()
      miner = undefined
    }
    if (supervisor?.taskId === taskId) {
      supervisor.close(serve)
      if (!serve) supervisor = undefined
    }
    if (evaluator?.taskId === taskId) {
      evaluator.close()
      evaluator = undefined
    }
  }

  /** Who offers to evaluate reads the history while the window is open; it is the longest part of the work. */
  function followEvaluation(task: TaskState, group: Group, me: Hex): void {
    const wanted = task.evaluators.length === 0 ? worker.standsFor(task, me) : task.evaluators.includes(me)
    if (wanted && !evaluator) {
      evaluator = createEvaluatorRun(context, group, me)
      if (lastTaskDoc?.taskId === task.id) evaluator.onMessage(lastTaskDoc)
    } else if (!wanted && evaluator?.taskId === task.id) {
      evaluator.close()
      evaluator = undefined
    }
    evaluator?.onTip()
  }

  /** A supervisor's data: wanted from the moment it offers to work until the group is another one. */
  function followData(task: TaskState, me: Hex): void {
    const chosen = task.supervisors.includes(me)
    const hopes = task.state === 'DEFINED' && task.blockId !== '' && worker.standsFor(task, me)
    if (data?.taskId === task.id && !((chosen || hopes) && data.blockId === task.blockId)) {
      data.close()
      data = undefined
    }
    if (data?.taskId === task.id || !(chosen || (hopes && !data))) return
    data?.close()
    data = createTrainingData(context, task)
    if (lastTaskDoc?.taskId === task.id) data.onCommitments(lastTaskDoc.commitments)
  }

  function storedResults(taskId: Hex): Map<number, Uint8Array> {
    const results = new Map<number, Uint8Array>()
    for (const [key, value] of stored) {
      if (!key.startsWith(`result/${taskId}/`)) continue
      const message = decodeIterationResult(value)
      if (message) results.set(message.sequence, value)
    }
    return results
  }

  function onGossip(topic: Topic, bytes: Uint8Array, from: string): GossipVerdict {
    switch (topic) {
      case 'block':
        return blocks.proposal(bytes, from)
      case 'digest':
        return blocks.digest(bytes, from)
      case 'tx': {
        const tx = decodeTx(bytes)
        if (!tx) return 'reject'
        const verdict = context.mempool.add(tx)
        if (verdict.ok) return 'accept'
        context.count(`transaction-refused:${verdict.code}`)
        return verdict.action === 'drop' ? 'ignore' : 'reject'
      }
      case 'task':
        return onTaskGossip(bytes)
    }
  }

  /** For what came another way than gossip, whose verdict costs the sender already. */
  function punish(from: string, reason: string): void {
    if (from !== context.peer) context.effect({ kind: 'penalise', peer: from, points: 20, reason })
  }

  /** HELLO and TASK_DOC: signed by a ticket on chain, or by a task's client. */
  function onTaskGossip(bytes: Uint8Array): GossipVerdict {
    const message = openMessage(bytes)
    if (!message || !('kind' in message) || (message.kind !== 'HELLO' && message.kind !== 'TASK_DOC')) return 'reject'
    const known = isSigned(message, bytes)
    if (known === undefined) {
      // A task or ticket that is in a block we have not seen yet: looked at again with the next one.
      parked.push(bytes)
      if (parked.length > PARKED_MAX) parked.shift()
      return 'ignore'
    }
    if (!known) return 'reject'
    if (message.kind === 'HELLO') {
      if (directory.learn(message.sender, message.sequence, message.peerId))
        context.effect({ kind: 'remember', peer: message.peerId, addresses: message.addresses })
    } else {
      lastTaskDoc = message
      if (data?.taskId === message.taskId) data.onCommitments(message.commitments)
      evaluator?.onMessage(message)
    }
    return 'accept'
  }

  /** Undefined if the sender is nobody we know yet. */
  function isSigned(message: Message, bytes: Uint8Array): boolean | undefined {
    const view = chain.view()
    if (message.sender === message.taskId) {
      const task = view.task(message.taskId)
      return task && signedByClient(context.networkId, bytes, message.signature, task.client)
    }
    const ticket = view.ticket(message.sender)
    return ticket && signedByTicket(context.networkId, bytes, message.signature, ticket.vrfKey)
  }

  /** A direct message: decoded, signature checked, handed to the run of its task. */
  function onMessage(bytes: Uint8Array, from: string): void {
    const message = openMessage(bytes)
    if (!message) return punish(from, 'message-malformed')
    if (!('kind' in message)) return onResult(message, bytes, from)
    const known = isSigned(message, bytes)
    if (known === undefined) return
    if (!known) return punish(from, 'signature')
    if (miner?.taskId === message.taskId) miner.onMessage(message, bytes)
    if (supervisor?.taskId === message.taskId) supervisor.onMessage(message, bytes)
    if (evaluator?.taskId === message.taskId) evaluator.onMessage(message)
  }

  function onResult(result: IterationResult, bytes: Uint8Array, from: string): void {
    if (supervisor?.taskId !== result.taskId) return
    const ticket = chain.view().ticket(result.ticketId)
    if (!ticket) return
    if (!supervisor.onResult(result, bytes)) punish(from, 'result-signature')
  }

  function logOf(taskId: Uint8Array): TaskLog | undefined {
    for (const run of [supervisor, miner])
      if (run && hexToBytes(run.taskId).every((byte, index) => byte === taskId[index])) return run.follower.log
    return undefined
  }

  function status(): NodeStatus {
    const view = chain.view()
    const ticket = started ? context.ticket() : undefined
    const progress = miner?.progress()
    return {
      role: config.role,
      owner: config.keys.walletPublic,
      ticketId: ticket?.id ?? null,
      ticketState: ticket?.state ?? null,
      height: chain.tip().height,
      tip: printHash(chain.tip().id),
      mempool: context.mempool.size,
      candidates: [...blocks.candidates()].filter((candidate) => !chain.entry(candidate.id)).length,
      balance: view.coinsOf(config.keys.walletPublic).reduce((sum, coin) => sum + coin.amount, 0n),
      tasks: view.tasks().map((task) => ({
        id: task.id,
        state: task.state,
        reason: task.reason ?? null,
        miners: task.miners,
        supervisors: task.supervisors,
        evaluators: task.evaluators,
        lastSlot:
          supervisor?.taskId === task.id
            ? supervisor.follower.log.lastSlot
            : miner?.taskId === task.id
              ? miner.follower.log.lastSlot
              : task.history.lastSlot,
      })),
      training: miner && progress ? { taskId: miner.taskId, ...progress } : null,
      result: client?.result ? { taskId: client.result.taskId, modelHash: client.result.modelHash } : null,
      lastReplayMs: verifier.lastReplayMs,
      counters: context.counters,
    }
  }
}
