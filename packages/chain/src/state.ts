/**
 * The ledger's state: coins, tickets, tasks. A block is a layer of changes over its parent's state; connecting writes the layer down and keeps
 * the old values, disconnecting puts them back, and a side branch is just more layers. Values are immutable: a change is a new object.
 */
import type { ChainRecord, Hex, Report, TaskDocument } from '@pouw/primitives'

export interface Coin {
  readonly amount: bigint
  readonly script: Uint8Array
  readonly height: number
  readonly coinbase: boolean
}

export type TicketRole = 1 | 2 | 3 | 4

export type TicketState = 'IMMATURE' | 'LIVE' | 'EXPIRED' | 'CANDIDATE' | 'BACKUP' | 'ACTIVE' | 'SPENT'

export interface Ticket {
  readonly id: Hex
  readonly role: TicketRole
  /** x-only key that owns the stake and is paid. */
  readonly owner: Hex
  readonly vrfKey: Hex
  readonly blsKey: Hex
  readonly preferences: Hex
  readonly families: number
  readonly price: bigint
  readonly outpoint: { readonly txid: Hex; readonly index: number }
  readonly boughtAt: number
  readonly liveAt: number
  readonly expiresAt: number
  /** IMMATURE and EXPIRED follow from the height and are never stored. */
  readonly state: TicketState
  /** The task it works on, or stood for. */
  readonly task?: Hex
  /** After a task: the height from which the stake may be spent (evidence window). */
  readonly lockedUntil?: number
}

export interface Participant {
  readonly ticketId: Hex
  readonly owner: Hex
  readonly role: TicketRole
  /** floor(beta / s); lower is better (A24). */
  readonly key: bigint
  readonly height: number
}

/** Chain-visible states of a task (A20). */
export type TaskPhase = 'DEFINED' | 'STAFFED' | 'KEYED' | 'TRAINING' | 'EVALUATING' | 'SETTLED' | 'FAILED'

export interface HistoryRecord {
  readonly txid: Hex
  readonly firstSlot: number
  readonly lastSlot: number
  readonly historyRoot: Hex
  readonly logHash: Hex
  readonly messages: number
  readonly height: number
}

export interface TaskState {
  readonly id: Hex
  readonly state: TaskPhase
  readonly reason?: string
  readonly record: ChainRecord<'PAY_FOR_TASK'>
  readonly document: TaskDocument
  readonly client: Hex
  readonly escrow: { readonly txid: Hex; readonly index: number }
  readonly bond: bigint
  /** Height of block T. */
  readonly definedAt: number
  /** Id of block T, the randomness of the draw; empty while T is being built. */
  readonly blockId: Hex
  /** Height P; moves once by relaxation. */
  readonly participationHeight: number
  readonly participants: readonly Participant[]
  /** By selection rank, set at P. */
  readonly miners: readonly Hex[]
  readonly supervisors: readonly Hex[]
  readonly backups: { readonly miners: readonly Hex[]; readonly supervisors: readonly Hex[] }
  /** By selection rank, set when the evaluators' window closes. */
  readonly evaluators: readonly Hex[]
  readonly evaluatorBackups: readonly Hex[]
  readonly history: { readonly lastSlot: number; readonly root: Hex; readonly records: readonly HistoryRecord[] }
  readonly evaluationHeight?: number
  readonly evaluationBlock?: Hex
  /** Height at which the evaluators are fixed; moves once by relaxation. */
  readonly evaluatorsHeight?: number
  readonly testReveal?: ChainRecord<'TEST_REVEAL'>
  readonly commits: readonly { readonly ticketId: Hex; readonly commitment: Hex }[]
  readonly settledAt?: number
  /** What 07 paid for, and the transaction itself. */
  readonly report?: Report
  readonly settlement?: Hex
}

/** Read access to one kind of thing. */
export interface Table<T> {
  get(key: string): T | undefined
  entries(): Iterable<[string, T]>
}

/** Changes over a parent; `undefined` = deleted. */
export class LayerTable<T> implements Table<T> {
  readonly parent: Table<T>
  readonly changes = new Map<string, T | undefined>()

  constructor(parent: Table<T>) {
    this.parent = parent
  }

  get(key: string): T | undefined {
    return this.changes.has(key) ? this.changes.get(key) : this.parent.get(key)
  }

  set(key: string, value: T | undefined): void {
    this.changes.set(key, value)
  }

  *entries(): Iterable<[string, T]> {
    for (const entry of this.parent.entries()) if (!this.changes.has(entry[0])) yield entry
    for (const [key, value] of this.changes) if (value !== undefined) yield [key, value]
  }
}

export interface State {
  readonly coins: Table<Coin>
  readonly tickets: Table<Ticket>
  readonly tasks: Table<TaskState>
}

export interface Layer extends State {
  readonly coins: LayerTable<Coin>
  readonly tickets: LayerTable<Ticket>
  readonly tasks: LayerTable<TaskState>
}

export function layerOver(state: State): Layer {
  return { coins: new LayerTable(state.coins), tickets: new LayerTable(state.tickets), tasks: new LayerTable(state.tasks) }
}

/** Copies a layer's changes into another layer (its parent). */
export function mergeInto(target: Layer, layer: Layer): void {
  for (const [key, value] of layer.coins.changes) target.coins.set(key, value)
  for (const [key, value] of layer.tickets.changes) target.tickets.set(key, value)
  for (const [key, value] of layer.tasks.changes) target.tasks.set(key, value)
}

/** The written state of the best chain. */
export interface BaseState extends State {
  readonly coins: Map<string, Coin>
  readonly tickets: Map<string, Ticket>
  readonly tasks: Map<string, TaskState>
}

type Changes = { readonly [K in keyof State]: Map<string, unknown> }

/** Writes changes into the base; returns what undoes them. */
export function write(base: BaseState, changes: Changes): Changes {
  const undo: Changes = { coins: new Map(), tickets: new Map(), tasks: new Map() }
  for (const kind of ['coins', 'tickets', 'tasks'] as const) {
    const table = base[kind] as Map<string, unknown>
    for (const [key, value] of changes[kind]) {
      undo[kind].set(key, table.get(key))
      if (value === undefined) table.delete(key)
      else table.set(key, value)
    }
  }
  return undo
}

export function changesOf(layer: Layer): Changes {
  return { coins: layer.coins.changes, tickets: layer.tickets.changes, tasks: layer.tasks.changes }
}

export type { Changes }

export function outpointKey(txid: Hex, index: number): string {
  return `${txid}:${index}`
}

/** The state a ticket is in at a height. */
export function ticketAt(ticket: Ticket, height: number): Ticket {
  if (ticket.state !== 'LIVE') return ticket
  if (height < ticket.liveAt) return { ...ticket, state: 'IMMATURE' }
  return height >= ticket.expiresAt ? { ...ticket, state: 'EXPIRED' } : ticket
}
