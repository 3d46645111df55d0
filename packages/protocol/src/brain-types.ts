/** What the outside of a brain looks like: its configuration and the status that people read. */
import type { Chain, Genesis } from '@pouw/chain'
import type { Hex, Report } from '@pouw/primitives'
import type { Effect, Event, GossipVerdict, Service, Topic } from './ports.ts'

/** The operator's keys, all derived from one seed phrase (D9). */
export interface OperatorKeys {
  readonly walletSecret: Uint8Array
  readonly walletPublic: Hex
  readonly ticketSeed: Uint8Array
  readonly ticketPublic: Hex
  readonly blsSecret: Uint8Array
  readonly blsPublic: Uint8Array
}

export type RoleName = 'miner' | 'supervisor' | 'evaluator' | 'verifier' | 'client' | 'peer'

export interface BrainConfig {
  readonly genesis: Genesis
  readonly keys: OperatorKeys
  readonly role: RoleName
  /** What our ticket says when it is bought: taste for tasks (16 bytes, A24), families as a bit set, price, expiry in blocks after maturity. */
  readonly ticket: { readonly preferences: Hex; readonly families: number; readonly price: bigint; readonly expiry: number }
  /** Wait this long between two filler runs, so that a small machine keeps its fans quiet; 0 = none. A15: a node may throttle filler work. */
  readonly fillerPauseMs: number
  /** Keep a restart point every so many iterations. */
  readonly checkpointEvery: number
}

export interface Brain {
  /** Takes one event, returns what to do, in order. Never throws on untrusted input. */
  handle(event: Event, nowMs: number): Effect[]
  /** Judges a gossip message before it is forwarded; the effects are to be performed as those of `handle`. */
  gossip(topic: Topic, bytes: Uint8Array, from: string, nowMs: number): { readonly verdict: GossipVerdict; readonly effects: Effect[] }
  /** Answers a peer's request from our state; undefined = not found, `malformed` = no honest peer asks that. */
  serve(service: Service, payload: Uint8Array): Uint8Array | 'malformed' | undefined
  status(): NodeStatus
  /**
   * The client's model, once its task settled and the bytes arrived: preimage of `modelHash` (task, ticket, sequence, weights), and the
   * commitments of all its data segments in order.
   */
  result():
    | {
        readonly taskId: Hex
        readonly modelHash: Hex
        readonly report: Report
        readonly model: Uint8Array
        readonly commitments: readonly Hex[]
      }
    | undefined
  /** The ledger, to read. */
  readonly chain: Chain
}

export interface BlockSummary {
  readonly height: number
  readonly hash: string
  readonly miner: Hex
  /** The iteration (own sequence of the miner, or filler iteration j). */
  readonly iteration: number
  /** null for filler work. */
  readonly taskId: Hex | null
  readonly verifiers: readonly Hex[]
  readonly verified: boolean
  readonly timeS: number
}

export interface NodeStatus {
  readonly role: RoleName
  readonly owner: Hex
  readonly ticketId: Hex | null
  readonly ticketState: string | null
  readonly height: number
  readonly tip: string
  readonly mempool: number
  readonly candidates: number
  readonly balance: bigint
  readonly tasks: readonly {
    readonly id: Hex
    readonly state: string
    readonly reason: string | null
    readonly miners: readonly Hex[]
    readonly supervisors: readonly Hex[]
    readonly evaluators: readonly Hex[]
    readonly lastSlot: number
  }[]
  /** Own training, if any. */
  readonly training: {
    readonly taskId: Hex
    readonly sequence: number
    readonly due: number
    readonly loss: number
    readonly accuracy: number
    readonly finalised: number
  } | null
  /** Finished work of the client: filled when the task settled and the model arrived. */
  readonly result: { readonly taskId: Hex; readonly modelHash: Hex } | null
  readonly lastReplayMs: number | null
  readonly counters: Readonly<Record<string, number>>
}
