/**
 * The door between the protocol and whatever body drives it (operating-system process, simulator, browser tab).
 *
 * A body calls `handle(event, nowMs)` and performs the effects it gets back **in order**. Effects are plain data: the protocol never
 * opens a socket, reads a clock, draws a random number or touches a disk. A `persist` that stands before a `send` must be durable
 * (survive the death of the process) before the bytes leave: after a restart a sender repeats the same bytes (A22).
 */
import type { CertifiedBlock, Hex, TaskDocument } from '@pouw/primitives'

/** Gossip topics: announcements and small messages only; bulk goes by content address. */
export type Topic = 'tx' | 'block' | 'digest' | 'task'

/** What a body is asked to do. */
export type Effect =
  | { readonly kind: 'gossip'; readonly topic: Topic; readonly bytes: Uint8Array }
  | { readonly kind: 'send'; readonly peer: string; readonly bytes: Uint8Array }
  /** Ask `peers` in turn for the bytes whose SHA-256 is `hash`; answered by a `fetched` event. Bytes already in the blob store count. */
  | { readonly kind: 'fetch'; readonly id: number; readonly hash: Hex; readonly peers: readonly string[]; readonly bytesMax: number }
  /** Ask one peer's service; answered by an `answered` event with the same id. */
  | { readonly kind: 'request'; readonly id: number; readonly peer: string; readonly service: Service; readonly payload: Uint8Array }
  /** Keep these bytes and serve them to anybody who knows their SHA-256. */
  | { readonly kind: 'put-blob'; readonly hash: Hex; readonly bytes: Uint8Array }
  | { readonly kind: 'drop-blob'; readonly hash: Hex }
  /** Durable small state; `undefined` deletes. */
  | { readonly kind: 'persist'; readonly key: string; readonly value: Uint8Array | undefined }
  /** One atomic batch: the block, its certificate, and its place on the best chain. */
  | { readonly kind: 'save-block'; readonly id: Hex; readonly height: number; readonly block: CertifiedBlock }
  /** Wake with a `timer` event of the same id; a later timer with the same id replaces the earlier one. */
  | { readonly kind: 'timer'; readonly id: string; readonly atMs: number }
  | { readonly kind: 'compute'; readonly id: number; readonly job: Job }
  | { readonly kind: 'remember'; readonly peer: string; readonly addresses: readonly string[] }
  | { readonly kind: 'penalise'; readonly peer: string; readonly points: number; readonly reason: string }
  /** For people: logs, metrics, the live view. Nothing depends on it. */
  | { readonly kind: 'emit'; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }

/** Services a peer answers out of its state: blocks after a locator, slots of a task, waiting transactions. Blobs are answered by the body alone. */
export type Service = 'blocks' | 'slots' | 'mempool'

/** What a body tells the protocol. */
export type Event =
  /** First event; `stored` are the persisted pairs and `blocks` the saved best chain in ascending height (without genesis). */
  | {
      readonly kind: 'start'
      readonly stored: ReadonlyMap<string, Uint8Array>
      readonly blocks: readonly CertifiedBlock[]
      readonly peer: string
      readonly addresses: readonly string[]
    }
  | { readonly kind: 'gossip'; readonly topic: Topic; readonly bytes: Uint8Array; readonly from: string }
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly from: string }
  | { readonly kind: 'fetched'; readonly id: number; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'answered'; readonly id: number; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'timer'; readonly id: string }
  | { readonly kind: 'computed'; readonly id: number; readonly result: JobResult }
  | { readonly kind: 'peer'; readonly peer: string; readonly connected: boolean }
  /** The operator wants something (submit a task, send a transaction). */
  | { readonly kind: 'command'; readonly command: Command }

/** What an operator can ask of his node. */
export type Command =
  | {
      readonly kind: 'submit-task'
      readonly document: TaskDocument
      readonly data: { readonly features: Uint8Array; readonly labels: Uint8Array }
    }
  | { readonly kind: 'buy-ticket' }

