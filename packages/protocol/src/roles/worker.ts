/**
 * What every ticket holder does besides its role: buys its ticket, answers the draw, says where it can be reached (spec 2.1, 6.2, A24).
 */
import { buildBuyTickets, buildRecord, isHit, selectionAlpha, similarity, type TaskState, type Ticket } from '@pouw/chain'
import { bls, bytesToHex, ecvrfProve, ecvrfVerify, hexToBytes } from '@pouw/crypto'
import { type Hex, txId } from '@pouw/primitives'
import { arithmeticMismatch } from '@pouw/training'
import type { RoleName } from '../brain-types.ts'
import type { Context } from '../context.ts'

export const ROLE_CODES = { miner: 1, supervisor: 2, evaluator: 3, verifier: 4 } as const satisfies Partial<Record<RoleName, number>>

/** Everybody greets when its state changes and when a peer is new; this is for what gossip lost. */
const HELLO_MS = 5000
/** Between two greetings because of new peers. */
const GREET_MS_MIN = 1000

export interface Worker {
  onTip(): void
  /** Somebody who does not know us yet. */
  onPeer(): void
  /** True once we offered to work on this task: the ledger, or our own 03 on its way, says so. */
  standsFor(task: TaskState, ticketId: Hex): boolean
}

export function createWorker(context: Context): Worker {
  const { chain, config, params } = context
  const asked = new Set<string>()
  const offered = new Set<Hex>()
  let bought: Hex | undefined
  let greeted = ''
  let greetedMs = 0
  hello()

  return {
    onTip() {
      const ticket = context.ticket()
      if (!ticket) return buy()
      if (ticket.state === 'LIVE') for (const task of chain.view().tasks()) consider(task, ticket)
      // Whoever must find us wants to know at once, not at the next greeting.
      const task = ownTask(ticket.id)
      if (task && `${task.id}:${task.state}` !== greeted) {
        greeted = `${task.id}:${task.state}`
        greet(task)
      }
    },
    onPeer() {
      context.at('hello', Math.max(context.nowMs, greetedMs + GREET_MS_MIN), hello)
    },
    standsFor,
  }

  function standsFor(task: TaskState, ticketId: Hex): boolean {
    return offered.has(task.id) || task.participants.some((entry) => entry.ticketId === ticketId)
  }

  /** The task we work on, or hope to. */
  function ownTask(ticketId: Hex): TaskState | undefined {
    return chain
      .view()
      .tasks()
      .find((task) => (isOpen(task) ? standsFor(task, ticketId) : worksOn(task, ticketId)))
  }

  function wallet() {
    return { secret: config.keys.walletSecret, publicKey: config.keys.walletPublic }
  }

  /** One ticket of our role, unless a purchase is waiting for its block. */
  function buy(): void {
    const role = config.role in ROLE_CODES ? ROLE_CODES[config.role as keyof typeof ROLE_CODES] : undefined
    if (!role || (bought && context.mempool.has(bought))) return
    const needsBls = role === 2 || role === 3
    const tx = buildBuyTickets(
      chain.view(),
      wallet(),
      {
        role,
        count: 1,
        vrfKey: config.keys.ticketPublic,
        blsKey: needsBls ? bytesToHex(config.keys.blsPublic) : '00'.repeat(48),
        ...(needsBls && { possession: bls.provePossession(config.keys.blsSecret) }),
        preferences: config.ticket.preferences,
        families: config.ticket.families,
        price: config.ticket.price,
        expiry: config.ticket.expiry,
        fee: params.minTxFee,
      },
      context.reserved(),
    )
    if (context.submit(tx).ok) {
      bought = txId(tx)
      context.emit('ticket-bought', { role: config.role })
    }
  }

  /** Evaluates our VRF for a task that looks for our role; joins on a hit. */
  function consider(task: TaskState, ticket: Ticket): void {
    const evaluating = task.state === 'EVALUATING' && ticket.role === 3 && task.evaluators.length === 0
    const defined = task.state === 'DEFINED' && (ticket.role === 1 || ticket.role === 2)
    if ((!evaluating && !defined) || task.client === ticket.owner || task.participants.some((entry) => entry.ticketId === ticket.id)) return
    const seedBlock = evaluating ? task.evaluationBlock! : task.blockId
    const key = `${task.id}:${seedBlock}:${isRelaxed(task, evaluating)}`
    if (asked.has(key)) return
    const unfit = arithmeticMismatch(task.document)
    if (unfit) {
      asked.add(key)
      return context.emit('task-unfit', { taskId: task.id, reason: unfit })
    }
    const s = similarity(ticket.preferences, ticket.families, task.record)
    const alpha = selectionAlpha(ticket.role, seedBlock, task.id, ticket.id)
    const proof = ecvrfProve('ELL2', config.keys.ticketSeed, alpha)
    const beta = ecvrfVerify('ELL2', hexToBytes(ticket.vrfKey), alpha, proof)
    if (!beta || s === 0 || !(isRelaxed(task, evaluating) || isHit(beta, s))) {
      asked.add(key)
      return context.emit('not-drawn', { taskId: task.id, similarity: s })
    }
    const tx = buildRecord(
      chain.view(),
      wallet(),
      { type: 'PARTICIPATE', flags: 0, taskId: task.id, ticketId: ticket.id, proof: bytesToHex(proof), role: ticket.role, similarity: s },
      params.minTxFee,
      context.reserved(),
    )
    if (context.submit(tx).ok) {
      asked.add(key)
      offered.add(task.id)
      context.emit('drawn', { taskId: task.id, role: config.role })
    }
  }

  /** In the second window every ticket with s > 0 hits (A24). */
  function isRelaxed(task: TaskState, evaluating: boolean): boolean {
    const start = evaluating ? task.evaluationHeight! : task.definedAt
    return chain.tip().height >= start + params.participationWindow
  }

  /** Tells the network how to reach us while we have work in a task. */
  function hello(): void {
    context.at('hello', context.nowMs + HELLO_MS, hello)
    const ticket = context.peer === '' ? undefined : context.ticket()
    const task = ticket && ownTask(ticket.id)
    if (task) greet(task)
  }

  function greet(task: TaskState): void {
    greetedMs = context.nowMs
    context.gossip(
      'task',
      context.seal({ kind: 'HELLO', taskId: task.id, peerId: context.peer, addresses: [...context.addresses] }, 'ticket'),
    )
  }
}

/** Its workers, or its evaluators, are still being looked for. */
function isOpen(task: TaskState): boolean {
  return task.state === 'DEFINED' || (task.state === 'EVALUATING' && task.evaluators.length === 0)
}

function worksOn(task: TaskState, ticketId: Hex): boolean {
  if (task.state === 'FAILED') return false
  return task.miners.includes(ticketId) || task.supervisors.includes(ticketId) || task.evaluators.includes(ticketId)
}