/** What gossip validation answers before a message is forwarded. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

/** Heavy arithmetic, performed by `createComputer()` wherever the body likes (worker thread, inline). Jobs of one computer run in order. */
export type Job =
  | {
      readonly kind: 'open-run'
      readonly run: string
      readonly document: TaskDocument
      readonly taskId: Hex
      readonly ticketId: Hex
      readonly resume?: { readonly sequence: number; readonly model: Uint8Array; readonly residual: Uint8Array }
    }
  | {
      readonly kind: 'iterate'
      readonly run: string
      readonly sequence: number
      readonly maps: readonly Uint8Array[]
      readonly batch: Uint8Array
      readonly rate: number
      /** IT_RES encoded with every field but the results, see `finishResult`. */
      readonly draft: ResultDraft
      readonly mining?: MiningTicket
      /** Return the state after this iteration, for a checkpoint. */
      readonly checkpoint?: boolean
    }
  | { readonly kind: 'final-model'; readonly run: string; readonly maps: readonly Uint8Array[] }
  | { readonly kind: 'close-run'; readonly run: string }
  | { readonly kind: 'mine-filler'; readonly seed: Hex; readonly ticketId: Hex; readonly mining: MiningTicket }
  | { readonly kind: 'replay-filler'; readonly seed: Hex; readonly ticketId: Hex; readonly iteration: number; readonly verifier: Hex }
  | {
      readonly kind: 'replay'
      readonly document: TaskDocument
      readonly taskId: Hex
      readonly ticketId: Hex
      readonly sequence: number
      readonly model: Uint8Array
      readonly residual: Uint8Array
      readonly maps: readonly Uint8Array[]
      readonly batch: Uint8Array
      readonly rate: number
      /** Ticket that the gradient hash is bound to (A18). */
      readonly verifier: Hex
    }
  | { readonly kind: 'evaluate'; readonly document: TaskDocument; readonly model: Uint8Array; readonly segments: readonly Uint8Array[] }
  | { readonly kind: 'cut-batches'; readonly document: TaskDocument; readonly taskId: Hex; readonly segments: readonly Uint8Array[] }
  | {
      readonly kind: 'commit-data'
      readonly document: TaskDocument
      readonly seed: Uint8Array
      readonly features: Uint8Array
      readonly labels: Uint8Array
    }

/** Header fields of a template and what a nonce must reach; `budget` is `a` of spec 10.2. */
export interface MiningTicket {
  /** The 76 bytes of the zero-nonce header. */
  readonly zeroNonceHeader: Uint8Array
  readonly historyRoot: Hex
  readonly target: bigint
  readonly budget: number
}

/** The fields of an IT_RES that are known before its iteration runs. */
export interface ResultDraft {
  readonly taskId: Hex
  readonly ticketId: Hex
  readonly sequence: number
  readonly epoch: number
  readonly batchIndex: number
  readonly batchHash: Hex
  readonly startModelHash: Hex
  readonly startResidualHash: Hex
  readonly peerCut: number
  readonly peerHash: Hex
  readonly rate: number
  readonly tau: number
  readonly commitment: Hex
  readonly previousHash: Hex
}

export interface IterateResult {
  readonly kind: 'iterate'
  readonly sequence: number
  readonly map: Uint8Array
  readonly loss: number
  readonly accuracy: number
  readonly overdrive: number
  readonly endModelHash: Hex
  readonly endResidualHash: Hex
  /** Present if one of the `budget` nonces meets the target: the nonce, and the state the replay starts from. */
  readonly win?: { readonly nonce: Hex; readonly startModel: Uint8Array; readonly startResidual: Uint8Array }
  readonly checkpoint?: { readonly model: Uint8Array; readonly residual: Uint8Array }
  /** Microseconds by step, for people; measured by the body's clock if it hands one in. */
  readonly trainUs?: number
  readonly overheadUs?: number
}

export interface ReplayResult {
  readonly kind: 'replay'
  readonly map: Uint8Array
  readonly loss: number
  readonly accuracy: number
  readonly overdrive: number
  readonly endModelHash: Hex
  readonly endResidualHash: Hex
  /** SHA-256("POUW-GRAD" || gradient bytes || verifier ticket), A18. Zero loss, accuracy and overdrive for filler work. */
  readonly gradientHash: Hex
  /** Microseconds, for people; only if the body hands in a clock. */
  readonly replayUs?: number
}

export type JobResult =
  | { readonly kind: 'open-run'; readonly modelHash: Hex; readonly residualHash: Hex; readonly sequence: number }
  | IterateResult
  | { readonly kind: 'final-model'; readonly hash: Hex; readonly bytes: Uint8Array }
  | { readonly kind: 'close-run' }
  | {
      readonly kind: 'mine-filler'
      readonly tries: number
      readonly win?: {
        readonly iteration: number
        readonly nonce: Hex
        readonly endModelHash: Hex
        readonly endResidualHash: Hex
        readonly map: Uint8Array
        readonly messageHash: Hex
      }
    }
  | ReplayResult
  | { readonly kind: 'evaluate'; readonly loss: number; readonly accuracy: number; readonly beatsTrivial: boolean }
  | { readonly kind: 'cut-batches'; readonly hashes: readonly Hex[]; readonly batches: readonly Uint8Array[] }
  | { readonly kind: 'commit-data'; readonly commitments: readonly Hex[]; readonly segments: readonly Uint8Array[] }
  | { readonly kind: 'refused'; readonly code: string; readonly layer?: string }
